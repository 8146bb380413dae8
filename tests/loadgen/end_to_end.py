#!/usr/bin/env python3
"""Runs the real spate-loadgen against a real mosquitto and a pretended API. Usage: end_to_end.py LOADGEN MOSQUITTO

Waits only for conditions (a port that answers, a process that ends), never for a time.
"""
import gzip
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

LOADGEN, MOSQUITTO = sys.argv[1:3]
DATA = pathlib.Path(__file__).parent / "data" / "env-mqtt.ndjson"
PATIENCE_S = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A mosquitto of its own. A restarted one has forgotten its sessions, as a server may."""

    def __init__(self, folder):
        self.port = free_port()
        self.target = f"mqtt://127.0.0.1:{self.port}"
        self.config = folder / "mosquitto.conf"
        self.config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_type error\n"
        )
        self.process = None

    def start(self):
        self.process = subprocess.Popen([MOSQUITTO, "-c", self.config], stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise RuntimeError("mosquitto does not start")
                time.sleep(0.01)

    def stop(self, how=signal.SIGKILL):
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)


def loadgen(*words, expect=0):
    done = subprocess.run([LOADGEN, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != expect:
        raise AssertionError(f"{words}: exit code {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}")
    return done


def report_of(*words, expect=0):
    done = loadgen(*words, "--quiet", "--report", "-", expect=expect)
    return json.loads(done.stdout)


def lines_of(path):
    return [line.split("\t") for line in loadgen("ledger", path, "--text").stdout.splitlines()]


class NotThere(http.server.BaseHTTPRequestHandler):
    """Some other server."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


class Api(http.server.BaseHTTPRequestHandler):
    """Gives back `records`: {device: [(ts, values as text)]}; two a page, and is busy once."""

    records = {}
    busy = 1
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(url.query).items()}
        device = urllib.parse.unquote(url.path.split("/")[4])
        if Api.busy:
            Api.busy -= 1
            return self.answer(503, "{}")
        if device not in Api.records:
            return self.answer(404, '{"code":"device-not-found"}')
        low, high, start = int(query["from"]), int(query["to"]), int(query.get("cursor", "0"))
        found = sorted(r for r in Api.records[device] if low <= r[0] < high)
        page = found[start : start + 2]
        cursor = f'"{start + 2}"' if start + 2 < len(found) else "null"
        body = ",".join('{"ts":%d,"received_ts":1,"ts_source":"device","values":%s}' % r for r in page)
        self.answer(200, '{"device":%s,"records":[%s],"next_cursor":%s}' % (json.dumps(device), body, cursor))

    def answer(self, status, body):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def every_version_and_quality_of_service_is_counted_exactly(broker, _):
    for version in (3, 5):
        for qos in (0, 1, 2):
            report = report_of("run", "--target", broker.target, "--devices", 7, "--rate", "20k",
                               "--stop-after", 2001, "--mqtt", version, "--qos", qos)
            assert report["ok"] and report["sent"] == report["acked"] == 2001, report
            assert report["connected"] == 7 and report["lost"] == 0 and not report["errors"], report
            assert (report["latency_ms"] is None) == (qos == 0), report
            if qos:
                assert report["latency_ms"]["count"] == 2001, report
                assert report["latency_ms"]["max"] >= report["service_ms"]["max"], report
            if qos and version == 5:
                assert sum(r["count"] for r in report["reasons"].values()) == 2001, report


def floods_take_threads_windows_and_counts(broker, _):
    for qos in (0, 1, 2):
        report = report_of("run", "--target", broker.target, "--devices", 10, "--flood", "--window", 5, "--qos", qos,
                           "--stop-after", 5000, "--threads", 3, "--payload", 200)
        assert report["sent"] == report["acked"] == 5000 and report["closed_loop"], report
        assert report["payload_bytes_mean"] == 200, report


