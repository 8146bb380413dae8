#!/usr/bin/env python3
"""spate-loadgen compare-servers against real mosquittos. Usage: compare_servers.py LOADGEN MOSQUITTO

Waits only for conditions (a port that answers, a process that ends), never for a time.
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import end_to_end
from end_to_end import PATIENCE_S, Broker

LOADGEN = str(pathlib.Path(end_to_end.LOADGEN).resolve())

SCENARIO = """
[[cohort]]
name = "sensors"
devices = 10
every = "100ms"
payload = "records.ndjson"
user = "somebody"
password = "not for all"

[[stage]]
name = "steady"
duration = "DURATION"
"""


@contextlib.contextmanager
def broker(folder):
    made = Broker(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def prepare(folder, duration="2s"):
    """A scenario with a file beside it, and a place for the servers' directories."""
    (folder / "mine.toml").write_text(SCENARIO.replace("DURATION", duration))
    (folder / "records.ndjson").write_text('{"ts":1,"temperature":20.5}\n')
    (folder / "tmp").mkdir()


def start(folder, *words):
    return subprocess.Popen([LOADGEN, "compare-servers", *map(str, words), "--out", "out"], cwd=folder, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(folder / "tmp")})


def finish(process, expect):
    out, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == expect, (process.returncode, out, said)
    return out, said


def servers_of(folder):
    """Processes that a comparison started there."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder and b"compare-servers" not in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def started_and_given_servers_are_compared(folder):
    prepare(folder)
    out_folder = folder / "out"
    out_folder.mkdir()
    (out_folder / "scenario.toml").write_text("from another time")
    with broker(folder) as given:
        out, _ = finish(start(folder, "mine.toml", "mosquitto", f"given=127.0.0.1:{given.port}@{given.process.pid}", "--repetitions", 1), 0)
        # And a gate that breaks.
        finish(start(folder, "mine.toml", "mosquitto", f"given=127.0.0.1:{given.port}@{given.process.pid}", "--repetitions", 1,
                     "--fail-above", "0.0001:rate"), 3)
    assert "given" in out and "rate" in out, out
    for name in ("mosquitto", "given"):
        report = json.loads((out_folder / f"{name}-1.json").read_text())
        assert report["ok"] and report["server"]["cpu_s"] is not None, report["result"]
    scenario = out_folder / "scenario.toml"
    assert scenario.stat().st_mode & 0o777 == 0o600, oct(scenario.stat().st_mode)
    assert str(folder / "records.ndjson") in scenario.read_text()
    assert list((folder / "tmp").iterdir()) == []


def a_side_that_fails_is_told_and_the_others_go_on(folder):
    prepare(folder)
    with broker(folder) as given:
        good = f"given=127.0.0.1:{given.port}@{given.process.pid}"
        finish(start(folder, "mine.toml", good, f"gone=127.0.0.1:{given.port}@{given.process.pid}", "--repetitions", 1), 0)
        assert (folder / "out" / "gone-1.json").exists()
        # Its process is not there: it ends before it has a report, and the one of before must not stand for it. A missed objective
        # or a broken gate does not hide that.
        out, said = finish(start(folder, "mine.toml", good, f"gone=127.0.0.1:{given.port}@4194304", "mosquitto", "--repetitions", 1,
                                 "--fail-above", "0.0001:rate"), 1)
        assert "gone: this run gave no report" in said, said
        assert "FAILED: gone has no run to compare" in out and "B  mosquitto" in out, out
        assert not (folder / "out" / "gone-1.json").exists()


def what_is_stopped_leaves_nothing_behind(folder):
    prepare(folder, "1h")
    for how in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = start(folder, "mine.toml", "mosquitto", "other=mosquitto")
        until(lambda: len(servers_of(folder)) == 2, "a server and its load do not start")
        process.send_signal(how)
        _, said = process.communicate(timeout=PATIENCE_S)
        until(lambda: not servers_of(folder), f"{how}: left behind {servers_of(folder)}")
        if how == signal.SIGKILL:
            return  # Its directory is left: nobody is there to remove it.
        assert process.returncode == 1 and "ended early" in said, (process.returncode, said)
        assert list((folder / "tmp").iterdir()) == []


def what_can_not_be_compared_is_refused(folder):
    prepare(folder)
    _, said = finish(start(folder, "command-latency", "mosquitto", "other=mosquitto"), 2)
    assert "posts commands" in said, said
    _, said = finish(start(folder, "mine.toml", "mosquitto"), 2)
    assert "two servers" in said, said
    (folder / "tmp").rmdir()
    _, said = finish(start(folder, "mine.toml", "mosquitto", "other=mosquitto", "--repetitions", 1), 1)
    assert "a directory for mosquitto" in said, said


if __name__ == "__main__":
    for case in (started_and_given_servers_are_compared, a_side_that_fails_is_told_and_the_others_go_on,
                 what_is_stopped_leaves_nothing_behind, what_can_not_be_compared_is_refused):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o755)
            case(pathlib.Path(name))
        print(f"ok  {case.__name__.replace('_', ' ')}  {time.monotonic() - begin:.1f} s", flush=True)
    sys.exit(0)
