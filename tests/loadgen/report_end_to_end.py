#!/usr/bin/env python3
"""Reports, objectives, comparison and the live view of real runs: report_end_to_end.py SPATE-LOADGEN MOSQUITTO"""
import fcntl
import html.parser
import json
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import xml.etree.ElementTree

from end_to_end import LOADGEN, PATIENCE_S, Broker, loadgen

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
VOID = {"meta", "path", "circle", "link", "br"}


class Balanced(html.parser.HTMLParser):
    """Every element that begins ends."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.ids = set()

    def handle_starttag(self, tag, attrs):
        self.ids.update(value for name, value in attrs if name == "id")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open[-1] == tag, (tag, self.open)
            self.open.pop()


def run_words(broker, *words, rate=500):
    return ["run", "--target", f"mqtt://127.0.0.1:{broker.port}", "--devices", 20, "--rate", rate, "--mqtt", 5, *words]


def a_run_writes_four_reports_that_agree(broker, folder):
    base = folder / "agree"
    done = loadgen(*run_words(broker, "--duration", "3s", "--quiet", "--report", base, "--server-pid", broker.process.pid,
                              "--slo", "lost==0, ack_p50<10s", "--slo", "server_rss_bytes>1kB"))
    assert done.stdout.count("  met ") == 3, done.stdout
    document = json.loads(base.with_suffix(".json").read_text())
    assert document["spate-loadgen-report"] == 1 and document["ok"], document["result"]
    assert document["acked"] == 1500 == sum(second["acked"] for second in document["timeline"]), document["timeline"]
    assert all(objective["ok"] for objective in document["objectives"]) and len(document["objectives"]) == 3
    assert document["server"]["cpu_s"] > 0 and document["server"]["rss_bytes_max"] > 1e6, document["server"]
    suite = xml.etree.ElementTree.parse(base.with_suffix(".xml")).getroot()
    names = [case.get("name") for case in suite.iter("testcase")]
    assert names == ["run", "generator", "lost == 0", "ack_p50 < 10 s", "server_rss_bytes > 1 kB"], names
    page = Balanced()
    page.feed(base.with_suffix(".html").read_text())
    assert not page.open and {"rate", "latency", "percentiles", "server-cpu"} <= page.ids, (page.open, page.ids)
    log = base.with_suffix(".hlog").read_text().splitlines()
    assert sum(line[0].isdigit() for line in log) >= 3 and any(line.startswith("Tag=total.latency,") for line in log), log


def a_missed_objective_is_exit_code_3_and_a_wrong_one_2(broker, folder):
    base = folder / "missed"
    done = loadgen(*run_words(broker, "--duration", "1s", "--quiet", "--report", f"{base}.xml", "--slo", "ack_p50<1ns"), expect=3)
    assert "MISSED" in done.stdout, done.stdout
    suite = xml.etree.ElementTree.parse(f"{base}.xml").getroot()
    failed = [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None]
    assert "ack_p50 < 1 ns" in failed and not base.with_suffix(".json").exists(), failed
    done = loadgen(*run_words(broker, "--slo", "los==0"), expect=2)
    assert "did you mean" in done.stderr or "known are" in done.stderr, done.stderr
    loadgen(*run_words(broker, "--slo", "devicez:lost==0"), expect=2)


def runs_are_compared(broker, folder):
    for name, rate in (("a", 500), ("b", 500), ("other", 300)):
        loadgen(*run_words(broker, "--duration", "11s", "--quiet", "--report", folder / f"{name}.json", rate=rate))
    names = [folder / f"{name}.json" for name in ("a", "b", "other")]
    done = loadgen("compare", names[0], names[1], "--json", folder / "ratios.json", "--fail-below", "0.5:rate")
    [ratios] = json.loads((folder / "ratios.json").read_text())
    assert ratios["comparable"] and abs(ratios["ratios"]["rate"]["ratio"] - 1) < 0.05, ratios
    low, high = ratios["ratios"]["ack_p50"]["interval"]
    assert 0 < low <= high and "95 % interval" in done.stdout, ratios
    assert "not comparable" in loadgen("compare", names[0], names[2]).stdout
    loadgen("compare", names[0], names[2], "--fail-above", "9:ack_p99", expect=1)
    (folder / "cut.json").write_text(names[0].read_text()[:1000])
    loadgen("compare", names[0], folder / "cut.json", expect=1)


class OnTerminal:
    """A run whose standard error is a terminal of 100 columns."""

    def __init__(self, words):
        self.reader, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen([LOADGEN, *map(str, words)], stdout=subprocess.DEVNULL, stderr=terminal,
                                        env={**os.environ, "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"})
        os.close(terminal)
        self.seen = b""

    def read_until(self, what):
        until = time.monotonic() + PATIENCE_S
        while what is None or what not in self.seen:
            assert time.monotonic() < until, self.seen[-2000:]
            if select.select([self.reader], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.reader, 65536)
                except OSError: # The other end is closed.
                    assert what is None, self.seen[-2000:]
                    return


def the_cursor_comes_back_however_a_run_ends(broker, _):
    on = OnTerminal(run_words(broker, "--duration", "3s"))
    on.read_until(None)
    assert on.process.wait(PATIENCE_S) == 0
    assert "\u2588".encode() in on.seen and b"run p50" in on.seen and on.seen.endswith(SHOW), on.seen[-500:]
    for line in on.seen.split(b"\r\n"):
        text = line.split(b"\x1b[J")[-1].replace(HIDE, b"")
        assert len(text.decode()) < 100, text
    # Stopped at once by a second signal, while one that is never answered holds the first one up.
    on = OnTerminal(run_words(broker, "--duration", "1h"))
    on.read_until(b"online 20")
    broker.process.send_signal(signal.SIGSTOP)
    try:
        on.process.send_signal(signal.SIGINT)
        on.read_until(b"draining")
        on.process.send_signal(signal.SIGINT)
        on.read_until(None)
    finally:
        broker.process.send_signal(signal.SIGCONT)
    assert on.process.wait(PATIENCE_S) == 130
    assert on.seen.rstrip().endswith(SHOW), on.seen[-500:]


TESTS = [
    a_run_writes_four_reports_that_agree,
    a_missed_objective_is_exit_code_3_and_a_wrong_one_2,
    the_cursor_comes_back_however_a_run_ends,
    runs_are_compared,
]

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        broker = Broker(pathlib.Path(name))
        broker.start()
        try:
            for test in TESTS:
                start = time.monotonic()
                test(broker, pathlib.Path(name))
                print(f"ok  {test.__name__.replace('_', ' ')}  {time.monotonic() - start:.1f} s", flush=True)
        finally:
            broker.stop(signal.SIGTERM)
