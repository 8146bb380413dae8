#!/usr/bin/env python3
"""Runs the real spate-loadgen commands against a pretended node. Usage: commands_end_to_end.py LOADGEN

Waits only for conditions, never for a time; what is measured is not judged.
"""
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

from fake_node import FakeNode

LOADGEN = sys.argv[1]
PATIENCE_S = 60


def loadgen(*words, expect=0):
    done = subprocess.run([LOADGEN, *map(str, words)], capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode != expect:
        raise AssertionError(f"{words}: exit code {done.returncode}, not {expect}\n{done.stdout}\n{done.stderr}")
    return done


def report_of(node, *words, expect=0):
    defaults = [word for option, value in (("--commands-per-s", 200), ("--duration", "1s")) if option not in words
                for word in (option, value)]
    done = loadgen("commands", "--target", node.target, "--http", node.http, *defaults, "--quiet", "--report", "-", *words,
                   expect=expect)
    return json.loads(done.stdout)


def commands_reach_devices_of_both_versions_and_come_back(node, _):
    for version in (3, 5):
        node.filters.clear()
        node.posts.clear()
        before = node.pubacks
        report = report_of(node, "--devices", 20, "--mqtt", version, "--ttl", "5s", "--wait", 7, "--args", '{"x":[1]}',
                           "--priority", "urgent", "--command", "turn")
        commands = report["commands"]
        assert commands["posted"] == commands["succeeded"] == commands["measured"] == 200, report
        assert commands["states"] == {"SUCCEEDED": 200} and commands["http_statuses"] == {"200": 200}, commands
        assert commands["latency_ms"]["count"] == commands["node_ms"]["count"] == 200, commands
        assert commands["poster"]["connections"] == 64, commands
        devices = report["answering"]
        assert devices["commands"] == devices["answers"] == devices["answers_acked"] == 200, devices
        assert devices["repeated"] == devices["answers_lost"] == 0 and devices["subscribed"] == 20, devices
        assert sorted(set(node.filters)) == sorted((f"devices/dev-{i}/commands/#", 1) for i in range(20)), node.filters
        assert node.pubacks - before == 200
        assert len({device for device, _, _ in node.posts}) == 20
        assert all((prefer, request) == ("wait=7", {"name": "turn", "args": {"x": [1]}, "ttl_ms": 5000,
                                                    "priority": "urgent"}) for _, prefer, request in node.posts)


def telemetry_goes_on_beside_commands(node, folder):
    before = node.telemetry
    report = report_of(node, "--devices", 10, "--rate", 500, "--threads", 2, "--poisson", "--warm-up", "200ms",
                       "--hdr", folder / "out.hgrm")
    assert report["sent"] == report["acked"] == node.telemetry - before == 600, report
    commands = report["commands"]
    assert commands["succeeded"] == commands["posted"] > commands["measured"] > 0, commands
    text = (folder / "out.hgrm").read_text()
    assert f"Total count    = {commands['measured']:12d}]" in text, text
    report = report_of(node, "--devices", 10, "--flood", "--window", 2)
    assert report["closed_loop"] and report["acked"] == report["sent"] > 0, report
    assert report["commands"]["succeeded"] == 200, report


def repeated_commands_are_answered_once(node, _):
    node.repeat, before = True, node.answers
    report = report_of(node, "--devices", 5, "--answer-after", "2ms", "--answer-jitter", "2ms", "--precise")
    node.repeat = False
    devices = report["answering"]
    assert devices["commands"] == devices["repeated"] == devices["answers"] == node.answers - before == 200, devices
    assert report["commands"]["latency_ms"]["p50"] >= 2, report


def a_connection_is_opened_where_none_is_free_and_waiting_counts(node, _):
    words = ("--devices", 5, "--answer-after", "100ms")  # 20 are under way at a time.
    report = report_of(node, *words, "--http-connections", 2)
    assert 2 < report["commands"]["poster"]["connections"] < 64, report
    report = report_of(node, *words, "--http-connections", 2, "--http-connections-max", 4, "--duration", "500ms")
    commands = report["commands"]
    assert commands["succeeded"] == 100 and commands["poster"]["connections"] == 4, commands
    assert commands["latency_ms"]["max"] > 1000 > commands["service_ms"]["max"], commands


def what_the_node_refuses_is_told_and_fails_the_run(node, _):
    for status, code, meaning in ((404, "device-not-found", "never seen"), (409, "device-offline", "not connected"),
                                  (503, "overloaded", "")):
        node.refuse = (status, code)
        report = report_of(node, "--devices", 2, expect=1)
        errors = report["commands"]["errors"]
        assert list(errors.values()) == [200], errors
        text = next(iter(errors))
        assert text.startswith(f"HTTP {status} {code}") and meaning in text, text
        assert "200 commands did not succeed" in report["result"], report
    node.refuse = None
    node.refuse_subscriptions = True
    report = report_of(node, "--devices", 2, expect=1)
    node.refuse_subscriptions = False
    assert any("subscription was refused" in error for error in report["errors"]), report
    report = report_of(node, "--devices", 2, "--answer-after", "30s", "--wait", 1, "--commands-per-s", 10, "--drain", "0",
                       expect=1)
    assert report["commands"]["http_statuses"] == {"504": 10}, report
    assert report["commands"]["states"] == {"DELIVERED": 10}, report


def a_node_that_dies_loses_commands(_, __):
    node = FakeNode()
    running = subprocess.Popen([LOADGEN, "commands", "--target", node.target, "--http", node.http, "--devices", "3",
                                "--duration", "1h", "--answer-after", "1h", "--quiet", "--report", "-"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    until = time.monotonic() + PATIENCE_S
    while len(node.posts) < 50 and time.monotonic() < until:
        time.sleep(0.001)
    node.stop()
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=PATIENCE_S)
    report = json.loads(output)
    assert running.returncode == 1 and report["interrupted"], report
    assert report["commands"]["lost"] >= 50 and "no HTTP answer" in next(iter(report["commands"]["errors"])), report


def an_interrupt_ends_with_a_valid_report(node, _):
    node.posts.clear()
    running = subprocess.Popen([LOADGEN, "commands", "--target", node.target, "--http", node.http, "--devices", "3",
                                "--duration", "1h", "--quiet", "--report", "-"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    until = time.monotonic() + PATIENCE_S
    while len(node.posts) < 50 and time.monotonic() < until:
        time.sleep(0.001)
    running.send_signal(signal.SIGINT)
    output, _ = running.communicate(timeout=PATIENCE_S)
    report = json.loads(output)
    assert running.returncode == 0 and report["interrupted"] and report["ok"], report
    assert report["commands"]["posted"] == report["commands"]["succeeded"] == len(node.posts), report


def a_file_of_latencies_outlives_runs_that_did_not_take_place(node, folder):
    file = folder / "kept.hgrm"
    file.write_text("earlier")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{probe.getsockname()[1]}"
    for words in (("--target", f"mqtt://{dead}", "--http", node.http, "--connect-timeout", "100ms"),
                  ("--target", node.target, "--http", dead),
                  ("--target", node.target, "--http", node.http, "--ledger", folder / "nowhere" / "acks.txt")):
        loadgen("commands", *words, "--devices", 2, "--duration", "100ms", "--quiet", "--hdr", file, expect=1)
        assert file.read_text() == "earlier", words


def help_names_only_options_that_a_command_has(_, __):
    for name in ("run", "replay", "commands", "verify"):
        text = loadgen(name, "--help").stdout.split("Examples:")[0]
        options = set(re.findall(r"^\s+(?:-\w,)?(--[a-z][a-z-]*)", text, re.MULTILINE))
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text))
        assert options and named <= options, (name, named - options)


def nobody_there_and_wrong_words(node, _):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        dead = f"127.0.0.1:{probe.getsockname()[1]}"
    done = loadgen("commands", "--target", node.target, "--http", dead, "--devices", 2, expect=1)
    assert f"no node answers at http://{dead}" in done.stderr, done.stderr
    some = ["commands", "--target", node.target, "--devices", 2]
    for words in (some[:3], [*some, "--answer-after", "none"], [*some, "--commands-per-s", 0], [*some, "--args", "{"],
                  [*some, "--args", "1],[2"], [*some, "--wait", 0], [*some, "--wait", 61], [*some, "--flood", "--rate", 1], [*some, "--priority", "x"],
                  [*some, "--http-connections", 0], [*some, "--http-connections", 5, "--http-connections-max", 4],
                  [*some, "--duration", 0], [*some, "--ttl", "1us"],
                  ["run", *some[1:], "--idle", "--answer-jitter", "1s"]):
        done = loadgen(*words, expect=2)
        assert done.stderr and not done.stdout, words


TESTS = [
    commands_reach_devices_of_both_versions_and_come_back,
    telemetry_goes_on_beside_commands,
    repeated_commands_are_answered_once,
    a_connection_is_opened_where_none_is_free_and_waiting_counts,
    what_the_node_refuses_is_told_and_fails_the_run,
    a_node_that_dies_loses_commands,
    an_interrupt_ends_with_a_valid_report,
    a_file_of_latencies_outlives_runs_that_did_not_take_place,
    help_names_only_options_that_a_command_has,
    nobody_there_and_wrong_words,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        fake = FakeNode()
        for test in TESTS:
            start = time.monotonic()
            test(fake, pathlib.Path(name))
            print(f"ok  {test.__name__.replace('_', ' ')}  {time.monotonic() - start:.1f} s", flush=True)
        fake.stop()
