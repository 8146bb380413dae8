"""Far more than the node can take: memory stays under its limit, nothing acknowledged is lost, and it recovers at once.

SPATE_OVERLOAD_MILLIONS of messages (default 5, the long form is 60) are due at a rate that no generator can send, let
alone a node take; it takes what it can, and the devices wait with the rest.
"""
import json
import os
import subprocess
import threading
import unittest

from spate_node import BIN, Directory, Node

MESSAGES = 1_000_000 * int(os.environ.get("SPATE_OVERLOAD_MILLIONS", "5"))
RATE = 20_000_000
DEVICES = 200
LIMIT = 256 << 20
OVERLOADED_TIMES = 2  # Offered this many times what was achieved, or it was no overload.


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def loadgen(*words):
    """(exit code, the JSON document on its standard output, what it said beside)."""
    done = subprocess.run([str(BIN / "spate-loadgen"), *map(str, words), "--quiet"], capture_output=True, text=True,
                          timeout=600)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def load(node, *words):
    return loadgen("run", "--target", "mqtt://%s:%d" % node.mqtt, "--qos", 1, "--report", "-", *words)


class Overload(unittest.TestCase):
    def flood(self, node, acks):
        """The report of the overload, and the node's largest RSS during it."""
        sizes = []
        done = threading.Event()

        def watch():
            while not done.wait(0.1):  # A sampling interval, nothing waits for it.
                sizes.append(rss_bytes(node.process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            code, report, said = load(node, "--devices", DEVICES, "--rate", RATE, "--window", 1000, "--stop-after",
                                      MESSAGES, "--drain", "60s", "--ledger", acks)
        finally:
            done.set()
            watcher.join()
        self.assertEqual(code, 0, said)
        return report, max(sizes)

    def check_flood(self, report):
        self.assertEqual(report["connected"], DEVICES)
        self.assertEqual([report[key] for key in ("connections_lost", "lost", "refused", "unsent")], [0] * 4)
        self.assertEqual((report["sent"], report["acked"]), (MESSAGES, MESSAGES))
        achieved = report["acked"] / (report["sending_s"] + report["drain_s"])
        self.assertGreater(RATE, OVERLOADED_TIMES * achieved, "this was no overload")

    def test_far_too_much_slows_devices_down_and_costs_no_memory_and_no_record(self):
        with Directory() as directory:
            node = Node(directory / "data", "--memory-limit", str(LIMIT)).wait_ready()
            flood, largest = self.flood(node, directory / "acks")
            self.check_flood(flood)
            self.assertLess(largest, LIMIT)
            code, after, said = load(node, "--devices", 50, "--rate", 1000, "--duration", "2s", "--device-prefix", "after-")
            self.assertEqual((code, after["ok"], after["acked"]), (0, True, 2000), said)
            ledger = node.ledger()
            self.assertEqual((ledger["imbalance"], ledger["in_flight"], ledger["rejected"]), (0, 0, {}))
            self.assertEqual((ledger["stored"], ledger["duplicate"]), (flood["acked"] + after["acked"], 0))
            code, verify, said = loadgen("verify", "--ledger", directory / "acks", "--api", node.url, "--json", "-")
            self.assertEqual((code, verify["checked"]), (0, flood["acked"]), said)
            print(f"largest RSS {largest >> 20} MiB, {verify['checked']:,} records checked")
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
