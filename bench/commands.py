#!/usr/bin/env python3
"""How long a command takes, alone and beside a flood of telemetry, and what it costs the flood. Interleaved in one run.

    bench/commands.py                          # all of it, about 12 minutes
    bench/commands.py --quick --only idle,flood-100
    bench/commands.py --queued                 # memory and start-up with 100,000 queued commands

A command is POST /api/v1/devices/{id}/commands until its answer is back: 500 a second in an open loop, latency from the
time at which each was due. Every run starts a fresh server on a fresh directory, right after a measurement of fdatasync
there, and counts only if every command succeeded, no telemetry was lost and the server's ledger agrees. Tables show
medians and (min-max) of the repetitions; ratios are taken within a repetition. bench/README.md says more.
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

from compare import POLL_SECONDS, WINDOW_SHARE_MIN, Window, print_goals, print_table, report_of, spread, words_of
from harness import ROOT, Generator, HttpPosts, Spate, Trouble, raise_descriptor_limit

HTTP_CONNECTIONS = 64
SYNC_WRITES, SYNC_BYTES = 200, 300  # A few records of the command log.
DEVICE_NAME = "dev-{}"


@dataclasses.dataclass(frozen=True)
class Scenario:
    title: str
    connections: int
    flood: bool = True
    p99_to_idle_max: float = 0


SCENARIOS = {
    "idle": Scenario("100 devices that send nothing", 100, flood=False),
    "flood-100": Scenario("100 devices that flood, {window} in flight each", 100, p99_to_idle_max=4),
    "flood-10k": Scenario("10,000 devices that flood, {window} in flight each", 10_000, p99_to_idle_max=15),
}
COMMAND_THREADS = ("api", "command-log")
IDLE_ABOVE_SYNC_MS_MAX, TO_CONTROL_MAX, CPU_GROWTH_MAX = 0.4, 0.5, 1.05
QUEUED_BYTES_MAX, QUEUED_START_SECONDS_MAX = 20e6, 1.0

ON, OFF, NONE = "on", "off", "none"  # Commands with the node's priorities on and off; no commands.


def cells_of(only: list[str]) -> list[tuple[str, str]]:
    """What one repetition runs."""
    return [(name, kind) for name in only for kind in ([ON, OFF, NONE] if SCENARIOS[name].flood else [ON])]


def sync_ms(directory: str) -> float:
    """Median of a small write and its fdatasync on the disk of `directory`: the least that a durable step can take."""
    path = pathlib.Path(directory) / f"sync-probe-{os.getpid()}"
    times = []
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        for _ in range(SYNC_WRITES):
            start = time.perf_counter()
            os.write(file, b"x" * SYNC_BYTES)
            os.fdatasync(file)
            times.append((time.perf_counter() - start) * 1e3)
    finally:
        os.close(file)
        path.unlink()
    return statistics.median(times)


def options_of(args, scenario: Scenario, kind: str) -> tuple[str, list[str]]:
    """The generator's command and its options."""
    load = ["--flood", "--window", str(args.window), "--payload", args.payload] if scenario.flood else []
    words = ["--devices", str(scenario.connections), *load, "--duration", f"{args.seconds:g}s",
             "--warm-up", f"{args.warm_up:g}s"]
    if kind == NONE:
        return "run", words
    return "commands", [*words, "--commands-per-s", f"{args.commands_per_s:g}", "--http-connections", str(HTTP_CONNECTIONS),
                        "--mqtt", str(args.mqtt)]


def measure(args, scenario: Scenario, kind: str) -> dict:
    probe_ms = sync_ms(args.work_dir)
    server = Spate(args, [] if kind == NONE else ["--priorities", kind])
    try:
        command, words = options_of(args, scenario, kind)
        if kind != NONE:
            words += ["--http", f"127.0.0.1:{server.http}"]
        full = server.descriptors() + scenario.connections + (0 if kind == NONE else HTTP_CONNECTIONS)
        names = server.thread_names()
        generator = Generator(args, server, words, command)
        window = Window(server, generator, full)
        report = report_of(generator, window, args.seconds + args.warm_up)
        result = result_of(report, window, kind, scenario)
        if scenario.flood:
            # Threads that are there for commands and HTTP alone; the rest carries telemetry.
            cores = sum(used for task, used in window.thread_cores().items() if names.get(task) in COMMAND_THREADS)
            result["telemetry_cpu_us"] = result["cpu_us"] * (1 - cores / result["server_cores"])
        server.stop(report["acked"])
    finally:
        server.remove()
    return {"sync_ms": probe_ms, **result}


