#!/usr/bin/env python3
"""What a steady load of queries costs the ingest: CPU a message with and without it, interleaved in one run.

    bench/ingest_under_queries.py
    bench/ingest_under_queries.py --quick      # does it work?

Each run starts a fresh node, gives it a week of history of ten devices, and floods it over 100 connections; beside that
either nothing, or queries in an open loop (a day of a device, a week of hourly means, last values, in turn). Cost is CPU a
message of the threads that take messages in (all but those of HTTP and queries), and of all threads. A run counts only if
nothing was lost, the ledger agrees, and every query was answered in time.
"""
import argparse
import sys
import threading
import time

from compare import WINDOW_SHARE_MIN, POLL_SECONDS, Window, print_table, report_of, spread
from harness import Generator, Trouble
from reads import DAY_MINUTES, FIRST_MS, MINUTE_MS, device_name, spate_body
from store_harness import Client, StoreNode, begin, conclude, goal, make_parser, print_goals, telemetry_path

CONNECTIONS = 100
HISTORY_DEVICES, HISTORY_DAYS = 10, 7
QUERY_THREADS = ("api", "queries")
GROWTH_MAX = 1.10
LATE_SHARE_MAX = 0.05  # Of the queries, that could not be sent when they were due.
LATE_SECONDS = 1.0


class Queries(threading.Thread):
    """Asks at a rate, one after the other, until it is told to stop."""

    def __init__(self, node: StoreNode, rate: float):
        super().__init__(daemon=True)
        self.client = Client(node.http)
        self.rate = rate
        self.stopped = threading.Event()
        self.times_ms: list[float] = []
        self.late = 0
        self.error: Exception | None = None

    def path(self, i: int) -> str:
        base = telemetry_path(device_name(i % HISTORY_DEVICES))
        start = FIRST_MS + i % HISTORY_DAYS * DAY_MINUTES * MINUTE_MS
        if i % 3 == 0:
            return f"{base}?from={start}&to={start + DAY_MINUTES * MINUTE_MS}&limit=2000"
        if i % 3 == 1:
            return f"{base}?from={FIRST_MS}&to={FIRST_MS + HISTORY_DAYS * DAY_MINUTES * MINUTE_MS}&agg=avg&step=1h&fields=field-1"
        return f"{base}/last"

    def run(self):
        start = time.monotonic()
        try:
            for i in range(sys.maxsize):
                due = start + i / self.rate
                if self.stopped.wait(max(0.0, due - time.monotonic())):
                    return
                sent = time.monotonic()
                self.late += sent - due > LATE_SECONDS
                self.client.get(self.path(i))
                self.times_ms.append((time.monotonic() - sent) * 1e3)
        except (Trouble, OSError) as error:
            self.error = error

    def stop(self):
        self.stopped.set()
        self.join()
        self.client.close()
        if self.error:
            raise Trouble(f"a query failed: {self.error}")
        if self.late > LATE_SHARE_MAX * len(self.times_ms):
            raise Trouble(f"{self.late} of {len(self.times_ms)} queries were more than {LATE_SECONDS:g} s late")


def load_history(node: StoreNode) -> int:
    node.load((device_name(d), spate_body(d, range(day * DAY_MINUTES, (day + 1) * DAY_MINUTES)))
              for day in range(HISTORY_DAYS) for d in range(HISTORY_DEVICES))
    node.compact()
    return HISTORY_DEVICES * HISTORY_DAYS * DAY_MINUTES


