"""Far more than the node can take: memory stays under its limit, nothing acknowledged is lost, and it recovers at once.

SPATE_OVERLOAD_S says for how long (default 8; the long form is 60).
"""
import os
import subprocess
import threading
import time
import unittest

from spate_node import BIN, Directory, Node

SECONDS = int(os.environ.get("SPATE_OVERLOAD_S", "8"))
LIMIT = 512 << 20


def rss_bytes(pid):
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def load(node, *args):
    command = [str(BIN / "spate-loadgen"), "run", "--target", "mqtt://%s:%d" % node.mqtt, "--qos", "1", "--quiet", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * 10 + 120)


class Overload(unittest.TestCase):
    def test_ten_times_too_much_slows_devices_down_and_costs_no_memory_and_no_record(self):
        with Directory() as directory:
            node = Node(directory / "data", "--memory-limit", str(LIMIT)).wait_ready()
            sizes = []
            done = threading.Event()

            def watch():
                while not done.is_set():
                    sizes.append(rss_bytes(node.process.pid))
                    time.sleep(0.1)  # A sampling interval, nothing waits for it.

            watcher = threading.Thread(target=watch)
            watcher.start()
            flood = load(node, "--devices", "200", "--rate", "5M", "--window", "1000", "--duration", f"{SECONDS}s", "--drain",
                         "60s", "--acks", str(directory / "acks"))
            done.set()
            watcher.join()
            self.assertIn(flood.returncode, (0, 1), flood.stderr)  # 1: the generator says that it fell behind.
            self.assertLess(max(sizes), LIMIT)
            after = load(node, "--devices", "50", "--rate", "1000", "--duration", "2s", "--device-prefix", "after-")
            self.assertEqual(after.returncode, 0, after.stdout + after.stderr)
            ledger = node.ledger()
            self.assertEqual((ledger["imbalance"], ledger["in_flight"], ledger["rejected"]), (0, 0, {}))
            verify = subprocess.run([str(BIN / "spate-loadgen"), "verify", "--acks", str(directory / "acks"), "--api", node.url],
                                    capture_output=True, text=True, timeout=600)
            self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)
            print(f"largest RSS {max(sizes) >> 20} MiB; {verify.stdout.strip().splitlines()[-1]}")
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
