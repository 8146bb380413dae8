#!/usr/bin/env python3
"""What commands.py decides, and its HTTP client, without a node."""
import http.server
import threading
import types
import unittest

import commands
import harness


def measured(**p99_ms):
    """One repetition of each cell that is named, as idle_on=1.0."""
    return {cell.replace("_", " ").replace("flood ", "flood-"): [{"p50_ms": 1.0, "p99_ms": value, "sync_ms": 0.3,
                                                                 "cpu_us": value,
                                                                 "telemetry_cpu_us": value}] for cell, value in p99_ms.items()}


class Goals(unittest.TestCase):
    def met(self, results, only=("idle", "flood-100")):
        return {g["goal"]: g["met"] for g in commands.goals(list(only), results)}

    def test_each_promise_is_held_against_the_same_repetition(self):
        met = self.met(measured(idle_on=1.0, flood_100_on=4.0, flood_100_off=8.0, flood_100_none=4.0))
        self.assertEqual(len(met), 5)
        self.assertTrue(all(met.values()), met)
        met = self.met(measured(idle_on=1.0, flood_100_on=4.1, flood_100_off=8.0, flood_100_none=3.9))
        self.assertEqual([met[g] for g in met], [True, False, False, False, False])

    def test_idle_is_held_against_the_disk(self):
        results = measured(idle_on=1.0)
        results["idle on"][0]["sync_ms"] = 0.29
        self.assertFalse(self.met(results, ["idle"])["idle: p50 above 2 x fdatasync, ms"])

    def test_a_goal_without_data_is_missed(self):
        self.assertFalse(any(self.met({"idle on": [None], "flood-100 on": [None]}).values()))
        self.assertFalse(any(g["met"] for g in commands.queued_goals({"queued": [None]})))

    def test_a_repetition_that_did_not_count_is_left_out_of_both_sides(self):
        results = measured(flood_100_on=1.0, flood_100_off=2.0)
        results["flood-100 on"].append({"p99_ms": 9.0})
        results["flood-100 off"].append(None)
        self.assertEqual(commands.ratios(results, "flood-100 on", "flood-100 off", "p99_ms"), [0.5])


class Cells(unittest.TestCase):
    def test_a_flood_runs_with_and_without_priorities_and_without_commands(self):
        self.assertEqual(commands.cells_of(["idle", "flood-10k"]),
                         [("idle", "on"), ("flood-10k", "on"), ("flood-10k", "off"), ("flood-10k", "none")])

    def test_the_flood_without_commands_is_the_same_flood(self):
        args = types.SimpleNamespace(window=20, payload="env", seconds=10, warm_up=2, commands_per_s=500, mqtt=3)
        flood = commands.SCENARIOS["flood-100"]
        command, words = commands.options_of(args, flood, commands.NONE)
        self.assertEqual(command, "run")
        command, more = commands.options_of(args, flood, commands.ON)
        self.assertEqual((command, more[:len(words)]), ("commands", words))


class Posts(unittest.TestCase):
    def test_every_request_is_answered_once_and_counted_by_status(self):
        seen = []

        class Api(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                seen.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(202 if self.path != "/7" else 409)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for connections, count in ((4, 100), (8, 3), (1, 0)):
            seen.clear()
            posts = harness.HttpPosts(server.server_port, connections)
            statuses = posts.run((f"/{i}", b"body %d" % i) for i in range(count))
            posts.close()
            self.assertEqual(sorted(seen), sorted((f"/{i}", b"body %d" % i) for i in range(count)))
            self.assertEqual(sum(statuses.values()), count)
            self.assertEqual(statuses.get(409, 0), 1 if count > 7 else 0)
        server.shutdown()
        server.server_close()

    def test_an_answer_may_come_in_pieces(self):
        received = bytearray()
        for part in (b"HTTP/1.1 202 Acc", b"epted\r\ncontent-LENGTH: 4\r\n", b"\r\n", b"ab"):
            received.extend(part)
            self.assertIsNone(harness.HttpPosts._take_answer(received))
        received.extend(b"cd")
        self.assertEqual(harness.HttpPosts._take_answer(received), 202)
        self.assertFalse(received)


if __name__ == "__main__":
    unittest.main()
