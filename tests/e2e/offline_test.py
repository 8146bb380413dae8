"""`spate store` on data directories that a node has written, and while one holds them."""
import json
import pathlib
import shutil
import subprocess
import unittest
import urllib.request

from spate_node import BIN, Directory, Node

DEVICES, RECORDS = 6, 3000


def store(*words):
    """(exit code, standard output, standard error) of `spate store`."""
    done = subprocess.run([str(BIN / "spate"), "store", *map(str, words)], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout, done.stderr


def number(i):
    return i * 2654435761 % 1000000007  # Can not be packed, so that there are bytes to damage.


def fill(node):
    for device in range(DEVICES):
        lines = "".join(json.dumps({"ts": 1600000000000 + i * 1000, "t": number(i + device)}) + "\n" for i in range(RECORDS))
        request = urllib.request.Request(f"{node.url}/api/v1/devices/d{device}/telemetry", lines.encode(),
                                         {"Content-Type": "application/x-ndjson"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["stored"] == RECORDS


def damage(directory, position):
    """Changes a byte of the largest table file."""
    table = max(pathlib.Path(directory).glob("db/*.sst"), key=lambda f: f.stat().st_size)
    with open(table, "r+b") as file:
        file.seek(position)
        old = file.read(1)[0]
        file.seek(position)
        file.write(bytes([old ^ 0x55]))


class Offline(unittest.TestCase):
    def test_the_verbs_work_on_what_a_node_has_written(self):
        with Directory() as directory:
            data = [directory / "a", directory / "b"]
            where = [word for path in data for word in ("--data-dir", path)]
            node = Node(data[0], "--data-dir", data[1], "--shards", "6").wait_ready()
            fill(node)
            export = store("export", "d1", "--url", node.url)[1]
            self.assertEqual(export.count("\n"), RECORDS + 1)

            # While it runs the directories are its own, and it does the work itself.
            for verb in (["stats"], ["check"], ["compact"], ["export", "d1"]):
                code, out, said = store(*verb, *where)
                self.assertEqual((code, out), (1, ""), said)
                self.assertIn(f"is in use by process {node.process.pid}", said)
            code, out, said = store("check", "--url", node.url)
            self.assertEqual(code, 0, out + said)
            self.assertIn("all good.", out)
            status, page = node.get("/api/v1/operations?type=store.check")
            self.assertEqual([o["state"] for o in page["items"]], ["SUCCEEDED"])
            self.assertEqual(page["items"][0]["result"]["faults"], [])
            self.assertEqual(node.terminate(), 0)

            # The log: every record once, and behind a position what came after it.
            code, out, said = store("log", *where)
            self.assertEqual(code, 0, said)
            lines = [json.loads(line) for line in out.splitlines()]
            self.assertEqual(len(lines), DEVICES * RECORDS)
            self.assertEqual(len({line["position"] for line in lines}), DEVICES * RECORDS)
            self.assertEqual({line["device"] for line in lines}, {f"d{i}" for i in range(DEVICES)})
            self.assertEqual(said.count("Next: --from "), 2)
            mine = [line for line in lines if line["device"] == "d1"]
            self.assertEqual([line["data"]["values"]["t"] for line in mine], [number(i + 1) for i in range(RECORDS)])
            code, out, said = store("log", "--from", mine[9]["position"], "--device", "d1", "--limit", "3", *where)
            self.assertEqual((code, [json.loads(line) for line in out.splitlines()]), (0, mine[10:13]), said)
            for position, status, words in (("0.99999.1", 1, "not reached yet"), ("7.1.1", 2, "given were 2"),
                                            ("x", 2, "like 0.4711.3")):
                code, out, said = store("log", "--from", position, *where)
                self.assertEqual((code, out), (status, ""), said)
                self.assertIn(words, said)
            self.assertEqual(store("log")[0], 2)

            # Shards and directories are what the store says, not the defaults.
            code, out, said = store("stats", "-o", "json", *where)
            self.assertEqual(code, 0, said)
            stats = json.loads(out)
            self.assertEqual((stats["devices"], len(stats["shards"])), (DEVICES, 6))
            self.assertEqual(store("export", "d1", *where)[1], export)
            code, out, said = store("compact", "-o", "json", *where)
            self.assertEqual(code, 0, said)
            self.assertEqual(json.loads(out)["state"], "SUCCEEDED")
            stats = json.loads(store("stats", "-o", "json", *where)[1])
            self.assertEqual((stats["runs"]["rows"], stats["tails"]["rows"]), (DEVICES * RECORDS, 0))
            code, out, said = store("check", "-o", "json", *where)
            self.assertEqual(code, 0, out + said)
            check = json.loads(out)
            self.assertEqual((check["rows"], check["faults"]), (DEVICES * RECORDS, []))
            self.assertGreater(check["blocks"], 0)
            self.assertEqual(store("export", "d1", *where)[1], export)
            self.assertEqual(store("export", "nobody", *where)[0], 1)

            # And a node goes on with it.
            node = Node(data[0], "--data-dir", data[1], "--shards", "6").wait_ready()
            self.assertEqual(store("export", "d1", "--url", node.url)[1], export)
            self.assertEqual(node.terminate(), 0)

    def test_what_is_no_store_of_its_own_is_an_error_and_stays_as_it_is(self):
        with Directory() as directory:
            (directory / "empty").mkdir()
            (directory / "other").mkdir()
            (directory / "other" / "file").write_text("x")
            for name, words in (("none", "No such file"), ("empty", "no Spate data directory"),
                                ("other", "no Spate data directory")):
                for verb in (["stats"], ["check"], ["compact"], ["export", "d"]):
                    code, out, said = store(*verb, "--data-dir", directory / name)
                    self.assertEqual((code, out), (1, ""), said)
                    self.assertIn(words, said)
            self.assertFalse((directory / "none").exists())
            self.assertEqual(list((directory / "empty").iterdir()), [])
            node = Node(directory / "a", "--data-dir", directory / "b").wait_ready()
            self.assertEqual(node.terminate(), 0)
            code, _, said = store("stats", "--data-dir", directory / "a")
            self.assertEqual(code, 1)
            self.assertIn("give --data-dir for each", said)
            (directory / "a" / "db" / "CURRENT").unlink()
            code, _, said = store("compact", "--data-dir", directory / "a", "--data-dir", directory / "b")
            self.assertEqual(code, 1)
            self.assertIn("CURRENT", said)

    def test_damage_is_named_and_gives_status_3(self):
        with Directory() as directory:
            data = directory / "data"
            node = Node(data).wait_ready()
            fill(node)
            self.assertEqual(node.terminate(), 0)
            self.assertEqual(store("compact", "--data-dir", data)[0], 0)
            sound = directory / "sound"
            shutil.copytree(data, sound)
            damage(data, 1000)
            code, out, said = store("check", "--data-dir", data)
            self.assertEqual(code, 3, out + said)
            self.assertRegex(out, rf"{data}: blocks of run \d+ with records of d0.* can not be read: .*lost")
            self.assertIn(" fault", out.splitlines()[-1])
            node = Node(data).wait_ready()
            code, out, said = store("check", "-o", "json", "--url", node.url)
            self.assertEqual(code, 3, out + said)
            self.assertIn("can not be read", json.loads(out)["faults"][0])
            self.assertEqual(node.terminate(), 0)

            # A directory that does not open is a fault too, and so is a damaged command log.
            (sound / "db" / "CURRENT").rename(directory / "CURRENT")
            code, out, _ = store("check", "--data-dir", sound)
            self.assertEqual(code, 3, out)
            self.assertIn("CURRENT", out)
            (directory / "CURRENT").rename(sound / "db" / "CURRENT")
            self.assertEqual(store("check", "--data-dir", sound)[0], 0)
            (sound / "commands" / "CURRENT").write_text("nonsense")
            code, out, _ = store("check", "--data-dir", sound)
            self.assertEqual(code, 3, out)
            self.assertIn("commands", out)


if __name__ == "__main__":
    unittest.main()