def subscribers_see_what_was_sent(broker, folder):
    words = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(broker.port), "-t", "t/+/x", "-q", "1", "-v", "-C", "50", "-W", str(PATIENCE_S)]
    if shutil.which("mosquitto_sub") is None:
        print("    (no mosquitto_sub)")
        return
    ready = subprocess.Popen([*words, "-d"], stdout=subprocess.PIPE, text=True)
    for line in ready.stdout:
        if "SUBACK" in line or "Subscribed" in line:
            break
    acks = folder / "seen.acks"
    loadgen("run", "--target", broker.target, "--devices", 5, "--flood", "--stop-after", 50, "--topic",
            "t/{device}/x", "--device-prefix", "sensor ", "--payload", "env", "--ledger", acks, "--quiet")
    seen = set()
    for line in ready.stdout:
        if line.startswith("t/"):
            topic, payload = line[: line.index("{")].strip(), json.loads(line[line.index("{") :])
            assert len(payload) == 8 and isinstance(payload["light"], bool), payload
            seen.add((topic.split("/")[1], str(payload["ts"])))
    assert len(seen) == 50
    assert seen == {(device, ts) for device, ts, _ in lines_of(acks)}


def a_replay_sends_every_line_and_verify_finds_each_again(broker, folder):
    packed = folder / "env.ndjson.gz"
    packed.write_bytes(gzip.compress(DATA.read_bytes()))
    acks = folder / "replay.acks"
    report = report_of("replay", packed, "--target", broker.target, "--speed", "max", "--ledger", acks)
    assert report["sent"] == report["acked"] == 60 and report["connected"] == 3, report
    assert report["closed_loop"] and report["latency_ms"] == report["service_ms"], report
    paced = report_of("replay", packed, "--target", broker.target, "--speed", 1000, "--form", "record", "--mqtt", 5)
    assert paced["acked"] == 60 and paced["latency_ms"]["count"] == 60, paced

    Api.records = {}
    for line in DATA.read_text().splitlines():
        record = json.loads(line)
        Api.records.setdefault(record["d"], []).append((record["t"], line[line.index('"p":') + 4 : -1]))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    api = f"http://127.0.0.1:{server.server_port}"

    def verify(expect, *words):
        done = loadgen("verify", "--ledger", acks, "--api", api, "--json", "-", "--quiet", *words, expect=expect)
        return json.loads(done.stdout)

    good = verify(0)
    assert good["checked"] == 60 and good["devices"] == 3, good
    assert good["acknowledged"] == 60 and good["sampled"] is None and good["findings"] == [], good
    sample = verify(0, "--sample", 10)
    assert (sample["checked"], sample["sampled"], sample["acknowledged"]) == (10, 10, 60), sample
    assert "acknowledged 60, of them a sample of 10" in loadgen("verify", "--ledger", acks, "--api", api, "--sample", 10).stdout
    whole = acks.read_bytes()
    acks.write_bytes(whole[:-1])  # As a killed generator leaves it.
    assert "--partial" in loadgen("verify", "--ledger", acks, "--api", api, expect=1).stderr
    assert verify(0, "--partial")["checked"] == 60
    loadgen("ledger", acks, "--import", "/dev/null")
    assert "nothing was acknowledged" in loadgen("verify", "--ledger", acks, "--api", api, expect=1).stdout
    acks.write_bytes(whole)

    device = sorted(Api.records)[0]
    records = Api.records[device]
    gone, doubled, changed = records.pop(0), records[0], records[1]
    records.append(doubled)
    records[1] = (changed[0], changed[1].replace("}", ',"extra":1}'))
    bad = verify(1)
    assert (bad["missing"], bad["doubled"], bad["different"]) == (1, 1, 1), bad
    assert sorted((f["kind"], f["ts"]) for f in bad["findings"]) == sorted(
        [("missing", gone[0]), ("doubled", doubled[0]), ("different", changed[0])]), bad
    assert all(f["device"] == device for f in bad["findings"])
    Api.records = {}
    bad = verify(1)  # More than the terminal is told.
    assert bad["missing"] == len(bad["findings"]) == 60 and not bad["ok"], bad
    server.shutdown()
    server.server_close()
    assert "http" in loadgen("verify", "--ledger", acks, "--api", f"http://127.0.0.1:{free_port()}", "--patience", 0,
                              expect=1).stderr
    broken = json.loads(loadgen("verify", "--ledger", acks, "--api", f"http://127.0.0.1:{free_port()}", "--patience", 0,
                                "--json", "-", expect=1).stdout)
    assert not broken["ok"] and "http" in broken["error"], broken