def measure(args, with_queries: bool) -> dict:
    node = StoreNode(args)
    queries = None
    try:
        history = load_history(node)
        names = node.thread_names()
        full = node.descriptors() + CONNECTIONS
        load = ["--rate", f"{args.rate:g}"] if args.rate else ["--flood", "--window", "20"]
        generator = Generator(args, node, ["--devices", str(CONNECTIONS), *load, "--duration", f"{args.seconds:g}s",
                                           "--payload", args.payload])
        if with_queries:
            queries = Queries(node, args.queries_per_s)
            queries.start()
        window = Window(node, generator, full)
        report = report_of(generator, window, args.seconds)
        if queries:
            queries.stop()
        seconds, cpu, _, _ = window.used()
        if seconds < WINDOW_SHARE_MIN * report["sending_s"] - 2 * POLL_SECONDS:
            raise Trouble(f"all connections stood for {seconds:.2f} s of {report['sending_s']:.2f} s only")
        of_queries = sum(used for task, used in window.thread_cores().items() if names.get(task) in QUERY_THREADS)
        ingest = cpu * (1 - of_queries / max(cpu / seconds, 1e-9))
        node.stop(report["acked"] + history)
        return {"ingest_cpu_us": ingest * 1e6 / report["acked"], "cpu_us": cpu * 1e6 / report["acked"],
                "rate": report["rate_per_s"], "p99_ms": report["latency_ms"]["p99"],
                "query_cores": of_queries, "queries": len(queries.times_ms) if queries else 0,
                "query_ms": sorted(queries.times_ms)[len(queries.times_ms) // 2] if queries and queries.times_ms else None}
    finally:
        if queries:
            queries.stopped.set()
        node.remove()


def run(args) -> tuple[dict, list[str]]:
    results, troubles = {"no queries": [], "queries": []}, []
    for repetition in range(args.repetitions):
        for name in list(results) if repetition % 2 == 0 else list(results)[::-1]:
            try:
                results[name].append(measure(args, name == "queries"))
            except (Trouble, OSError) as trouble:
                troubles.append(f"{name}, repetition {repetition + 1}: {trouble}")
                results[name].append(None)
    return results, troubles


def growth(results: dict, key: str) -> list[float]:
    return [b[key] / a[key] for a, b in zip(results["no queries"], results["queries"]) if a and b]


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, loads=("fsync", "os", "memory"))
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=10, help="length of a load (default %(default)s)")
    parser.add_argument("--rate", type=float, default=100_000, help="messages/s, open loop; 0: a flood (default %(default)g)")
    parser.add_argument("--queries-per-s", type=float, default=50, metavar="RATE")
    parser.add_argument("--quick", action="store_true", help="one short repetition: shows that it works, no more")
    args = parser.parse_args()
    if args.quick:
        args.repetitions, args.seconds = 1, min(args.seconds, 2)
    begin(parser, args, [StoreNode])
    return args


def main() -> int:
    args = parse_arguments()
    print(f"{CONNECTIONS} connections, {f'{args.rate:,.0f} messages/s' if args.rate else 'flood'}, payload {args.payload}, "
          f"{args.queries_per_s:g} queries/s, {args.repetitions} repetition(s) of {args.seconds:g} s\n")
    results, troubles = run(args)
    rows = [["beside it", "ingest CPU us/message", "x", "all threads", "x", "messages/s", "p99 ms", "query median ms",
             "queries, cores"]]
    for name, measured in results.items():
        column = lambda key, digits: spread([r[key] for r in measured if r and r[key] is not None], digits)
        ratio = lambda key: spread(growth(results, key), 3) if name == "queries" else "1"
        rows.append([name, column("ingest_cpu_us", 2), ratio("ingest_cpu_us"), column("cpu_us", 2), ratio("cpu_us"),
                     column("rate", 0), column("p99_ms", 2), column("query_ms", 2), column("query_cores", 3)])
    print_table(rows)
    found = [goal("CPU a message under queries x without", growth(results, "ingest_cpu_us"), GROWTH_MAX)]
    print_goals(found, args.quick, print_table)
    if troubles:
        print("\nnot counted", *troubles, sep="\n  ")
    return max(conclude(args, found, results=results, troubles=troubles), 1 if troubles else 0)


if __name__ == "__main__":
    sys.exit(main())
