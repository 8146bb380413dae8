"""The power goes under load, again and again, on a real ext4: nothing that was acknowledged is lost or doubled.

Needs root (a loop device). Cycles: SPATE_POWER_CYCLES (default 20); the seed: SPATE_FAULTS_SEED.
"""
import os
import random
import sys
import time
import unittest

from fault_disk import LoopDisk, needs_root
from fault_load import Load, verify
from spate_node import Directory, Node

CYCLES = int(os.environ.get("SPATE_POWER_CYCLES", "20"))
SEED = int(os.environ.get("SPATE_FAULTS_SEED", "1"))


def progress(text):
    if sys.stderr.isatty() or "SPATE_FAULTS_TIMES" in os.environ:
        print("\r" + text, end="", file=sys.stderr, flush=True)


class PowerCut(unittest.TestCase):
    def setUp(self):
        needs_root("a power cut")

    def cut(self, dice, node, load, disk, loads, directory):
        """The power goes. What is acknowledged while it goes proves nothing: an fdatasync that runs at that moment may
        return without an error. So either the node stands still, or nobody hears it any more. Gives the load that goes on."""
        if dice.random() < 0.5:
            node.freeze()
        else:
            load.kill()
        disk.cut()
        node.kill()
        disk.power_on()
        if load.process.poll() is None:
            return load
        loads.append(Load(node.mqtt, directory, name=f"acks{len(loads)}"))
        return loads[-1]

    def cuts(self, disk, directory, cycles, durability):
        """What became of the records that were acknowledged: (checked, missing, doubled or different)."""
        dice = random.Random(SEED)
        data = disk.path / "data"
        words = ("--shards", "2", "--durability", durability)
        node = Node(data, *words).wait_ready()
        mqtt = node.mqtt
        load = Load(mqtt, directory, name="acks0")
        loads = [load]
        try:
            for cycle in range(cycles):
                load.await_stored(node, dice.choice([1, 2000, 20000]))
                time.sleep(dice.random() * 0.05)
                load = self.cut(dice, node, load, disk, loads, directory)
                node = Node(data, *words, mqtt=mqtt).wait_ready()
                progress(f"cycle {cycle + 1} of {cycles} ")
            load.await_stored(node, 2000)
            self.assertEqual(load.finish()["lost"], 0)
        finally:
            for each in loads:
                each.kill()
        checked = missing = wrong = 0
        for each in loads:
            code, result, said = verify(each.acks, node, partial=each is not load)
            self.assertIn("missing", result, said)
            checked += result["checked"]
            missing += result["missing"]
            wrong += result["doubled"] + result["different"]
            self.assertEqual(code == 0, result["missing"] + result["doubled"] + result["different"] == 0)
        self.assertEqual(node.ledger()["imbalance"], 0)
        self.assertEqual(node.terminate(), 0)
        disk.unmount()
        return checked, missing, wrong

    def test_no_acknowledged_record_is_lost_or_doubled(self):
        with Directory() as directory, LoopDisk() as disk:
            started = time.monotonic()
            checked, missing, wrong = self.cuts(disk, directory, CYCLES, "fsync")
            print(f"seed {SEED}: {CYCLES} power cuts in {time.monotonic() - started:.0f} s; of {checked:,} acknowledged records "
                  f"{missing:,} lost, {wrong:,} doubled or different")
            self.assertEqual((missing, wrong), (0, 0), f"seed {SEED}")
            self.assertGreater(checked, 1000)

    def test_control_without_fsync_records_are_lost(self):
        with Directory() as directory, LoopDisk() as disk:
            checked, missing, _ = self.cuts(disk, directory, 4, "os")
            self.assertGreater(missing, 0, "no record was lost without fsync: the test can not tell")
            print(f"control without fsync: of {checked:,} acknowledged records {missing:,} lost")


if __name__ == "__main__":
    unittest.main()