def result_of(report: dict, window: Window, kind: str, scenario: Scenario) -> dict:
    seconds, cpu, generator_cpu, busy = window.used()
    if seconds < WINDOW_SHARE_MIN * report["sending_s"] - 2 * POLL_SECONDS:
        raise Trouble(f"the server held all connections for {seconds:.2f} of the {report['sending_s']:.2f} s of the load")
    result = {"server_cores": cpu / seconds, "generator_cores": generator_cpu / seconds,
              "other_cores": max(0.0, busy - cpu - generator_cpu) / seconds}
    if scenario.flood:
        result |= {"cpu_us": cpu * 1e6 / report["acked"], "rate": report["rate_per_s"],
                   "telemetry_p50_ms": report["latency_ms"]["p50"], "telemetry_p99_ms": report["latency_ms"]["p99"],
                   "sweep_p99_ms": (report["generator"]["sweep_ms"] or {}).get("p99")}
    if kind != NONE:
        commands = report["commands"]
        result |= {f"{name}_ms": commands["latency_ms"][name] for name in ("p50", "p90", "p99", "p999", "max")}
        result |= {"node_p50_ms": (commands["node_ms"] or {}).get("p50"),
                   "node_p99_ms": (commands["node_ms"] or {}).get("p99"),
                   "lag_p99_ms": commands["poster"]["schedule_lag_ms"]["p99"],
                   "poster_cpu_us": commands["poster"]["cpu_us_per_command"],
                   "commands": commands["succeeded"],
                   "command_cpu_us": None if scenario.flood else cpu * 1e6 / commands["posted"], "generator_saturated": commands["poster"]["saturated"]}
    return result


def run(args) -> tuple[dict, list[str]]:
    """results["scenario kind"] = one dict a repetition, None if it did not count; and what went wrong."""
    cells = cells_of(args.only)
    results = {f"{name} {kind}": [] for name, kind in cells}
    troubles = []
    for repetition in range(args.repetitions):
        for name, kind in cells if repetition % 2 == 0 else cells[::-1]:
            try:
                result = measure(args, SCENARIOS[name], kind)
            except (Trouble, OSError) as trouble:
                troubles.append(f"{name}, {kind}, repetition {repetition + 1}: {trouble}")
                print(f"  {troubles[-1]}", file=sys.stderr)
                result = None
            results[f"{name} {kind}"].append(result)
            if result and sys.stderr.isatty():
                print(f"  {repetition + 1}/{args.repetitions} {name} {kind} "
                      + " ".join(f"{k}={v:.4g}" for k, v in result.items() if isinstance(v, (int, float))),
                      file=sys.stderr)
    return results, troubles


def values(results: dict, cell: str, key: str) -> list[float]:
    return [r[key] for r in results.get(cell, []) if r and r.get(key) is not None]


def ratios(results: dict, cell: str, other: str, key: str) -> list[float]:
    """Within each repetition."""
    return [a[key] / b[key] for a, b in zip(results.get(cell, []), results.get(other, [])) if a and b and b.get(key)]


def goals(only: list[str], results: dict) -> list[dict]:
    """What is promised for the scenarios that were asked for, and what was measured; None without data."""
    found = []

    def goal(text: str, numbers: list[float], at_most: float):
        median = statistics.median(numbers) if numbers else None
        found.append({"goal": text, "at_most": at_most, "measured": median,
                      "met": median is not None and median <= at_most})

    if "idle" in only:
        goal("idle: p50 above 2 x fdatasync, ms",
             [r["p50_ms"] - 2 * r["sync_ms"] for r in results.get(f"idle {ON}", []) if r], IDLE_ABOVE_SYNC_MS_MAX)
    for name in (n for n in only if SCENARIOS[n].flood):
        if "idle" in only:
            goal(f"{name}: p99 x idle", ratios(results, f"{name} {ON}", f"idle {ON}", "p99_ms"),
                 SCENARIOS[name].p99_to_idle_max)
        goal(f"{name}: p99 x priorities off", ratios(results, f"{name} {ON}", f"{name} {OFF}", "p99_ms"), TO_CONTROL_MAX)
        goal(f"{name}: CPU a message x without commands", ratios(results, f"{name} {ON}", f"{name} {NONE}", "cpu_us"),
             CPU_GROWTH_MAX)
        goal(f"{name}: the same without the threads of commands",
             ratios(results, f"{name} {ON}", f"{name} {NONE}", "telemetry_cpu_us"), CPU_GROWTH_MAX)
    return found


