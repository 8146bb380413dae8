"""kill -9 under load, again and again: nothing that was acknowledged is lost, nothing is doubled.

The acknowledged records are kept outside the node, by the load generator, which reconnects and sends again what was
not acknowledged. Then every acknowledged record is read back over HTTP. Cycles: SPATE_CRASH_CYCLES (default 20).
"""
import os
import random
import subprocess
import unittest

from spate_node import BIN, Directory, Node

CYCLES = int(os.environ.get("SPATE_CRASH_CYCLES", "20"))
DEVICES = 40


class Crash(unittest.TestCase):
    def test_no_acknowledged_record_is_lost_or_doubled(self):
        seed = int(os.environ.get("SPATE_CRASH_SEED", "1"))
        dice = random.Random(seed)
        with Directory() as directory:
            data = directory / "data"
            acks = directory / "acks"
            node = Node(data, "--shards", "2").wait_ready()
            mqtt = node.mqtt
            load = subprocess.Popen(
                [str(BIN / "spate-loadgen"), "run", "--target", "mqtt://%s:%d" % mqtt, "--devices", str(DEVICES), "--flood",
                 "--window", "20", "--duration", "600s", "--qos", "1", "--reconnect", "--acks", str(acks), "--quiet"],
                stdout=subprocess.DEVNULL)
            try:
                for cycle in range(CYCLES):
                    # Some cycles die while the log is replayed or the first sessions come back.
                    until = dice.choice([0, 1, 2000, 20000])
                    while node.ledger()["stored"] < until:
                        self.assertIsNone(load.poll(), "the load generator stopped")
                    node.kill()
                    node = Node(data, "--shards", "2", mqtt=mqtt).wait_ready()
                while node.ledger()["stored"] < 20000:
                    self.assertIsNone(load.poll(), "the load generator stopped")
            finally:
                load.send_signal(2)
                load.wait(120)
            self.assertEqual(node.ledger()["imbalance"], 0)
            verify = subprocess.run([str(BIN / "spate-loadgen"), "verify", "--acks", str(acks), "--api", node.url],
                                    capture_output=True, text=True, timeout=600)
            self.assertEqual(verify.returncode, 0, f"seed {seed}\n{verify.stdout}{verify.stderr}")
            print(verify.stdout.strip().splitlines()[-1])
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
