"""kill -9 under load, again and again: nothing that was acknowledged is lost, nothing is doubled.

The acknowledged records are kept outside the node, by the load generator, which reconnects and sends again what was
not acknowledged. Then every acknowledged record is read back over HTTP. Cycles: SPATE_CRASH_CYCLES (default 20).
"""
import json
import os
import random
import subprocess
import threading
import time
import unittest

from spate_node import BIN, Directory, Node, connect, publish, read_packet

CYCLES = int(os.environ.get("SPATE_CRASH_CYCLES", "20"))
SEED = int(os.environ.get("SPATE_CRASH_SEED", "1"))
DEVICES = 40
START_MS_MAX = 200  # Of a node that dies while it starts.


class Crash(unittest.TestCase):
    def start_load(self, mqtt, directory):
        return subprocess.Popen(
            [str(BIN / "spate-loadgen"), "run", "--target", "mqtt://%s:%d" % mqtt, "--devices", str(DEVICES), "--flood",
             "--window", "20", "--duration", f"{600 + 10 * CYCLES}s", "--drain", "60s", "--qos", "1", "--reconnect", "--quiet",
             "--ledger", str(directory / "acks"), "--report", str(directory / "report.json")], stdout=subprocess.DEVNULL)

    def await_stored(self, node, load, records):
        """`stored` counts from the start of the node."""
        while node.ledger()["stored"] < records:
            self.assertIsNone(load.poll(), "the load generator stopped")
            time.sleep(0.005)  # Asks no more often than that.

    def cycle(self, dice, node, load, data):
        """Kills the node, in every other cycle also the next one while it starts; gives the one that then serves."""
        # Right after it is ready, when the first sessions come back, or under full load.
        self.await_stored(node, load, dice.choice([0, 1, 2000, 20000]))
        mqtt = node.mqtt
        node.kill()
        if dice.random() < 0.5:
            # It opens its database, reads its log back, or begins to listen.
            starting = Node(data, "--shards", "2", mqtt=mqtt)
            time.sleep(dice.random() ** 2 * START_MS_MAX / 1000)  # Early ones more often: it is ready soon.
            self.died_starting += 1
            self.died_ready += starting.mqtt is not None
            starting.kill()
        return Node(data, "--shards", "2", mqtt=mqtt).wait_ready()

    def test_no_acknowledged_record_is_lost_or_doubled(self):
        dice = random.Random(SEED)
        self.died_starting = self.died_ready = 0
        with Directory() as directory:
            data = directory / "data"
            node = Node(data, "--shards", "2").wait_ready()
            load = self.start_load(node.mqtt, directory)
            try:
                for _ in range(CYCLES):
                    node = self.cycle(dice, node, load, data)
                self.await_stored(node, load, 20000)
                load.send_signal(2)
                self.assertEqual(load.wait(120), 0, "the load generator lost messages")
            finally:
                load.kill()
                load.wait()
            self.assertEqual(node.ledger()["imbalance"], 0)
            report = json.loads((directory / "report.json").read_text())
            self.assertGreater(report["connections_lost"], 0)
            self.assertEqual(report["lost"], 0)
            verify = subprocess.run([str(BIN / "spate-loadgen"), "verify", "--ledger", str(directory / "acks"), "--api", node.url,
                                     "--json", "-", "--quiet"], capture_output=True, text=True, timeout=600)
            self.assertEqual(verify.returncode, 0, f"seed {SEED}\n{verify.stderr}")
            result = json.loads(verify.stdout)
            self.assertEqual(result["acknowledged"], report["acked"])
            self.assertGreater(result["checked"], 20000)
            print(f"seed {SEED}: {result['checked']:,} records checked; of {self.died_starting} that died while they started "
                  f"{self.died_ready} were ready")
            self.assertEqual(node.terminate(), 0)

    def test_control_what_was_only_sent_is_lost(self):
        """Counts a record as acknowledged when it was sent: the same check must then find losses."""
        with Directory() as directory:
            data = directory / "data"
            node = Node(data, "--shards", "2").wait_ready()
            begin_ms = int(time.time() * 1000) - 100_000
            connection = node.connect()
            connection.sendall(connect("control"))
            read_packet(connection)
            # One that is stored, so that the device is known; then a burst that nobody waits for.
            connection.sendall(publish("devices/control/telemetry", json.dumps({"ts": begin_ms, "v": 0})))
            read_packet(connection)
            burst = [publish("devices/control/telemetry", json.dumps({"ts": begin_ms + i, "v": i}), i % 65535 + 1)
                     for i in range(1, 20001)]
            sender = threading.Thread(target=self.send_all, args=(connection, b"".join(burst)), daemon=True)
            sender.start()
            node.kill()
            sender.join(60)
            connection.close()
            lines = [f"control\t{begin_ms + i}\t{0:016x}\n" for i in range(20001)]
            acks = directory / "acks"
            (directory / "lines").write_text("".join(lines))
            subprocess.run([str(BIN / "spate-loadgen"), "ledger", str(acks), "--import", str(directory / "lines")], check=True)
            node = Node(data, "--shards", "2").wait_ready()
            verify = subprocess.run([str(BIN / "spate-loadgen"), "verify", "--ledger", str(acks), "--api", node.url,
                                     "--json", "-", "--quiet"], capture_output=True, text=True, timeout=600)
            self.assertNotEqual(verify.returncode, 0, "no record was lost: the test can not tell")
            missing = json.loads(verify.stdout)["missing"]
            self.assertGreater(missing, 0, "no record was lost: the test can not tell")
            print(f"control: of {len(lines):,} records that were only sent {missing:,} lost")
            self.assertEqual(node.terminate(), 0)

    def send_all(self, connection, data):
        try:
            connection.sendall(data)
        except OSError:
            pass  # The node is gone.


if __name__ == "__main__":
    unittest.main()
