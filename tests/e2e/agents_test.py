"""Three real agents under a coordinator, against the real node: sums are exact, and a lost one does not end the run."""
import json
import pathlib
import signal
import socket
import struct
import subprocess
import time
import unittest

from spate_node import BIN, Directory, Node

LOADGEN = str(BIN / "spate-loadgen")
PATIENCE_S = 60


class Agent:
    def __init__(self, *words):
        self.process = subprocess.Popen([LOADGEN, "agent", "--listen", "127.0.0.1:0", *map(str, words)], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def run(node, *words):
    """A coordinator: its process."""
    return subprocess.Popen([LOADGEN, "run", "--target", "mqtt://%s:%d" % node.mqtt, "--quiet", *map(str, words)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, expect=0):
    out, said = process.communicate(timeout=PATIENCE_S)
    if process.returncode != expect:
        raise AssertionError(f"exit code {process.returncode}, not {expect}\n{out}\n{said}")
    return out, said


def await_stored(node, records):
    until = time.monotonic() + PATIENCE_S
    while node.ledger()["stored"] < records:
        assert time.monotonic() < until, f"{records} records were not stored"
        time.sleep(0.01)


def await_free(node, agents, prefix):
    """Until these agents take another run."""
    until = time.monotonic() + PATIENCE_S
    while True:
        load = run(node, "--devices", len(agents), "--flood", "--stop-after", len(agents), "--device-prefix", prefix, "--agents",
                   ",".join(agent.address for agent in agents))
        _, said = load.communicate(timeout=PATIENCE_S)
        if load.returncode == 0:
            return
        assert time.monotonic() < until, f"the agents are not free: {said}"
        time.sleep(0.1)


def await_sockets(node, count):
    folder = pathlib.Path(f"/proc/{node.process.pid}/fd")
    at_rest, until = len(list(folder.iterdir())), time.monotonic() + PATIENCE_S
    while len(list(folder.iterdir())) < at_rest + count:
        assert time.monotonic() < until, f"no {count} devices connect"
        time.sleep(0.01)


def verify(node, ledger, expect=0):
    done = subprocess.run([LOADGEN, "verify", "--ledger", str(ledger), "--api", node.url, "--json", "-", "--quiet"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == expect, done.stderr
    return json.loads(done.stdout)


class Agents(unittest.TestCase):
    def test_sums_are_those_of_the_node_and_the_ledger_is_one(self):
        with Directory() as directory, Agent() as a, Agent() as b, Agent() as c:
            node = Node(directory / "data").wait_ready()
            report_file, ledger = directory / "report.json", directory / "acked"
            finish(run(node, "--devices", 100, "--rate", 5000, "--stop-after", 10_001, "--agents",
                       ",".join(each.address for each in (a, b, c)), "--report", report_file, "--ledger", ledger))
            report = json.loads(report_file.read_text())
            self.assertEqual((report["ok"], report["sent"], report["acked"], report["connected"]), (True, 10_001, 10_001, 100))
            self.assertEqual([node.ledger()[key] for key in ("stored", "duplicate", "imbalance")], [10_001, 0, 0])
            self.assertEqual(len(report["agents"]), 3)
            self.assertEqual(sum(agent["acked"] for agent in report["agents"]), 10_001)
            self.assertTrue(all(agent["acked"] > 3000 and not agent["lost"] for agent in report["agents"]), report["agents"])
            for agent in report["agents"]:  # The clocks of one machine are one; but a busy one reads two of them far apart.
                self.assertLessEqual(abs(agent["clock_offset_ms"]), agent["clock_uncertainty_ms"] + 50)
            self.assertEqual(report["latency_ms"]["count"], 10_001)
            self.assertGreater(sum(second["acked"] for second in report["timeline"]), 9000)  # But for the last 100 ms.
            result = verify(node, ledger)
            self.assertEqual((result["acknowledged"], result["checked"], result["devices"]), (10_001, 10_001, 100))
            # Agents serve one run after another.
            finish(run(node, "--devices", 9, "--flood", "--stop-after", 90, "--device-prefix", "again-", "--agents",
                       ",".join(each.address for each in (a, b, c))))
            self.assertEqual(node.ledger()["stored"], 10_091)
            self.assertEqual(node.terminate(), 0)

    def test_a_lost_agent_is_named_and_the_others_go_on(self):
        with Directory() as directory, Agent() as a, Agent() as b, Agent() as c:
            node = Node(directory / "data").wait_ready()
            report_file, ledger = directory / "report.json", directory / "acked"
            load = run(node, "--devices", 30, "--rate", 3000, "--duration", "6s", "--agents",
                       ",".join(each.address for each in (a, b, c)), "--report", report_file, "--ledger", ledger)
            await_stored(node, 6000)
            b.process.kill()
            out, _ = finish(load, expect=1)
            report = json.loads(report_file.read_text())
            self.assertFalse(report["ok"])
            self.assertIn(f"agent {b.address} was lost", report["result"])
            self.assertIn("devices 10 to 19", report["result"])
            self.assertIn("LOST", out)
            self.assertEqual([agent["lost"] for agent in report["agents"]], [False, True, False])
            # The others sent all of theirs; of the lost one its last report counts.
            self.assertEqual([report["agents"][i]["acked"] for i in (0, 2)], [6000, 6000])
            self.assertGreaterEqual(report["agents"][1]["acked"], 500)
            # What it had told is proven too.
            result = verify(node, ledger)
            self.assertEqual(result["devices"], 30)
            self.assertGreaterEqual(result["acknowledged"], report["acked"])
            self.assertGreater(result["acknowledged"], 12_000)
            self.assertEqual(node.terminate(), 0)

    def test_agents_stop_when_their_coordinator_dies(self):
        with Directory() as directory, Agent() as a, Agent() as b:
            node = Node(directory / "data").wait_ready()
            for how in (signal.SIGKILL, signal.SIGSTOP):
                with self.subTest(how):
                    before = node.ledger()["stored"]
                    load = run(node, "--devices", 20, "--rate", 2000, "--duration", "1h", "--device-prefix", f"dev{how}-", "--agents",
                               f"{a.address},{b.address}")
                    await_stored(node, before + 1000)
                    load.send_signal(how)
                    await_free(node, (a, b), f"free{how}-")  # Their loads have ended.
                    stored = node.ledger()["stored"]
                    finish(run(node, "--devices", 4, "--flood", "--stop-after", 40, "--device-prefix", f"next{how}-", "--agents",
                               f"{a.address},{b.address}"))
                    self.assertEqual(node.ledger()["stored"], stored + 40)
                    load.kill()
                    load.communicate()
            self.assertEqual(node.terminate(), 0)

    def test_a_coordinator_that_ends_while_devices_connect_leaves_its_agents_free(self):
        with Directory() as directory, Agent() as a, Agent() as b:
            node = Node(directory / "data").wait_ready()
            for how in (signal.SIGINT, signal.SIGKILL):
                with self.subTest(how):
                    load = run(node, "--devices", 900, "--ramp", 40, "--connect-timeout", "5m", "--rate", 100, "--duration", "1h",
                               "--device-prefix", f"slow{how}-", "--agents", f"{a.address},{b.address}", "--report",
                               directory / "report.json")
                    await_sockets(node, 20)
                    load.send_signal(how)
                    load.communicate(timeout=PATIENCE_S)
                    if how == signal.SIGINT:
                        report = json.loads((directory / "report.json").read_text())
                        self.assertEqual((load.returncode, report["ok"], report["interrupted"], report["sent"]), (1, False, True, 0))
                        self.assertIn("did not connect", report["result"])
                    await_free(node, (a, b), f"free{how}-")
            self.assertEqual(node.terminate(), 0)

    def test_local_agents_come_and_go_with_the_run(self):
        with Directory() as directory:
            node = Node(directory / "data").wait_ready()
            finish(run(node, "--devices", 40, "--flood", "--stop-after", 4000, "--agents", "local:4"))
            self.assertEqual(node.ledger()["stored"], 4000)
            load = run(node, "--devices", 40, "--rate", 1000, "--duration", "1h", "--device-prefix", "x-", "--agents", "local:2",
                       "--report", directory / "report.json")
            await_stored(node, 4500)
            load.send_signal(signal.SIGINT)
            finish(load)
            report = json.loads((directory / "report.json").read_text())
            self.assertEqual((report["ok"], report["interrupted"]), (True, True))
            self.assertEqual(node.ledger()["stored"], 4000 + report["acked"])
            self.assertEqual(node.terminate(), 0)

    def test_strangers_are_sent_away(self):
        with Directory() as directory:
            token, wrong = directory / "token", directory / "wrong"
            token.write_text("  open sesame \n")
            wrong.write_text("open sesamf\n")
            node = Node(directory / "data").wait_ready()
            some = ["--devices", 4, "--flood", "--stop-after", 4]
            with Agent("--token-file", token) as agent:
                for words in ([], ["--agents-token-file", wrong]):
                    _, said = finish(run(node, *some, "--agents", agent.address, *words), expect=1)
                    self.assertIn("the token is wrong", said)
                host, port = agent.address.split(":")
                for hostile in (b"GET / HTTP/1.1\r\n\r\n", struct.pack(">IB", 1 << 30, ord("J")), struct.pack(">IB", 2, ord("J")) + b"[]",
                                struct.pack(">IB", 20, ord("J")) + b'{"type":"prepare"} x'):
                    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as stranger:
                        stranger.sendall(hostile)
                        self.assertEqual(stranger.recv(100), b"")
                finish(run(node, *some, "--agents", agent.address, "--agents-token-file", token))
                # One run at a time.
                busy = run(node, *some[:2], "--rate", 10, "--duration", "1h", "--device-prefix", "busy-", "--agents", agent.address,
                           "--agents-token-file", token)
                await_stored(node, 6)
                _, said = finish(run(node, *some, "--agents", agent.address, "--agents-token-file", token), expect=1)
                self.assertIn("busy", said)
                busy.send_signal(signal.SIGINT)
                finish(busy)
            done = subprocess.run([LOADGEN, "agent", "--listen", "0.0.0.0:0"], capture_output=True, text=True, timeout=PATIENCE_S)
            self.assertEqual(done.returncode, 2)
            self.assertIn("loopback", done.stderr)
            for words, expect, text in ((["--agents", "local:0"], 2, "local:COUNT"), (["--agents", "local:5"], 2, "more agents than devices"),
                                        (["--agents", "127.0.0.1:1"], 1, "Connection refused")):
                _, said = finish(run(node, *some, *words), expect=expect)
                self.assertIn(text, said)
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