def a_killed_server_costs_nothing_with_reconnect(broker, folder):
    acks = folder / "killed.acks"
    words = ["run", "--target", broker.target, "--devices", 20, "--flood", "--window", 10, "--stop-after", 60000,
             "--reconnect", "--ledger", acks, "--quiet", "--report", folder / "killed.json", "--drain", "30s"]
    running = subprocess.Popen([LOADGEN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    until = time.monotonic() + PATIENCE_S
    while not (acks.exists() and acks.stat().st_size > 10000) and time.monotonic() < until:
        time.sleep(0.001)  # Until some messages are acknowledged.
    broker.stop()
    broker.start()
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, output
    report = json.loads((folder / "killed.json").read_text())
    assert report["connections_lost"] == 20 and report["connects"] == 40, output
    assert report["sent"] == report["acked"] == 60000 and report["lost"] == 0, output
    records = [tuple(line[:2]) for line in lines_of(acks)]
    assert len(records) == len(set(records)) == 60000
    # Without it, what was under way is lost, and that is a failure.
    acks = folder / "lost.acks"
    running = subprocess.Popen([LOADGEN, "run", "--target", broker.target, "--devices", "5", "--flood", "--duration",
                                "60s", "--ledger", str(acks), "--quiet"], stdout=subprocess.PIPE, text=True)
    while not (acks.exists() and acks.stat().st_size > 10000) and time.monotonic() < until:
        time.sleep(0.001)
    broker.stop()
    broker.start()
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1 and "never answered" in output, output


def an_interrupt_ends_in_good_order(broker, folder):
    acks = folder / "interrupted.acks"
    running = subprocess.Popen([LOADGEN, "run", "--target", broker.target, "--devices", "5", "--rate", "5k",
                                "--duration", "1h", "--ledger", str(acks), "--report", str(folder / "interrupted.json"),
                                "--quiet"], stdout=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE_S
    while not (acks.exists() and acks.stat().st_size > 10000) and time.monotonic() < until:
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE_S) == 0
    report = json.loads((folder / "interrupted.json").read_text())
    assert report["interrupted"] and report["sent"] == report["acked"] == len(lines_of(acks)) > 0, report


def a_full_disk_for_the_ledger_ends_the_run_with_a_report(broker, folder):
    ledger = folder / "full"
    done = subprocess.run(["bash", "-c", 'ulimit -f 20; exec "$@"', "-", LOADGEN, "run", "--target", broker.target, "--devices", "3",
                           "--rate", "5k", "--duration", "1h", "--ledger", ledger, "--quiet", "--report", "-"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and report["sent"] == report["acked"] > 1000 and not report["ok"], (done, report)
    assert "the ledger could not be written" in report["result"] and "File too large" in report["result"], report
    assert "--partial" in loadgen("ledger", ledger, expect=1).stderr
    kept = loadgen("ledger", ledger, "--partial").stdout
    assert "cut off" in kept and ledger.stat().st_size == 20 * 1024, kept


def what_fails_before_the_load_is_in_the_report(broker, folder):
    gone = f"127.0.0.1:{free_port()}"
    for target, words, text in ((gone, ["--receive", folder / "received"], "subscriber's connection: connection refused"),
                                (broker.target, ["--ledger", folder / "nowhere" / "acked"], "No such file"),
                                (broker.target, ["--server-metrics", f"http://{gone}/metrics"], "can not be watched"),
                                (broker.target, ["--agents", gone], f"agent {gone}: ")):
        report = report_of("run", "--target", target, "--devices", 3, "--rate", 10, "--duration", "1s", *words, expect=1)
        assert not report["ok"] and text in report["result"] and report["sent"] == 0, report["result"]


def a_wrong_api_is_an_error_and_not_a_loss(broker, folder):
    report_of("run", "--target", broker.target, "--devices", 1, "--flood", "--stop-after", 3, "--ledger", folder / "acked")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), NotThere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    done = loadgen("verify", "--ledger", folder / "acked", "--api", f"http://127.0.0.1:{server.server_port}", "--quiet", expect=1)
    server.shutdown()
    assert "answered 404" in done.stderr and "missing" not in done.stdout, (done.stdout, done.stderr)


def several_targets_have_no_one_subscriber(broker, folder):
    done = loadgen("run", "--target", f"{broker.target},{broker.target}", "--agents", "local:2", "--devices", 2, "--flood", "--stop-after",
                   2, "--receive", folder / "received", expect=2)
    assert "one target" in done.stderr, done.stderr


def a_subscriber_receives_exactly_what_was_acknowledged(broker, folder):
    for version, connections in ((3, 1), (5, 1), (5, 3)):
        acked, received = folder / f"acked{version}{connections}", folder / f"received{version}{connections}"
        report = report_of("run", "--target", broker.target, "--devices", 20, "--rate", "20k", "--stop-after", 5000, "--mqtt", version,
                           "--ledger", acked, "--receive", received, "--receive-connections", connections)
        assert report["ok"] and report["acked"] == 5000, report
        assert report["received"] == {"received": 5000, "repeated": 0, "out_of_order": 0, "foreign": 0, "unreadable": 0,
                                      "connections_lost": 0}, report
        assert sorted(lines_of(acked)) == sorted(lines_of(received))
        good = json.loads(loadgen("verify", "--ledger", acked, "--received", received, "--json", "-", "--quiet").stdout)
        assert good["ok"] and good["checked"] == 5000 and good["devices"] == 20 and good["stored_unacknowledged"] == 0, good
    # Controls: a record that was not received, one that came twice, one with other values.
    lines = loadgen("ledger", received, "--text").stdout.splitlines()
    gone, twice, changed = lines.pop(100).split("\t"), lines[200], lines[300].split("\t")
    lines[300] = "\t".join([*changed[:2], f"{int(changed[2], 16) ^ 1:016x}"])
    for copies, doubled, words in (([twice], 1, []), ([twice], 0, ["--allow-doubled"]), ([twice + "\tdup"], 0, [])):
        (folder / "lines").write_text("\n".join(lines + copies) + "\n")
        loadgen("ledger", folder / "other", "--import", folder / "lines")
        bad = json.loads(loadgen("verify", "--ledger", acked, "--received", folder / "other", "--json", "-", "--quiet", *words,
                                 expect=1).stdout)
        assert (bad["missing"], bad["different"], bad["doubled"], bad["received_again"]) == (1, 1, doubled, 1 - doubled), bad
        found = {(f["kind"], f["device"], str(f["ts"])) for f in bad["findings"]}
        assert {("missing", *gone[:2]), ("different", *changed[:2])} <= found, bad
    # A filter of one's own; topics without a device, and a subscription that nobody grants.
    report = report_of("run", "--target", broker.target, "--devices", 3, "--rate", 100, "--stop-after", 9, "--receive",
                       f"{folder / 'some'}:devices/dev-1/#", "--drain", "300ms")
    assert report["received"]["received"] == 3, report
    assert "{device}" in loadgen("run", "--target", broker.target, "--devices", 3, "--flood", "--topic", "t", "--receive",
                                 folder / "none", expect=2).stderr
    assert "subscriber" in loadgen("run", "--target", f"mqtt://127.0.0.1:{free_port()}", "--devices", 3, "--flood", "--receive",
                                   folder / "none", expect=1).stderr


def idle_connections_are_only_connected(broker, _):
    report = report_of("run", "--target", broker.target, "--devices", 300, "--idle", "--ramp", 2000, "--duration", "100ms")
    assert report["connected"] == 300 and report["sent"] == 0 and report["connect_ms"]["count"] == 300, report


class Sleeper:
    """A server that answers with `connack` and then says nothing."""

    def __init__(self, connack):
        self.connack = connack
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"mqtt://127.0.0.1:{self.listener.getsockname()[1]}"
        self.clients = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.clients.append(client)  # What is sent there stays in the socket's buffer.
            client.send(self.connack)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        for each in (self.listener, *self.clients):
            each.close()


def servers_that_never_answer_do_not_hang_a_run(_, __):
    mute = Sleeper(b"")
    report = report_of("run", "--target", mute.target, "--devices", 200, "--flood", "--connect-timeout", "100ms", expect=1)
    assert report["connected"] == report["sent"] == 0 and "did not connect" in report["result"], report
    mute.close()
    deaf = Sleeper(b"\x20\x02\x00\x00")
    report = report_of("run", "--target", deaf.target, "--devices", 3, "--flood", "--window", 2, "--stop-after", 100,
                       "--drain", "1s", expect=1)
    assert report["stalled"] and report["sent"] == report["lost"] == 6, report
    deaf.close()


def devices_that_are_all_gone_end_a_run(broker, folder):
    acks = folder / "gone.acks"
    running = subprocess.Popen([LOADGEN, "run", "--target", broker.target, "--devices", "5", "--flood", "--stop-after",
                                "1G", "--drain", "1h", "--ledger", str(acks), "--quiet"], stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + PATIENCE_S
    while not (acks.exists() and acks.stat().st_size > 10000) and time.monotonic() < until:
        time.sleep(0.001)
    broker.stop()
    broker.start()
    output, _ = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1 and "5 connections were lost" in output, output


def reconnecting_to_nobody_is_a_failure(_, __):
    report = report_of("run", "--target", f"mqtt://127.0.0.1:{free_port()}", "--devices", 3, "--rate", 10, "--reconnect",
                       "--connect-timeout", "100ms", "--duration", "100ms", "--drain", "100ms", expect=1)
    assert report["connected_once"] == report["sent"] == 0, report
    assert "3 of 3 devices did not connect; no message was sent" in report["result"], report


def nobody_there_is_a_failure_and_wrong_words_are_usage(_, folder):
    dead = f"mqtt://127.0.0.1:{free_port()}"
    report = report_of("run", "--target", dead, "--devices", 3, "--rate", 10, expect=1)
    assert report["connect_failures"] == 3 and report["sent"] == 0, report
    assert report["errors"] == {"connect: connection refused": 3}, report["errors"]
    some = ["--target", dead, "--devices", 3]
    for words in (["run"], ["run", *some], ["run", *some, "--rate", "x"], ["run", *some, "--rate", 1, "--flood"],
                  ["run", *some, "--rate", 1, "--qos", 3], ["run", *some, "--rate", 1, "--qos", 0, "--ledger", "x"],
                  ["run", *some, "--rate", 1, "--topic", "a/#"], ["run", *some, "--flood", "--payload", "7"],
                  ["run", *some, "--flood", "--target", "http://h:1"], ["run", *some[:2], "--devices", 10**7, "--idle"],
                  ["run", *some, "--flood", "--device-prefix", "a/"], ["fly"], [],
                  ["verify", "--ledger", "x", "--api", "ftp://h"], ["run", *some, "--flood", "--duration", "0"], ["run", *some, "--flood", "--connect-timeout", "0"],
                  ["run", *some, "--flood", "--window", 2**32 + 1], ["run", *some[:2], "--devices", 2**32 + 1, "--flood"],
                  ["run", *some, "--rate", 1, "--arrival", "x"]):
        done = loadgen(*words, expect=2)
        assert done.stderr and not done.stdout, words
    assert "Examples:" in loadgen("--help").stdout
    assert "spate-loadgen" in loadgen("--version").stdout
    assert " --arrival fixed|poisson " in loadgen("run", "--help").stdout
    assert " --form flat|record " in loadgen("replay", "--help").stdout
    loadgen("replay", folder / "nowhere.gz", "--target", dead, expect=1)


TESTS = [
    every_version_and_quality_of_service_is_counted_exactly,
    floods_take_threads_windows_and_counts,
    subscribers_see_what_was_sent,
    a_replay_sends_every_line_and_verify_finds_each_again,
    a_full_disk_for_the_ledger_ends_the_run_with_a_report,
    what_fails_before_the_load_is_in_the_report,
    a_wrong_api_is_an_error_and_not_a_loss,
    several_targets_have_no_one_subscriber,
    an_interrupt_ends_in_good_order,
    a_subscriber_receives_exactly_what_was_acknowledged,
    idle_connections_are_only_connected,
    servers_that_never_answer_do_not_hang_a_run,
    devices_that_are_all_gone_end_a_run,
    reconnecting_to_nobody_is_a_failure,
    nobody_there_is_a_failure_and_wrong_words_are_usage,
    a_killed_server_costs_nothing_with_reconnect,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        broker = Broker(folder)
        broker.start()
        try:
            for test in TESTS:
                start = time.monotonic()
                test(broker, folder)
                print(f"ok  {test.__name__.replace('_', ' ')}  {time.monotonic() - start:.1f} s", flush=True)
        finally:
            broker.stop(signal.SIGTERM)
