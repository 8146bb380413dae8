#!/usr/bin/env python3
"""What a message costs: the kernel alone, the floor, Spate and mosquitto, interleaved in one run.

    cmake --workflow --preset check          # or ./run --build
    bench/compare.py                         # all of it, about 12 minutes
    bench/compare.py --quick --only flood-w20

Cost is CPU (user and system, all threads) of the server process between the moment when all devices are connected and
the last acknowledgement, divided by messages acknowledged. Every run starts a fresh server on a fresh directory, and
counts only if nothing was lost and the server's own ledger agrees. Tables show medians and (min-max) of the repetitions;
ratios are taken within a repetition. bench/README.md says more.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import sys
import time

from harness import (ROOT, SERVERS, Generator, IdleClients, Trouble, machine_busy_seconds, raise_descriptor_limit)

POLL_SECONDS = 0.01
THREADS_POLL_SECONDS = 0.2
DESCRIPTORS_SLACK = 5  # Files that a server may close while all devices are connected.
WINDOW_SHARE_MIN = 0.98
PATIENCE_SECONDS = 120  # Beyond the load: to connect, to drain, to end.


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    connections: int
    window: int = 0  # messages in flight a connection; 0 = open loop at `rate`
    rate: int = 0
    default: bool = True
    against: dict = dataclasses.field(default_factory=dict)  # other server: highest ratio of spate to it

    def options(self, args) -> list[str]:
        how = ["--flood", "--window", str(self.window)] if self.window else ["--rate", str(self.rate)]
        return ["--devices", str(self.connections), *how, "--duration", f"{args.seconds:g}s", "--payload", args.payload]


LOADS = {
    "flood-w20": Scenario("flood, 100 connections, 20 in flight", 100, window=20,
                          against={"mosquitto": 0.25, "floor": 2.0}),
    "flood-w1": Scenario("flood, 100 connections, 1 in flight", 100, window=1,
                         against={"mosquitto": 1.0, "floor": 1.35}),
    "open-20k": Scenario("20,000 messages/s open loop over 10,000 connections", 10_000, rate=20_000,
                         against={"mosquitto": 0.8, "floor": 1.3}),
    "flood-10k": Scenario("flood, 10,000 connections, 20 in flight", 10_000, window=20, default=False),
}
IDLE = "idle"
IDLE_BYTES_MAX, CONNECT_US_MAX, FLOOR_ABOVE_NULL_US_MAX = 4096, 40.0, 2.5


class Window:
    """What was used while all devices were connected: from the first sample to the last."""

    def __init__(self, server, generator, descriptors: int):
        self.server, self.generator = server, generator
        self.full = descriptors - DESCRIPTORS_SLACK
        self.first = self.last = None
        self.first_threads = self.last_threads = None

    def sample(self):
        if self.server.descriptors() < self.full:
            return
        self.last = (time.monotonic(), self.server.cpu_seconds(), self.generator.cpu_seconds(), machine_busy_seconds())
        self.first = self.first or self.last
        if not self.last_threads or self.last[0] - self.last_threads[0] >= THREADS_POLL_SECONDS:
            self.last_threads = (time.monotonic(), self.server.thread_cpu_seconds())
            self.first_threads = self.first_threads or self.last_threads

    def used(self) -> list[float]:
        """Seconds, and CPU seconds of server, generator and machine."""
        return [b - a for a, b in zip(self.first, self.last)] if self.last else [0.0] * 4

    def thread_cores(self) -> dict[str, float]:
        """What each of the server's threads used, in cores."""
        (start, before), (end, after) = self.first_threads, self.last_threads
        return {t: (after[t] - before.get(t, 0.0)) / max(end - start, THREADS_POLL_SECONDS) for t in after}

    def busiest_thread(self) -> float:
        return max(self.thread_cores().values(), default=0.0)


def report_of(generator, window: Window, seconds: float) -> dict:
    """Samples the window until the generator, whose load takes `seconds`, has ended."""
    try:
        end = time.monotonic() + seconds + PATIENCE_SECONDS
        while generator.running():
            if time.monotonic() > end:
                raise Trouble(f"the generator did not end {PATIENCE_SECONDS} s after its load")
            window.sample()
            time.sleep(POLL_SECONDS)
        return generator.report()
    finally:
        generator.kill()


