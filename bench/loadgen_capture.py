#!/usr/bin/env python3
"""Holds the latencies that spate-loadgen reports against a capture of the loopback (tshark; root).

  bench/loadgen_capture.py [--server spate|mosquitto] [--rate 2000] [--seconds 10] [--devices 20]

An open loop with fixed arrivals runs against a server of its own while tshark captures its port. From the packets alone:
service time is PUBLISH to PUBACK by stream and packet identifier; latency is from the intended time, which the k-th PUBLISH
of device i has at message k * devices + i of the schedule, whose begin is the earliest that fits all of them. So a lateness
that all messages share can not be seen in the packets: for it the fitted begin is printed beside the begin of the load that
the report tells, by the clock of the same machine (a report notes it at its next look, some ms to 0.1 s late). Prints both
beside the report's. Exit status: 0 all within 10 %, 1 not, 2 something is missing.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ROOT, SERVERS

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
PUBLISH, PUBACK = "3", "4"


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def packets(capture, port):
    """(seconds, stream, type, packet identifier), in order."""
    done = subprocess.run(["tshark", "-r", capture, "-d", f"tcp.port=={port},mqtt", "-Y", "mqtt", "-T", "fields", "-e",
                           "frame.time_epoch", "-e", "tcp.stream", "-e", "mqtt.msgtype", "-e", "mqtt.msgid"],
                          capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        at, stream, types, identifiers = line.split("\t")
        rest = iter(identifiers.split(","))
        for kind in types.split(","):  # A frame may hold several.
            if kind in (PUBLISH, PUBACK):
                yield float(at), stream, kind, next(rest)


def measured(capture, port, devices, rate):
    """Service times and latencies in ms, and the begin of the schedule that fits."""
    open_publishes, sent, turns, answered = {}, {}, {}, []
    order = {}  # Device number by stream: devices speak in turn, the first one first.
    for at, stream, kind, identifier in packets(capture, port):
        if kind == PUBLISH:
            order.setdefault(stream, len(order))
            turn = turns[stream] = turns.get(stream, -1) + 1
            number = turn * devices + order[stream]
            sent[number] = at
            open_publishes[stream, identifier] = number
        else:
            answered.append((open_publishes.pop((stream, identifier)), at))
    begin = min(at - number / rate for number, at in sent.items())
    return ([1e3 * (at - sent[number]) for number, at in answered],
            [1e3 * (at - begin - number / rate) for number, at in answered], begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", choices=("spate", "mosquitto"), default="spate")
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--devices", type=int, default=20)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--durability", default="fsync")
    parser.add_argument("--work-dir", default=None)
    args = parser.parse_args()
    args.spate = args.build / "bin" / "spate"
    if os.geteuid() != 0 or not shutil.which("tshark"):
        print("needs root and tshark", file=sys.stderr)
        return 2
    server = SERVERS[args.server](args)
    try:
        with tempfile.TemporaryDirectory() as folder:
            capture = os.path.join(folder, "lo.pcap")
            tshark = subprocess.Popen(["tshark", "-q", "-i", "lo", "-B", "64", "-f", f"tcp port {server.port}", "-w", capture],
                                      stderr=subprocess.PIPE, text=True)
            while "Capturing on" not in tshark.stderr.readline():
                pass
            time.sleep(1)  # It says so a little early.
            done = subprocess.run([args.build / "bin" / "spate-loadgen", "run", "--target", f"mqtt://127.0.0.1:{server.port}", "--devices",
                                   str(args.devices), "--rate", str(args.rate), "--duration", f"{args.seconds}s", "--quiet", "--report", "-"],
                                  capture_output=True, text=True, check=True)
            time.sleep(1)
            tshark.terminate()
            tshark.wait(30)
            report = json.loads(done.stdout)
            service, latency, begin = measured(capture, server.port, args.devices, args.rate)
    finally:
        server.remove()
    if len(latency) != report["acked"]:
        print(f"the capture has {len(latency)} acknowledgements, the report {report['acked']}: packets were dropped", file=sys.stderr)
        return 1
    good = True
    if report["started_ms"]:
        print(f"the schedule that fits begins {1e3 * begin - report['started_ms']:+.1f} ms after the report's start")
    print(f"{args.server}, {len(latency):,} messages\n{'':20}{'report ms':>12}{'capture ms':>12}{'ratio':>8}")
    for name, reported, seen in (("latency", report["latency_ms"], latency), ("service", report["service_ms"], service)):
        for label, q in QUANTILES.items():
            wire = quantile(seen, q)
            ratio = reported[label] / wire
            good &= name != "latency" or abs(ratio - 1) <= 0.1
            print(f"{name + ' ' + label:20}{reported[label]:>12.3f}{wire:>12.3f}{ratio:>8.3f}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