def print_results(args, results: dict):
    for name in args.only:
        print(f"\n{name}: {SCENARIOS[name].title.format(window=args.window)}")
        rows = [["priorities", "fdatasync ms", "p50 ms", "p99 ms", "p99.9 ms", "messages/s", "CPU us/message",
                 "x no commands", "telemetry's threads", "x", "generator: late p99 ms", "sweep p99 ms"]]
        for kind in [ON, OFF, NONE] if SCENARIOS[name].flood else [ON]:
            cell = f"{name} {kind}"
            column = lambda key, digits: spread(values(results, cell, key), digits)
            rows.append(["no commands" if kind == NONE else kind, column("sync_ms", 2), column("p50_ms", 2),
                         column("p99_ms", 2), column("p999_ms", 2), column("rate", 0), column("cpu_us", 2),
                         spread(ratios(results, cell, f"{name} {NONE}", "cpu_us"), 3) if kind != NONE else "1",
                         column("telemetry_cpu_us", 2),
                         spread(ratios(results, cell, f"{name} {NONE}", "telemetry_cpu_us"), 3) if kind != NONE else "1",
                         column("lag_p99_ms", 2), column("sweep_p99_ms", 2)])
        print_table(rows)
        if costs := values(results, f"{name} {ON}", "command_cpu_us"):
            print(f"  The server takes {spread(costs, 0)} us of CPU a command, all included.")
        cells = [f"{name} {kind}" for kind in (ON, OFF)]
        if any(r and r.get("generator_saturated") for cell in cells for r in results.get(cell, [])):
            print("  The generator posted commands late: the figures say little about the server.")
    busy = max((v for cell in results for v in values(results, cell, "other_cores")), default=0)
    if busy > 0.15:
        print(f"  Other work took up to {busy:.2f} cores meanwhile: repeat on a quiet machine.")


def settled_rss(server) -> int:
    time.sleep(2)  # Buffers of what is over are given back.
    return server.rss_bytes()


def post_all(server, requests, wanted: int, connections: int):
    posts = HttpPosts(server.http, connections)
    try:
        statuses = posts.run(requests)
    finally:
        posts.close()
    if set(statuses) != {wanted}:
        raise Trouble(f"the server answered {statuses}, not {wanted} to all")


def measure_queued(args) -> dict:
    """Commands for devices that are not connected: what they cost in memory and at the start."""
    server = Spate(args)
    try:
        devices = [DEVICE_NAME.format(i) for i in range(args.queued_devices)]
        post_all(server, ((f"/api/v1/devices/{device}/telemetry", b'{"ts":1594598424502,"temp":20.5}')
                          for device in devices), 200, HTTP_CONNECTIONS)  # Now the node has seen them.
        server.end()
        server.start()  # Neither side has the memory of what made the devices.
        empty_seconds, before = server.start_seconds, settled_rss(server)
        body = json.dumps({"name": "set", "args": {"level": 1}, "if_offline": "queue", "ttl_ms": 86_400_000}).encode()
        start = time.monotonic()
        post_all(server, ((f"/api/v1/devices/{devices[i % len(devices)]}/commands", body)
                          for i in range(args.queued_commands)), 202, HTTP_CONNECTIONS)
        posted_seconds = time.monotonic() - start
        after = settled_rss(server)
        server.end()
        server.start()
        full_seconds, restarted = server.start_seconds, settled_rss(server)
        listed = server.get(f"/api/v1/devices/{devices[0]}/commands?state=QUEUED&limit=10000")["items"]
        wanted = len(range(0, args.queued_commands, len(devices)))
        if len(listed) != wanted:
            raise Trouble(f"after the restart {len(listed)} of {wanted} commands of a device are queued")
        server.stop()
    finally:
        server.remove()
    return {"posted_per_s": args.queued_commands / posted_seconds, "rss_before": before, "rss_growth": after - before,
            "rss_growth_restarted": restarted - before, "start_empty_s": empty_seconds, "start_full_s": full_seconds}


def run_queued(args) -> tuple[dict, list[str]]:
    results, troubles = {"queued": []}, []
    for repetition in range(args.repetitions):
        try:
            results["queued"].append(measure_queued(args))
        except (Trouble, OSError) as trouble:
            troubles.append(f"queued, repetition {repetition + 1}: {trouble}")
            results["queued"].append(None)
    return results, troubles