def measure_load(args, server, scenario: Scenario) -> dict:
    full = server.descriptors() + scenario.connections
    generator = Generator(args, server, scenario.options(args))
    window = Window(server, generator, full)
    report = report_of(generator, window, args.seconds)
    seconds, cpu, generator_cpu, busy = window.used()
    # Acknowledgements of the whole load count, so its CPU must.
    if seconds < WINDOW_SHARE_MIN * report["sending_s"] - 2 * POLL_SECONDS or report["sending_s"] < 0.8 * args.seconds:
        raise Trouble(f"{server.name} held {scenario.connections} connections for {seconds:.2f} of the "
                      f"{report['sending_s']:.2f} s that messages were sent")
    latency = report.get("latency_ms") or {}
    result = {
        "cpu_us": cpu * 1e6 / report["acked"], "rate": report["acked"] / seconds, "acked": report["acked"],
        "p50_ms": latency.get("p50"), "p99_ms": latency.get("p99"), "server_cores": cpu / seconds,
        "busiest_thread": window.busiest_thread(), "generator_cores": generator_cpu / seconds,
        "other_cores": max(0.0, busy - cpu - generator_cpu) / seconds, **server.facts()}
    result["limited_by"] = limited_by(scenario, result, report)
    server.stop(report["acked"])
    return result


def limited_by(scenario: Scenario, result: dict, report: dict) -> str:
    if scenario.rate and result["rate"] >= 0.97 * scenario.rate:
        return "rate"
    if sum(result[k] for k in ("server_cores", "generator_cores", "other_cores")) >= 0.93 * os.cpu_count():
        return "machine"
    generator = report["generator"]
    if generator["saturated"] or max(generator["cpu_share"], default=0) >= 0.9:
        return "generator"
    return "server" if result["busiest_thread"] >= 0.9 else "waiting"


def measure_idle(args, server) -> dict:
    clients = IdleClients(server.port)
    try:
        clients.connect(100)  # what the first connections allocate for all
        rss, cpu = server.rss_bytes(), server.cpu_seconds()
        clients.connect(args.idle)
        time.sleep(0.5)
        connect_us = (server.cpu_seconds() - cpu) * 1e6 / args.idle
        rss_bytes = (server.rss_bytes() - rss) / args.idle
        cpu = server.cpu_seconds()
        time.sleep(2)
        idle_cores = (server.cpu_seconds() - cpu) / 2
    finally:
        clients.close()
    server.stop()
    return {"rss_bytes": rss_bytes, "connect_us": connect_us, "idle_cores": idle_cores}


def run(args) -> tuple[dict, list[str]]:
    """results[scenario][server] = one dict a repetition; and what went wrong."""
    results = {s: {name: [] for name in args.servers} for s in args.only}
    troubles = []
    for repetition in range(args.repetitions):
        for scenario in args.only:
            order = args.servers if repetition % 2 == 0 else args.servers[::-1]
            for name in order:
                server = None
                try:
                    server = SERVERS[name](args)
                    result = (measure_idle(args, server) if scenario == IDLE
                              else measure_load(args, server, LOADS[scenario]))
                except (Trouble, OSError) as trouble:
                    troubles.append(f"{scenario}, {name}, repetition {repetition + 1}: {trouble}")
                    print(f"  {troubles[-1]}", file=sys.stderr)
                    result = None
                finally:
                    if server:
                        server.remove()
                results[scenario][name].append(result)
                if result and sys.stderr.isatty():
                    print(f"  {repetition + 1}/{args.repetitions} {scenario} {name} "
                          + " ".join(f"{k}={v:.4g}" for k, v in result.items() if isinstance(v, (int, float))),
                          file=sys.stderr)
    return results, troubles


def values(results: dict, scenario: str, name: str, key: str) -> list[float]:
    return [r[key] for r in results.get(scenario, {}).get(name, []) if r and r.get(key) is not None]


def ratios(results: dict, scenario: str, name: str, other: str, key: str = "cpu_us") -> list[float]:
    """Within each repetition."""
    pairs = zip(results.get(scenario, {}).get(name, []), results.get(scenario, {}).get(other, []))
    return [a[key] / b[key] for a, b in pairs if a and b and a.get(key) is not None and b.get(key)]


