"""Backups of a node under load, by the command line: verified, restored, and damaged ones found."""
import json
import pathlib
import subprocess
import unittest

from fault_load import Load, verify
from spate_node import BIN, Directory, Node


def spate(*words):
    """(exit code, standard output, standard error)."""
    done = subprocess.run([str(BIN / "spate"), *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


class Backup(unittest.TestCase):
    def start(self, directory, target):
        config = directory / "spate.toml"
        config.write_text(f'[backup]\ndirectory = "{target.parent}"\n')
        return Node(directory / "data", "--shards", "2", "--config", config).wait_ready()

    def test_a_node_under_load_is_backed_up_and_restored(self):
        with Directory() as directory:
            target = directory / "backups" / "nightly"
            node = self.start(directory, target)
            with Load(node.mqtt, directory, name="before") as load:
                load.await_stored(node, 20000)
                load.finish()
            with Load(node.mqtt, directory, name="during") as during:
                during.await_stored(node, 30000)
                code, out, said = spate("backup", "create", "--to", target, "--url", node.url, "-o", "json")
                self.assertEqual(code, 0, said)
                first = json.loads(out)
                during.await_stored(node, node.ledger()["stored"] + 5000)
                during.kill()
            code, out, said = spate("backup", "create", "--to", target, "--url", node.url, "--keep", "2")
            self.assertEqual(code, 0, said)
            listed = json.loads(spate("backup", "ls", target, "-o", "json")[1])["items"]
            self.assertEqual(len(listed), 2)
            self.assertTrue(listed[0]["new_bytes"] <= listed[0]["size_bytes"])
            status, page = node.get("/api/v1/backups")
            self.assertEqual((status, [b["state"] for b in page["items"]]), (200, ["COMPLETE"] * 2))
            self.assertEqual(node.terminate(), 0)

            code, out, said = spate("backup", "verify", target, first["id"])
            self.assertEqual(code, 0, said)
            self.assertIn("40 devices", out)
            code, out, said = spate("backup", "restore", target, first["id"], "--data-dir", directory / "restored")
            self.assertEqual(code, 0, said)
            restored = Node(directory / "restored", "--shards", "2").wait_ready()
            code, result, said = verify(directory / "before", restored)
            self.assertEqual(code, 0, f"{said}\n{result}")
            self.assertEqual(restored.terminate(), 0)
            # Never over something that is there.
            code, _, said = spate("backup", "restore", target, "--data-dir", directory / "restored")
            self.assertEqual(code, 1)
            self.assertIn("not empty", said)

            table = max(target.glob("data0/private/*/*.log"), key=lambda f: f.stat().st_size, default=None) or \
                next(target.glob("data0/shared_checksum/*.sst"))
            damaged = bytearray(table.read_bytes())
            damaged[len(damaged) // 2] ^= 1
            table.write_bytes(damaged)
            codes = [spate("backup", "verify", target, b["id"], "--quick")[0] for b in listed]
            self.assertIn(1, codes)

    def test_what_is_wrong_is_said(self):
        with Directory() as directory:
            target = directory / "backups" / "nightly"
            node = self.start(directory, target)
            code, _, said = spate("backup", "create", "--to", directory / "elsewhere", "--url", node.url)
            self.assertEqual(code, 2)
            self.assertIn("is not below", said)
            code, _, said = spate("backup", "create", "--to", target, "--data-dir", node.data_dir)
            self.assertEqual(code, 1)
            self.assertIn("is in use by process", said)
            self.assertEqual(node.terminate(), 0)
            code, out, said = spate("backup", "create", "--to", target, "--data-dir", directory / "data")
            self.assertEqual(code, 0, said)
            self.assertEqual(spate("backup", "verify", target)[0], 0)
            self.assertEqual(spate("backup", "verify", target, "x")[0], 2)
            self.assertEqual(spate("backup", "ls", directory / "none")[0], 1)
            self.assertEqual(spate("backup", "create")[0], 2)
            self.assertEqual(spate("backup", "create", "--to", target, "--url", "http://127.0.0.1:9")[0], 1)


if __name__ == "__main__":
    unittest.main()
