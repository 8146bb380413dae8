#!/usr/bin/env python3
"""What compare.py decides, without servers."""
import argparse
import contextlib
import io
import types
import unittest

import compare


def arguments(**more):
    return argparse.Namespace(**{"only": ["flood-w20"], "servers": ["floor", "spate", "mosquitto"], "gate": True,
                                 "quick": False, **more})


def measured(**cpu_us):
    return {"flood-w20": {name: [{"cpu_us": value}] for name, value in cpu_us.items()}}


class Goals(unittest.TestCase):
    def met(self, results, **more):
        return {g["goal"]: g["met"] for g in compare.goals(arguments(**more), results)}

    def test_a_goal_without_data_is_missed(self):
        met = self.met(measured(spate=1.0, mosquitto=5.0))
        self.assertTrue(met["flood-w20: spate x mosquitto"])
        self.assertFalse(met["flood-w20: spate x floor"])
        self.assertFalse(any(self.met({"flood-w20": {"spate": [None], "mosquitto": [None]}}).values()))

    def test_scenarios_that_nobody_asked_for_have_no_goals(self):
        self.assertEqual({goal.split(":")[0] for goal in self.met({"idle": {}}, only=["idle"])}, {"idle"})
        self.assertEqual(self.met({"flood-10k": {}}, only=["flood-10k"]), {})

    def test_a_goal_without_data_is_printed_as_missed_only_by_the_gate(self):
        for gate in (True, False):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                args = arguments(gate=gate)
                compare.print_goals(args, compare.goals(args, {"flood-w20": {}}))
            self.assertEqual("MISS" in out.getvalue(), gate)
            self.assertIn("no data", out.getvalue())


class Words(unittest.TestCase):
    def test_servers_are_no_scenarios_and_scenarios_no_servers(self):
        parser = argparse.ArgumentParser()
        for option, text, known in (("--servers", "flood-w20", compare.SERVERS), ("--only", "spate", compare.LOADS)):
            with self.assertRaises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
                compare.words_of(parser, option, text, known)
        self.assertEqual(compare.words_of(parser, "--servers", "spate,floor,spate", compare.SERVERS), ["spate", "floor"])


class Limits(unittest.TestCase):
    def test_a_server_is_the_limit_when_one_thread_of_it_is_busy(self):
        cores = compare.os.cpu_count()
        result = {"rate": 1, "server_cores": 0.5 * cores, "generator_cores": 0, "other_cores": 0}
        report = {"generator": {"saturated": False, "cpu_share": [0.3]}}
        scenario = compare.LOADS["flood-w20"]
        self.assertEqual(compare.limited_by(scenario, {**result, "busiest_thread": 0.95}, report), "server")
        self.assertEqual(compare.limited_by(scenario, {**result, "busiest_thread": 0.5}, report), "waiting")
        report["generator"]["cpu_share"] = [0.3, 0.95]
        self.assertEqual(compare.limited_by(scenario, {**result, "busiest_thread": 0.5}, report), "generator")


class Windows(unittest.TestCase):
    def test_a_file_that_the_server_closes_does_not_end_the_window(self):
        server = types.SimpleNamespace(descriptors=lambda: self.open, cpu_seconds=lambda: self.cpu,
                                       thread_cpu_seconds=lambda: {"1": self.cpu})
        window = compare.Window(server, types.SimpleNamespace(cpu_seconds=lambda: 0.0), 120)
        self.open, self.cpu = 60, 1.0
        window.sample()  # Not all are connected.
        self.assertEqual(window.used(), [0.0] * 4)
        self.open, self.cpu = 120, 2.0
        window.sample()
        self.open, self.cpu = 118, 5.0
        window.sample()
        self.open, self.cpu = 30, 9.0
        window.sample()  # They leave.
        self.assertEqual(window.used()[1], 3.0)


if __name__ == "__main__":
    unittest.main()
