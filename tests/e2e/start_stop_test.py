"""Starting, refusing to start, and stopping."""
import json
import os
import socket
import subprocess
import tempfile
import unittest
import urllib.request

from spate_node import BIN, Directory, Node, connect, publish, read_packet


def run(*args, env=None):
    return subprocess.run([str(BIN / "spate"), *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})})


class Refusals(unittest.TestCase):
    def refused(self, code, *args, env=None):
        done = run(*args, env=env)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def test_off_the_loopback_it_wants_to_be_told(self):
        with Directory() as directory:
            why = self.refused(2, "serve", "--data-dir", directory, "--mqtt", "0.0.0.0:0")
            self.assertIn("--allow-insecure", why)
            self.assertIn("0.0.0.0", why)

    def test_what_allows_insecurity_can_be_taken_back(self):
        with Directory() as directory, tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("allow_insecure = true\n")
            file.flush()
            serve = ("serve", "--config", file.name, "--data-dir", directory, "--mqtt", "0.0.0.0:0")
            yes, no = {"SPATE_ALLOW_INSECURE": "true"}, {"SPATE_ALLOW_INSECURE": "0"}
            self.assertIn("--allow-insecure", self.refused(2, *serve, env=no))
            self.assertIn("--allow-insecure", self.refused(2, *serve, "--allow-insecure=false", env=yes))
            self.refused(2, *serve, env={"SPATE_ALLOW_INSECURE": "perhaps"})
            node = Node(directory, "--config", file.name, "--allow-insecure", mqtt=("0.0.0.0", 0), env=no).wait_ready()
            self.assertEqual(node.terminate(), 0)

    def test_a_wrong_word_in_the_environment_is_refused(self):
        with Directory() as directory:
            for name, value in (("SPATE_DURABILITY", "fsnyc"), ("SPATE_SHARDS", "0"), ("SPATE_LOOPS", "many"),
                                ("SPATE_MEMORY_LIMIT", "lots"), ("SPATE_LOG_LEVEL", "loud")):
                with self.subTest(name=name):
                    why = self.refused(2, "serve", "--data-dir", directory, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0",
                                       env={name: value})
                    self.assertIn(value, why)

    def test_a_retention_and_a_backup_directory_are_checked_wherever_they_are_said(self):
        with Directory() as directory:
            where = ("serve", "--data-dir", directory / "data", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
            self.assertIn("--retention takes", self.refused(2, *where, "--retention", "1y"))
            self.assertIn("within each other", self.refused(2, *where, "--backup-dir", directory / "data" / "copies"))
            node = Node(directory, "--retention", "30d", "--backup-dir", directory.parent / "copies").wait_ready()
            self.assertEqual(node.terminate(), 0)

    def test_a_check_looks_at_the_file_alone(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("[store]\nshards = 3\n")
            file.flush()
            done = run("config", "check", file.name, env={"SPATE_SHARDS": "0", "SPATE_MQTT": "nowhere", "SPATE_DURABILITY": "maybe",
                                                          "SPATE_CONFIG": "/nonexistent", "SPATE_DATA_DIR": "/a:/b:/c:/d"})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("3 shards in ./spate-data", done.stdout)

    def test_the_environment_names_several_disks(self):
        with Directory() as directory:
            one, two = directory / "one", directory / "two"
            why = self.refused(2, "serve", env={"SPATE_DATA_DIR": f"{one}:{two}", "SPATE_SHARDS": "1"})
            self.assertIn("2 data directories need at least as many shards", why)

    def test_configuration_errors_name_file_line_and_column(self):
        cases = {
            "[mqtt]\nlisten = 5\n": ":2:10: mqtt.listen takes a text",
            "[mqtt]\nlisten = \"nowhere\"\n": ":2:10: mqtt.listen 'nowhere' has no port",
            "[mqtt]\nlissten = \"127.0.0.1:1\"\n": ":2:1: unknown key 'lissten' in [mqtt]; known are:",
            "[store]\nshards = 0\n": ":2:10: store.shards takes an integer from 1 to 1024",
            "[store\n": ":1:",
            "[[route]]\nformat = \"auto\"\n": "route.topic is missing",
            "[[route]]\ntopic = \"a/{device}/{device}\"\n": ":2:9: route.topic",
            "[[route]]\ntopic = \"a\"\nformat = \"xml\"\n": ":3:10: route.format takes one of: auto, flat, text",
            "[[route]]\ntopic = \"a\"\n[[route]]\ntopic = \"b\"\n[[route]]\ntopic = \"c/#/d\"\n":
                ":6:9: route.topic pattern `c/#/d`, character 3: `#` may only be the last level",
            "[[route]]\ntopic = \"a\"\n[[route]]\ntopic = \"a\"\n": ":4:9: route.topic `a` is that of route 1 already",
            "[[route]]\ntopic = \"a\"\ntime_field = 'a\\b'\n": ":3:14: route.time_field is no path:",
            "[http]\nlisten = \"0.0.0.0:1\"\n": ":2:10: HTTP would listen on 0.0.0.0:1",
            "[http]\nlisten = \"127.0.0.1:1883\"\n": ":2:10: MQTT and HTTP can not both listen",
            "[store]\ndata_dirs = [\"a\", \"b\"]\nshards = 1\n": ":3:10: 2 data directories need at least as many shards",
            "[store]\ndata_dirs = [\"a\", \"a\"]\n": ":2:13: a data directory is named twice",
            "memory_limit_bytes = 1073741824\n[http]\nbody_bytes_max = 67108865\n":
                ":3:18: HTTP bodies of up to 67108865 bytes do not fit into the memory limit",
            "[log]\nlevel = \"loud\"\n": ":2:9: log.level takes one of: debug, info, warn, error",
        }
        for text, wanted in cases.items():
            with self.subTest(text), tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write(text)
                file.flush()
                why = self.refused(2, "config", "check", file.name)
                self.assertIn(file.name + (wanted if wanted.startswith(":") else ""), why)
                self.assertIn(wanted, why)

    def test_what_the_command_line_says_is_not_blamed_on_the_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("[http]\nlisten = \"127.0.0.1:1\"\n[store]\nshards = 4\n")
            file.flush()
            why = self.refused(2, "serve", "--config", file.name, "--http", "0.0.0.0:1")
            self.assertIn("spate: HTTP would listen", why)
            why = self.refused(2, "serve", "--config", file.name, "--shards", "1", "--data-dir", "a", "--data-dir", "b")
            self.assertIn("spate: 2 data directories", why)

    def test_an_empty_file_is_all_defaults_and_a_directory_is_no_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            self.assertEqual(run("config", "check", file.name).returncode, 0)
        with Directory() as directory:
            self.assertIn("can not read", self.refused(1, "config", "check", directory))
            self.assertIn("can not read", self.refused(1, "config", "check", directory / "none.toml"))

    def test_the_documented_example_is_valid(self):
        done = run("config", "check", BIN.parent.parent.parent / "examples" / "spate.toml")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("4 route(s)", done.stdout)

    def test_help_and_usage_errors(self):
        self.assertEqual(run("--help").returncode, 0)
        self.assertIn("--durability", run("serve", "--help").stdout)
        self.assertRegex(run("--version").stdout, r"^spate \d+\.\d+\.\d+")
        self.assertEqual(run().returncode, 2)
        self.assertEqual(run("serve", "--durability", "maybe").returncode, 2)

    def test_an_address_in_use_is_named(self):
        with Directory() as directory, socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            why = self.refused(1, "serve", "--data-dir", directory, "--mqtt", address, "--http", "127.0.0.1:0")
            self.assertIn(address, why)

    def test_a_directory_of_a_running_node_is_refused(self):
        with Directory() as directory:
            node = Node(directory).wait_ready()
            why = self.refused(1, "serve", "--data-dir", directory, "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
            self.assertIn(str(directory), why)
            self.assertEqual(node.terminate(), 0)

    def test_another_number_of_shards_is_refused(self):
        with Directory() as directory:
            self.assertEqual(Node(directory, "--shards", "2").wait_ready().terminate(), 0)
            why = self.refused(1, "serve", "--data-dir", directory, "--shards", "3", "--mqtt", "127.0.0.1:0", "--http",
                               "127.0.0.1:0")
            self.assertIn("--shards 2", why)
            self.assertEqual(Node(directory, "--shards", "2").wait_ready().terminate(), 0)


class Stop(unittest.TestCase):
    def test_sigterm_acknowledges_what_was_read_and_says_goodbye(self):
        with Directory() as directory:
            node = Node(directory).wait_ready()
            client = node.connect()
            client.sendall(connect("stopper", 5))
            self.assertEqual(read_packet(client)[0], 0x20)
            count = 500
            client.sendall(b"".join(publish("devices/stopper/telemetry", '{"ts":%d,"a":1}' % (1700000000000 + i), i, 1, 5)
                                    for i in range(1, count + 1)))
            self.assertEqual(read_packet(client)[0], 0x40)
            node.process.terminate()
            acknowledged = 1
            while (found := read_packet(client)) is not None:
                if found[0] == 0x40:
                    acknowledged += 1
                else:
                    self.assertEqual((found[0], found[1][0]), (0xE0, 0x8B))
            client.close()
            self.assertEqual(node.terminate(), 0)
            again = Node(directory).wait_ready()
            stored = again.get("/api/v1/devices/stopper/telemetry")[1]["records"]
            self.assertGreaterEqual(len(stored), acknowledged)
            self.assertEqual(again.terminate(), 0)

    def test_a_slow_upload_does_not_hold_up_the_stop(self):
        with Directory() as directory:
            node = Node(directory).wait_ready()
            client = socket.create_connection(node.http, timeout=60)
            client.sendall(b"POST /api/v1/devices/d/telemetry HTTP/1.1\r\nHost: localhost\r\n"
                           b"Content-Type: application/json\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 100 "))  # So the header was read.
            client.sendall(b"{")
            node.process.terminate()
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            client.close()
            self.assertTrue(answer.startswith(b"HTTP/1.1 503 "), answer)
            self.assertIn(b'"code":"draining"', answer)
            self.assertEqual(node.terminate(), 0)

    def test_the_log_is_json_lines_if_asked_for(self):
        with Directory() as directory:
            node = Node(directory).wait_ready()
            self.assertEqual(node.terminate(), 0)
            events = [json.loads(line)["event_code"] for line in node.log]
            self.assertIn("ready", events)
            self.assertEqual(events[-1], "stopped")

    def test_http_reads_times_as_the_first_route_says(self):
        with Directory() as directory, tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write('[[route]]\ntopic = "a/{device}"\nformat = "flat"\ntime_field = "at"\ntime_unit = "s"\n')
            file.flush()
            node = Node(directory, "--config", file.name).wait_ready()
            request = urllib.request.Request(node.url + "/api/v1/devices/d/telemetry", b'[{"at":90000000000,"a":1},{"at":5,"a":2}]',
                                             {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=30) as answer:
                self.assertEqual(json.load(answer)["errors"][0]["code"], "timestamp-in-future")
            records = node.get("/api/v1/devices/d/telemetry")[1]["records"]
            self.assertEqual([(r["ts"], r["values"]) for r in records], [(5000, {"a": 2})])
            self.assertEqual(node.terminate(), 0)

    def test_environment_variables_count_less_than_options(self):
        with Directory() as directory:
            node = Node(directory, "--durability", "fsync", env={"SPATE_DURABILITY": "os", "SPATE_SHARDS": "2"}).wait_ready()
            ready = next(json.loads(line) for line in node.log if '"ready"' in line)
            self.assertEqual(ready["durability"], "fsync")
            status, body = node.get("/readyz?verbose=true")
            self.assertEqual(status, 200)
            self.assertEqual(len([c for c in body["checks"] if c["name"].startswith("shard-")]), 2)
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