def queued_goals(results: dict) -> list[dict]:
    found = []
    for text, key, at_most, scale in (("queued: RSS growth, MB", "rss_growth", QUEUED_BYTES_MAX, 1e6),
                                      ("queued: start-up, s", "start_full_s", QUEUED_START_SECONDS_MAX, 1)):
        numbers = values(results, "queued", key)
        median = statistics.median(numbers) if numbers else None
        found.append({"goal": text, "at_most": at_most / scale, "measured": median / scale if numbers else None,
                      "met": median is not None and median <= at_most})
    return found


def print_queued(args, results: dict):
    print(f"\n{args.queued_commands:,} queued commands of {args.queued_devices:,} devices")
    column = lambda key, digits, scale=1: spread([v / scale for v in values(results, "queued", key)], digits)
    print_table([["commands/s", "RSS growth MB", "after a restart MB", "start-up s", "with an empty log s"],
                 [column("posted_per_s", 0), column("rss_growth", 1, 1e6), column("rss_growth_restarted", 1, 1e6),
                  column("start_full_s", 3), column("start_empty_s", 3)]])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder (default build/release)")
    parser.add_argument("--loadgen", help="load generator (default: the build's spate-loadgen)")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="default %(default)s")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=10, help="length of a load (default %(default)s)")
    parser.add_argument("--warm-up", type=float, default=2, metavar="SECONDS", help="before measuring (default %(default)s)")
    parser.add_argument("--commands-per-s", type=float, default=500, metavar="RATE")
    parser.add_argument("--mqtt", type=int, default=3, choices=(3, 5))
    parser.add_argument("--window", type=int, default=20, help="messages in flight a device (default %(default)s)")
    parser.add_argument("--payload", default="env", help="of spate-loadgen (default %(default)s)")
    parser.add_argument("--durability", default="fsync", choices=("fsync", "os", "memory"))
    parser.add_argument("--work-dir", default=str(ROOT / "build/bench-data"),
                        help="data of the server; a real disk, or fsync costs nothing (default build/bench-data)")
    parser.add_argument("--queued", action="store_true", help="measure queued commands instead")
    parser.add_argument("--queued-commands", type=int, default=100_000, metavar="N")
    parser.add_argument("--queued-devices", type=int, default=1000, metavar="N")
    parser.add_argument("--quick", action="store_true", help="one short repetition: shows that it works, no more")
    parser.add_argument("--gate", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    args = parser.parse_args()
    if args.quick:
        args.repetitions, args.seconds, args.warm_up = 1, min(args.seconds, 2), min(args.warm_up, 0.5)
        args.queued_commands = min(args.queued_commands, 10_000)
    args.loadgen = args.loadgen or str(pathlib.Path(args.build) / "bin/spate-loadgen")
    args.only = words_of(parser, "--only", args.only, SCENARIOS)
    args.generator_threads = max(1, (os.cpu_count() or 1) // 2)
    if why := Spate.missing(args):
        parser.error(f"{why}. Build with: cmake --preset release && cmake --build --preset release")
    if not os.access(args.loadgen, os.X_OK):
        parser.error(f"the generator: {args.loadgen} is not there")
    return args


def main() -> int:
    args = parse_arguments()
    needed = max(SCENARIOS[name].connections for name in args.only) + HTTP_CONNECTIONS + 200
    if raise_descriptor_limit() < needed:
        print(f"The descriptor limit of a process is below {needed}: raise it (ulimit -Hn).", file=sys.stderr)
        return 2
    os.makedirs(args.work_dir, exist_ok=True)
    try:
        results, troubles = run_queued(args) if args.queued else run(args)
    except KeyboardInterrupt:
        return 130
    print(f"{args.repetitions} repetition(s)" + ("" if args.queued else f" of {args.seconds:g} s, {args.commands_per_s:g} "
          f"commands/s in an open loop, MQTT {args.mqtt}, payload {args.payload}") + f", durability {args.durability}, "
          f"{os.cpu_count()} cores, Linux {platform.release()}")
    print_queued(args, results) if args.queued else print_results(args, results)
    met = queued_goals(results) if args.queued else goals(args.only, results)
    print_goals(args, met)
    if troubles:
        print("\nnot counted", *troubles, sep="\n  ")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(
            {"repetitions": args.repetitions, "seconds": args.seconds, "commands_per_s": args.commands_per_s,
             "mqtt": args.mqtt, "window": args.window, "durability": args.durability, "payload": args.payload,
             "cores": os.cpu_count(), "kernel": platform.release(), "generator_threads": args.generator_threads,
             "results": results, "goals": met, "troubles": troubles}, indent=1) + "\n")
    return 1 if troubles or (args.gate and not all(g["met"] for g in met)) else 0


if __name__ == "__main__":
    sys.exit(main())
