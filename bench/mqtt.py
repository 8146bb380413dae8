#!/usr/bin/env python3
"""What a message between clients costs: Spate and mosquitto, interleaved in one run.

    cmake --build --preset release --target spate spate_bench_pubsub
    bench/mqtt.py                            # all of it, about 3 minutes
    bench/mqtt.py --only fan-in --repetitions 5

Cost is CPU (user and system, all threads) of the server process from "all are connected and subscribed" to the last
message, divided by messages published. So many are under way at most that no server drops one; a run counts only if
every message reached every subscriber. Tables show medians and (min-max); ratios are taken within a repetition.
"""
import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess
import sys

from harness import ROOT, SERVERS, Trouble, machine_busy_seconds, raise_descriptor_limit


@dataclasses.dataclass(frozen=True)
class Load:
    title: str
    publishers: int
    subscribers: int
    qos: int
    messages: int
    window: int
    goal: float | None  # highest ratio of spate to mosquitto
    kept: bool = False  # the subscriber's session, which spate has on disk before it acknowledges
    devices: int = 0  # whose telemetry the publishers bring in turn, as gateways; 0: all messages have one topic
    filter: str = "#"


LOADS = {
    "fan-in": Load("fan-in, QoS 0: 100 publishers, one subscriber on #", 100, 1, 0, 1_000_000, 4000, 0.10),
    "fan-out": Load("fan-out, QoS 0: one publisher, 1,000 subscribers", 1, 1000, 0, 3_000, 20, 0.30),
    "qos1": Load("QoS 1: 100 publishers, one subscriber on #", 100, 1, 1, 300_000, 2000, 0.60),
    "qos1-kept": Load("QoS 1 to a kept session: 100 publishers, one subscriber on #", 100, 1, 1, 100_000, 900, None, kept=True),
    "devices": Load("QoS 1, telemetry of 100,000 devices by 100 gateways, one subscriber on devices/+/telemetry", 100, 1, 1, 400_000, 2000,
                    None, devices=100_000, filter="devices/+/telemetry"),
    "devices-all": Load("the same with QoS 0, one subscriber on #", 100, 1, 0, 1_000_000, 4000, None, devices=100_000),
    "qos2": Load("QoS 2: 100 publishers, one subscriber on #", 100, 1, 2, 100_000, 2000, 0.60),
}


def measure(args, server_class, load: Load) -> tuple[float, float]:
    """CPU microseconds a message, messages a second."""
    server = server_class(args)
    try:
        command = [str(pathlib.Path(args.build) / "bin" / "spate-bench-pubsub"), "--port", str(server.port),
                   "--publishers", str(load.publishers), "--subscribers", str(load.subscribers), "--qos", str(load.qos),
                   "--messages", str(int(load.messages * args.share)), "--window", str(load.window), "--filter", load.filter,
                   "--devices", str(load.devices), *(["--kept"] if load.kept else [])]
        tool = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if tool.stdout.readline().strip() != "ready":
                raise Trouble(f"{server.name}: the clients did not connect\n{server.log_text()}")
            before = server.cpu_seconds()
            print("go", file=tool.stdin, flush=True)
            line = tool.stdout.readline()
            used = server.cpu_seconds() - before
            print("done", file=tool.stdin, flush=True)
            counts = json.loads(line or "{}")
            if not counts or counts["received"] != counts["due"]:
                raise Trouble(f"{server.name}: messages did not arrive: {line or 'the tool failed'}")
            if load.devices and (counts["most"] - counts["fewest"] > 1 or counts["devices"] != load.devices):
                raise Trouble(f"{server.name}: of some devices more arrived than of others: {line}")
            return used * 1e6 / counts["published"], counts["published"] / counts["seconds"]
        finally:
            tool.kill()
            tool.wait()
    finally:
        server.remove()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build" / "release"))
    parser.add_argument("--work-dir", default=None, help="where the servers' directories go")
    parser.add_argument("--durability", choices=("fsync", "os", "memory"), default="fsync", help="of spate")
    parser.add_argument("--only", choices=LOADS, action="append")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--share", type=float, default=1.0, help="of the messages")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    raise_descriptor_limit()
    servers = [SERVERS["spate"], SERVERS["mosquitto"]]
    for server in servers:
        if (why := server.missing(args)) is not None:
            parser.error(why)
    results, missed = {}, False
    for name in args.only or LOADS:
        load = LOADS[name]
        runs = {server.name: [] for server in servers}
        for repetition in range(args.repetitions):
            for server in servers:
                print(f"\r{name}: {repetition + 1} of {args.repetitions}, {server.name} ", end="", file=sys.stderr)
                runs[server.name].append(measure(args, server, load))
        ratios = [a[0] / b[0] for a, b in zip(runs["spate"], runs["mosquitto"])]
        ratio = statistics.median(ratios)
        missed |= load.goal is not None and ratio > load.goal
        results[name] = {"runs": runs, "ratios": ratios}
        print(f"\r{load.title}", " " * 20)
        for server, each in runs.items():
            costs = sorted(cost for cost, _ in each)
            rates = statistics.median(rate for _, rate in each)
            print(f"  {server:10} {statistics.median(costs):8.2f} us ({costs[0]:.2f}-{costs[-1]:.2f}), {rates:10,.0f} messages/s")
        verdict = "" if load.goal is None else f", goal {load.goal}: {'met' if ratio <= load.goal else 'MISSED'}"
        print(f"  ratio {ratio:.3f} ({min(ratios):.3f}-{max(ratios):.3f}){verdict}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Trouble as trouble:
        sys.exit(f"bench/mqtt.py: {trouble}")