def spread(numbers: list[float], digits: int) -> str:
    if not numbers:
        return "-"
    text = f"{statistics.median(numbers):,.{digits}f}"
    return text + (f" ({min(numbers):,.{digits}f}-{max(numbers):,.{digits}f})" if len(numbers) > 1 else "")


def print_table(rows: list[list[str]]):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths)))
        print("  " + "  ".join(cells).rstrip())


def print_load(args, results: dict, scenario: str):
    print(f"\n{scenario}: {LOADS[scenario].title}, QoS 1")
    others = [name for name in ("mosquitto", "floor", "null") if name in args.servers]
    rows = [["server", "CPU us/message", *(f"x {name}" for name in others), "messages/s", "p50 ms",
             *(["p50 x mosquitto"] if "mosquitto" in others else []), "p99 ms", "limited by"]]
    for name in args.servers:
        median = lambda key, digits: (f"{statistics.median(v):,.{digits}f}"
                                      if (v := values(results, scenario, name, key)) else "-")
        ratio = lambda other, key: ("1" if other == name else spread(ratios(results, scenario, name, other, key), 2)[:20])
        limits = {r["limited_by"] for r in results[scenario][name] if r}
        rows.append([name, spread(values(results, scenario, name, "cpu_us"), 2),
                     *(ratio(other, "cpu_us") for other in others),
                     median("rate", 0), spread(values(results, scenario, name, "p50_ms"), 2),
                     *([ratio("mosquitto", "p50_ms")] if "mosquitto" in others else []),
                     median("p99_ms", 2), "/".join(sorted(limits)) or "-"])
    print_table(rows)
    busy = max((v for name in args.servers for v in values(results, scenario, name, "other_cores")), default=0)
    if busy > 0.15:
        print(f"  Other work took up to {busy:.2f} cores meanwhile: repeat on a quiet machine.")
    if any(r.get("blocks_sealed") == 0 for r in results[scenario].get("spate", []) if r):
        print("  spate sealed no block: its rows a device were fewer than seal_rows, so that cost is not in here.")
    bound = [n for n in args.servers if any(r and r["limited_by"] == "generator" for r in results[scenario][n])]
    if bound:
        print(f"  The generator was the bottleneck with {', '.join(bound)}: CPU a message holds, messages/s do not.")


def print_idle(args, results: dict):
    print(f"\n{IDLE}: {args.idle:,} idle connections")
    rows = [["server", "RSS bytes/connection", "connect CPU us", "CPU while idle, cores"]]
    for name in args.servers:
        rows.append([name, *(spread(values(results, IDLE, name, key), digits)
                             for key, digits in (("rss_bytes", 0), ("connect_us", 1), ("idle_cores", 3)))])
    print_table(rows)


def goals(args, results: dict) -> list[dict]:
    """What is promised for the scenarios that were asked for, and what was measured; None without data."""
    found = []

    def goal(text: str, numbers: list[float], at_most: float):
        median = statistics.median(numbers) if numbers else None
        found.append({"goal": text, "at_most": at_most, "measured": median,
                      "met": median is not None and median <= at_most})

    for scenario in (s for s in args.only if s != IDLE):
        for other, at_most in LOADS[scenario].against.items():
            goal(f"{scenario}: spate x {other}", ratios(results, scenario, "spate", other), at_most)
    if "flood-w20" in args.only:
        pairs = zip(results["flood-w20"].get("floor", []), results["flood-w20"].get("null", []))
        goal("flood-w20: floor above null, us", [a["cpu_us"] - b["cpu_us"] for a, b in pairs if a and b],
             FLOOR_ABOVE_NULL_US_MAX)
    if IDLE in args.only:
        goal("idle: spate, RSS bytes a connection", values(results, IDLE, "spate", "rss_bytes"), IDLE_BYTES_MAX)
        goal("idle: spate, connect us", values(results, IDLE, "spate", "connect_us"), CONNECT_US_MAX)
    return found


