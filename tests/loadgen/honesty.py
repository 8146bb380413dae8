#!/usr/bin/env python3
"""Do the generator's figures agree with what others see? Usage: honesty.py LOADGEN MOSQUITTO

A stalled server must show in the percentiles of an open loop and hides in a closed one, which is the control; what
subscribers and the server itself count must be what the report says, to the message.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

from end_to_end import LOADGEN, PATIENCE_S, Broker

STALL_S = 2.0


def started(*words):
    return subprocess.Popen([LOADGEN, *map(str, words), "--quiet", "--report", "-"], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def report_of(process):
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, (process.returncode, out, err)
    return json.loads(out)


def published(broker):
    """What mosquitto says of itself; it tells new subscribers its last figure and another every second."""
    done = subprocess.run(["mosquitto_sub", "-p", str(broker.port), "-t", "$SYS/broker/publish/messages/received", "-C", "1"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    return int(done.stdout or 0)


def stalled(broker, *load):
    """The report of a load whose server stands still for a while in its middle. The load ends when it has run on after that."""
    before = published(broker)
    process = started("run", "--target", broker.target, "--devices", 20, "--duration", "1h", *load)
    await_published(broker, before + 1000)
    broker.process.send_signal(signal.SIGSTOP)
    time.sleep(STALL_S)
    broker.process.send_signal(signal.SIGCONT)
    await_published(broker, published(broker) + 5000)
    process.send_signal(signal.SIGINT)
    return report_of(process)


def await_published(broker, count):
    until = time.monotonic() + PATIENCE_S
    while published(broker) < count:
        assert time.monotonic() < until, f"no {count} messages came"
        time.sleep(0.2)


def a_stalled_server_shows_in_an_open_loop_and_hides_in_a_closed_one(folder):
    broker = Broker(folder)
    broker.config.write_text(broker.config.read_text() + "sys_interval 1\n")
    broker.start()
    try:
        opened = stalled(broker, "--rate", "1000")
        closed = stalled(broker, "--flood", "--window", "1")
    finally:
        broker.stop()
    # Many of the open loop's messages were due while the server stood still; the last hundredth waited for nearly all of it.
    stall_ms = 1e3 * STALL_S
    assert opened["latency_ms"]["p99"] > 0.8 * stall_ms, opened["latency_ms"]
    # The control: one message of each device waited, the other thousands were never sent then.
    assert closed["latency_ms"]["max"] > 0.8 * stall_ms, closed["latency_ms"]
    assert closed["latency_ms"]["p99"] < 0.2 * opened["latency_ms"]["p99"], (closed["latency_ms"], opened["latency_ms"])


def subscribers_and_the_server_count_what_the_report_says(folder):
    broker = Broker(folder)
    broker.config.write_text(broker.config.read_text() + "sys_interval 1\n")
    broker.start()
    try:
        expected = 5_000
        watcher = subprocess.Popen(["stdbuf", "-oL", "mosquitto_sub", "-d", "-p", str(broker.port), "-q", "1", "-t", "devices/+/telemetry",
                                    "-C", str(expected)], stdout=subprocess.PIPE, text=True)
        while not watcher.stdout.readline().startswith("Subscribed"):
            assert watcher.poll() is None
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(line for line in watcher.stdout if line.startswith("{")))
        reader.start()
        before = published(broker)
        report = report_of(started("run", "--target", broker.target, "--devices", 50, "--rate", "5k", "--stop-after", expected))
        watcher.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        assert report["sent"] == report["acked"] == expected, report
        assert len(lines) == expected and len(set(lines)) == expected, (len(lines), len(set(lines)))
        await_published(broker, before + expected)
        assert published(broker) - before == expected, (published(broker), before)
    finally:
        broker.stop()


if __name__ == "__main__":
    for case in (a_stalled_server_shows_in_an_open_loop_and_hides_in_a_closed_one,
                 subscribers_and_the_server_count_what_the_report_says):
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o755)
            case(pathlib.Path(name))
        print(f"ok  {case.__name__.replace('_', ' ')}  {time.monotonic() - begin:.1f} s", flush=True)
    sys.exit(0)
