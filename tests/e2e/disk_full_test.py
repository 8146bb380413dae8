"""The disk runs full and has space again, under load: nothing acknowledged is lost, and the node recovers by itself.

Needs root (a tmpfs of its own). Cycles: SPATE_FULL_CYCLES (default 3).
"""
import os
import subprocess
import time
import unittest

from fault_disk import SmallDisk, needs_root
from fault_load import Load, verify
from power_cut_test import progress
from spate_node import BIN, Directory, Node

CYCLES = int(os.environ.get("SPATE_FULL_CYCLES", "3"))
MEBIBYTES = 64
RECOVERY_S_MAX = 5
CONFIG = """[store]
disk_free_min_bytes = 1
"""


class DiskFull(unittest.TestCase):
    def setUp(self):
        needs_root("a full disk")

    def start(self, disk, directory, **more):
        config = directory / "spate.toml"
        config.write_text(CONFIG)
        return Node(disk.path / "data", "--shards", "2", "--config", config, **more).wait_ready()

    def is_refusing(self, node):
        return any(not check["status"] == "ok" for check in node.get("/readyz?verbose")[1]["checks"]
                   if check["name"].startswith("shard"))

    def await_refusal(self, node, refusing, timeout_s):
        begin = time.monotonic()
        while self.is_refusing(node) != refusing:
            self.assertIsNone(node.process.poll(), "the node ended:\n" + "\n".join(node.log[-20:]))
            if time.monotonic() - begin > timeout_s:
                self.fail(f"{'not refused' if refusing else 'not taken'} after {timeout_s} s:\n" + "\n".join(node.log[-20:]))
            time.sleep(0.01)
        return time.monotonic() - begin

    def test_it_refuses_and_recovers_and_loses_nothing(self):
        longest = 0
        with Directory() as directory, SmallDisk(MEBIBYTES) as disk:
            node = self.start(disk, directory)
            with Load(node.mqtt, directory, "--rate", "2000") as load:
                for cycle in range(CYCLES):
                    load.await_stored(node, node.ledger()["stored"] + 500)
                    disk.fill()
                    self.await_refusal(node, True, 60)
                    node.text("/livez")
                    node.get("/api/v1/devices")  # Answered, whatever it says.
                    time.sleep(0.2)
                    disk.empty()
                    longest = max(longest, self.await_refusal(node, False, 60))
                    progress(f"cycle {cycle + 1} of {CYCLES} ")
                load.await_stored(node, node.ledger()["stored"] + 500)
                report = load.finish()
            self.assertEqual(report["lost"], 0)
            code, result, said = verify(load.acks, node)
            self.assertEqual(code, 0, f"{said}\n{result}")
            self.assertGreater(result["checked"], 1000)
            self.assertLess(longest, RECOVERY_S_MAX)
            self.assertEqual(node.ledger()["imbalance"], 0)
            self.assertEqual(node.terminate(), 0)
            # After a restart too; and the check finds a record that is not there.
            node = self.start(disk, directory)
            self.assertEqual(verify(load.acks, node)[0], 0)
            (directory / "line").write_text(f"dev-0\t12345\t{0:016x}\n")
            subprocess.run([str(BIN / "spate-loadgen"), "ledger", str(load.acks), "--import", str(directory / "line")], check=True)
            self.assertNotEqual(verify(load.acks, node)[0], 0, "control: an acknowledged record that was never stored")
            self.assertEqual(node.terminate(), 0)
            print(f"{CYCLES} times full: {result['checked']:,} acknowledged records checked, none lost; back after "
                  f"{longest:.1f} s at most")

    def test_a_backup_that_fills_its_disk_fails_and_the_node_goes_on(self):
        with Directory() as directory, SmallDisk(8) as disk:
            target = disk.path / "nightly"
            config = directory / "spate.toml"
            config.write_text(f'[backup]\ndirectory = "{disk.path}"\n')
            node = Node(directory / "data", "--shards", "2", "--config", config).wait_ready()
            with Load(node.mqtt, directory) as load:
                load.await_stored(node, 200000)
                for source in (("--url", node.url), ("--url", node.url)):
                    made = subprocess.run([str(BIN / "spate"), "backup", "create", "--to", str(target), *source],
                                          capture_output=True, text=True, timeout=120)
                    self.assertEqual(made.returncode, 1)
                    self.assertIn("No space left on device", made.stderr)
                self.assertEqual(load.finish()["lost"], 0)
            self.assertEqual(node.get("/readyz")[0], 200)
            self.assertEqual(list((target / "manifests").iterdir()), [])
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