def print_goals(args, found: list[dict]):
    if not found:
        return
    print("\ngoals" + (" (a quick run decides nothing)" if args.quick else ""))
    rows = [["goal", "at most", "measured", ""]]
    for g in found:
        no_data = g["measured"] is None
        verdict = "pass" if g["met"] else "-" if no_data and not args.gate else "MISS"
        rows.append([g["goal"], f"{g['at_most']:,g}", "no data" if no_data else f"{g['measured']:,.2f}", verdict])
    print_table(rows)


def words_of(parser, option: str, text: str, known) -> list[str]:
    words = text.split(",")
    for word in words:
        if word not in known:
            parser.error(f"{option}: {word!r} is none of {', '.join(known)}")
    return list(dict.fromkeys(words))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder (default build/release)")
    parser.add_argument("--loadgen", help="load generator (default: the build's spate-loadgen)")
    parser.add_argument("--servers", default=",".join(SERVERS), help="default %(default)s")
    parser.add_argument("--only", default=",".join([*(n for n, s in LOADS.items() if s.default), IDLE]),
                        help=f"scenarios out of {', '.join([*LOADS, IDLE])} (default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=10, help="length of a load (default %(default)s)")
    parser.add_argument("--payload", default="env", help="of spate-loadgen: env (7 fields of a real sensor), small, a "
                        "number of bytes, or a file (default %(default)s)")
    parser.add_argument("--idle", type=int, default=15_000, metavar="N", help="idle connections (default %(default)s)")
    parser.add_argument("--durability", default="fsync", choices=("fsync", "os", "memory"))
    parser.add_argument("--work-dir", default=str(ROOT / "build/bench-data"),
                        help="data of the servers; a real disk, or fsync costs nothing (default build/bench-data)")
    parser.add_argument("--quick", action="store_true", help="one short repetition: shows that it works, no more")
    parser.add_argument("--gate", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    args = parser.parse_args()
    if args.quick:
        args.repetitions, args.seconds, args.idle = 1, min(args.seconds, 2), min(args.idle, 3000)
    args.loadgen = args.loadgen or str(pathlib.Path(args.build) / "bin/spate-loadgen")
    args.servers = words_of(parser, "--servers", args.servers, SERVERS)
    args.only = words_of(parser, "--only", args.only, [*LOADS, IDLE])
    # As many loops as Spate runs, and a generator that is not the bottleneck where cores are many.
    cores = os.cpu_count() or 1
    args.server_threads, args.generator_threads = min(max(1, cores - 1), 64), max(1, cores // 2)
    missing = [f"{n}: {why}" for n in args.servers if (why := SERVERS[n].missing(args))]
    if any(s != IDLE for s in args.only) and not os.access(args.loadgen, os.X_OK):
        missing.append(f"the generator: {args.loadgen} is not there")
    if missing:
        parser.error("; ".join(missing) + ". Build with: cmake --preset release && cmake --build --preset release")
    return args


def main() -> int:
    args = parse_arguments()
    needed = max((LOADS[s].connections if s != IDLE else args.idle for s in args.only), default=0) + 200
    if raise_descriptor_limit() < needed:
        print(f"The descriptor limit of a process is below {needed}: raise it (ulimit -Hn).", file=sys.stderr)
        return 2
    os.makedirs(args.work_dir, exist_ok=True)
    try:
        results, troubles = run(args)
    except KeyboardInterrupt:
        return 130
    print(f"Server CPU a message, {args.repetitions} repetition(s) of {args.seconds:g} s, payload {args.payload}, durability "
          f"{args.durability}, {os.cpu_count()} cores, Linux {platform.release()}. null and mosquitto store nothing.")
    for scenario in args.only:
        print_idle(args, results) if scenario == IDLE else print_load(args, results, scenario)
    met = goals(args, results)
    print_goals(args, met)
    if troubles:
        print("\nnot counted", *troubles, sep="\n  ")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(
            {"repetitions": args.repetitions, "seconds": args.seconds, "durability": args.durability,
             "payload": args.payload, "cores": os.cpu_count(), "kernel": platform.release(), "idle_connections": args.idle,
             "server_threads": args.server_threads, "generator_threads": args.generator_threads,
             "results": results, "goals": met, "troubles": troubles}, indent=1) + "\n")
    return 1 if troubles or (args.gate and not all(g["met"] for g in met)) else 0


if __name__ == "__main__":
    sys.exit(main())
