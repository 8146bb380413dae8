"""A subscriber of the load generator against the real node: what was acknowledged is what comes, also over a kill -9."""
import json
import subprocess
import time
import unittest

from spate_node import BIN, Directory, Node

LOADGEN = str(BIN / "spate-loadgen")
PATIENCE_S = 120


def verify(acked, *words):
    done = subprocess.run([LOADGEN, "verify", "--ledger", str(acked), "--json", "-", "--quiet", *map(str, words)],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    return done.returncode, json.loads(done.stdout)


class Receive(unittest.TestCase):
    def run_load(self, node, directory, *words):
        return subprocess.Popen([LOADGEN, "run", "--target", "mqtt://%s:%d" % node.mqtt, "--devices", "20", "--quiet", "--report",
                                 str(directory / "report.json"), "--ledger", str(directory / "acked"), "--receive",
                                 str(directory / "received"), *map(str, words)], stdout=subprocess.DEVNULL)

    def test_what_is_acknowledged_is_received_and_stored(self):
        with Directory() as directory:
            node = Node(directory / "data").wait_ready()
            for version in (3, 5):
                load = self.run_load(node, directory, "--rate", 10_000, "--stop-after", 5000, "--mqtt", version, "--device-prefix",
                                     f"v{version}-")
                self.assertEqual(load.wait(PATIENCE_S), 0)
                report = json.loads((directory / "report.json").read_text())
                self.assertEqual((report["acked"], report["received"]["received"], report["received"]["out_of_order"]), (5000, 5000, 0))
                for words in (("--received", directory / "received"), ("--api", node.url)):
                    code, result = verify(directory / "acked", *words)
                    self.assertEqual((code, result["checked"], result["stored_unacknowledged"]), (0, 5000, 0), result)
            self.assertEqual(node.terminate(), 0)

    def test_a_kept_session_misses_nothing_when_the_node_is_killed(self):
        with Directory() as directory:
            node = Node(directory / "data").wait_ready()
            load = self.run_load(node, directory, "--rate", 2000, "--stop-after", 6000, "--reconnect", "--drain", "20s")
            until = time.monotonic() + PATIENCE_S
            while node.ledger()["stored"] < 2000:
                self.assertLess(time.monotonic(), until)
                time.sleep(0.01)
            mqtt = node.mqtt
            node.kill()
            node = Node(directory / "data", mqtt=mqtt).wait_ready()
            self.assertEqual(load.wait(PATIENCE_S), 0)
            report = json.loads((directory / "report.json").read_text())
            self.assertEqual((report["acked"], report["received"]["connections_lost"]), (6000, 1))
            self.assertGreaterEqual(report["received"]["received"], 6000)
            code, result = verify(directory / "acked", "--received", directory / "received", "--allow-doubled")
            self.assertEqual((code, result["checked"], result["missing"]), (0, 6000, 0), result)
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
