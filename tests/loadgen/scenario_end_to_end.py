#!/usr/bin/env python3
"""A scenario against mosquitto: what a subscriber receives is what the scenario says and what the ledger holds.

Usage: scenario_end_to_end.py LOADGEN MOSQUITTO
"""
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import threading

from end_to_end import LOADGEN, PATIENCE_S, Broker

LOADGEN = str(pathlib.Path(LOADGEN).absolute())  # Some run elsewhere.

SCENARIO = """
seed = 5
objectives = ["lost==0"]
[[cohort]]
name = "single"
devices = 50
rate = 500
payload = "sensors"
[[cohort]]
name = "behind"
devices = 200
devices_per_connection = 30
every = "1s"
[cohort.herd]
spread = "50ms"
[payload.sensors]
fields.air.temperature = { type = "number", mean = 20, noise = 1 }
fields.counted = { type = "counter" }
[[stage]]
duration = "2s"
load = [0, 1]
[[stage]]
duration = "1s"
cohorts = ["single"]
[[stage]]
duration = "1s"
load = 2
[[fault]]
kind = "malformed"
at = "0s"
cohort = "single"
share = 0.1
[[fault]]
kind = "duplicates"
at = "0s"
cohort = "single"
share = 0.2
[[fault]]
kind = "clock_skew"
at = "0s"
cohort = "single"
share = 0.1
by = "-1h"
[[fault]]
kind = "oversized"
at = "2s"
for = "1s"
cohort = "single"
share = 0.1
bytes = 3000
"""
# A ramp to 500/s (500 messages), 500, and 1,000; herds of 200 devices at 0.025 / 2 and 1.025 / 2 of the rate, and two times all.
SINGLE, BEHIND = 2000, 505


class Subscriber:
    """Everything that the broker passes on, as (topic, payload)."""

    def __init__(self, broker):
        self.messages = []
        self.process = subprocess.Popen(["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-t", "devices/#", "-t", "ready", "-F", "%t %x"],
                                        stdout=subprocess.PIPE, text=True)
        self.ready, self.ended = threading.Event(), threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            topic, payload = line.rstrip("\n").split(" ")
            if topic == "ready":
                (self.ended if payload == b"end".hex() else self.ready).set()
            else:
                self.messages.append((topic, bytes.fromhex(payload)))


def tell(broker, word):
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "ready", "-q", "1", "-m", word], check=True, timeout=PATIENCE_S)


def run(broker, scenario, *more):
    done = subprocess.run([LOADGEN, "run", scenario, "--target", broker.target, "--quiet", *map(str, more)], capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def a_subscriber_receives_what_the_scenario_says(folder, broker):
    file, acks, report = folder / "mixed.toml", folder / "acked", folder / "report.json"
    file.write_text(SCENARIO)
    subscriber = Subscriber(broker)
    try:
        while not subscriber.ready.wait(0.1):  # Its subscription has no other sign.
            tell(broker, "begin")
        run(broker, file, "--threads", 3, "--ledger", acks, "--report", report)
        tell(broker, "end")
        assert subscriber.ended.wait(PATIENCE_S)
    finally:
        subscriber.process.terminate()
        subscriber.process.wait()

    by_cohort, records = collections.Counter(), collections.Counter()
    malformed = oversized = skewed = 0
    for topic, payload in subscriber.messages:
        device = topic.split("/")[1]
        by_cohort[device.split("-")[0]] += 1
        try:
            read = json.loads(payload)
        except ValueError:
            malformed += 1
            continue
        if len(payload) == 3000:
            oversized += 1
            continue
        records[device, read["ts"]] += 1
        if device.startswith("single"):
            assert set(read) == {"ts", "air", "counted"} and 10 < read["air"]["temperature"] < 30, read
            skewed += read["ts"] % 5 != 0  # Times that are off are between those that are not.
    twice = sum(1 for count in records.values() if count == 2)
    assert by_cohort["behind"] == BEHIND, by_cohort
    assert max(records.values()) == 2
    share = by_cohort["single"] / SINGLE  # Duplicates come on top.
    assert 1.15 < share < 1.25, share
    assert 0.07 < malformed / by_cohort["single"] < 0.13, malformed
    assert 25 < oversized < 90, oversized
    assert 0.06 < skewed / by_cohort["single"] < 0.13, skewed

    acked = set()
    text = subprocess.run([LOADGEN, "ledger", acks, "--text"], capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
    for line in text.splitlines():
        device, ts, _ = line.split("\t")
        acked.add((device, int(ts)))
    assert acked == set(records), "the ledger holds the records that can be stored, each once"
    sent = json.loads(report.read_text())["sent"]
    assert sent == len(subscriber.messages), (sent, len(subscriber.messages))
    print(f"a subscriber: {by_cohort}, {twice} twice, {malformed} malformed, {oversized} oversized, {skewed} skewed")


def what_is_wrong_ends_with_its_place(folder, broker):
    file = folder / "wrong.toml"
    file.write_text(SCENARIO.replace("devices = 50", "devcies = 50"))
    for command in ("check", "run"):
        done = subprocess.run([LOADGEN, command, file], capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == 2, done
        assert f"{file}:6:1: unknown key 'devcies' of a cohort; did you mean 'devices'?" in done.stderr, done.stderr
    done = subprocess.run([LOADGEN, "run", "stedy"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and "did you mean 'steady'?" in done.stderr, done
    done = subprocess.run([LOADGEN, "run", "steady", "--rate", "5"], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and "excludes" in done.stderr, done


def a_scenario_that_comes_along_is_found_anywhere(folder, broker):
    listed = subprocess.run([LOADGEN, "scenarios"], capture_output=True, text=True, timeout=PATIENCE_S, cwd=folder, check=True).stdout
    assert "steady" in listed and "flaky-cellular" in listed, listed
    text = subprocess.run([LOADGEN, "scenarios", "steady"], capture_output=True, text=True, timeout=PATIENCE_S, cwd=folder, check=True).stdout
    short = text.replace('duration = "5s"', 'duration = "200ms"').replace('duration = "30s"', 'duration = "800ms"')
    (folder / "steady.toml").write_text(short)  # Before the one that comes along.
    done = subprocess.run([LOADGEN, "run", "steady", "--target", broker.target, "--quiet"], capture_output=True, text=True,
                          timeout=PATIENCE_S, cwd=folder)
    assert done.returncode == 0 and "acked 1,000" in done.stdout, done


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    broker = Broker(folder)
    broker.start()
    try:
        for test in (a_subscriber_receives_what_the_scenario_says, what_is_wrong_ends_with_its_place,
                     a_scenario_that_comes_along_is_found_anywhere):
            test(folder, broker)
            print("ok:", test.__name__.replace("_", " "), file=sys.stderr)
    finally:
        broker.stop()
