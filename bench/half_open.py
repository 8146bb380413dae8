#!/usr/bin/env python3
"""What connections that never finish their CONNECT cost those that work: CPU a message and p99, with and without them.

    cmake --build --preset release --target spate spate-loadgen spate_bench_clients
    bench/half_open.py                         # 5 repetitions, about 3 minutes
    bench/half_open.py --half-open 2000 --repetitions 1
    bench/half_open.py --again                 # the worse case: a storm that does not end

A steady load runs on schedule. Beside it spate-bench-clients has so many connections half open: without a byte, or with half a
CONNECT (every second one). The node closes each at its deadline, 5 s after it was accepted, in the middle of the load. With
--again each is opened again at once, so that thousands come and go each second for as long as the load lasts. A flood comes from other machines: here its sender runs at the
lowest priority, so that it takes no CPU from the load's. Each repetition measures both on a fresh node, in reversed order every second time;
ratios are taken within a repetition. One process has so many descriptors; what does not fit beside the load is left out,
and said. A run counts only if every message was acknowledged and stored, and no connection of the load was lost.
"""
import json
import pathlib
import subprocess
import sys

from compare import PATIENCE_SECONDS, print_table, spread
from harness import Generator, Trouble, raise_descriptor_limit
from store_harness import StoreNode, begin, conclude, goal, make_parser, print_goals

RATIO_MAX = 1.2
DESCRIPTORS_OF_THE_NODE = 1000  # What it keeps for files and HTTP.


class HalfOpen:
    """Keeps connections half open until it is closed."""

    def __init__(self, args, node: StoreNode, count: int):
        program = pathlib.Path(args.build) / "bin/spate-bench-clients"
        self.process = subprocess.Popen(["nice", "-n", "19", program, "--port", str(node.port), "--count", str(count), "half-open", *(["--again"] if args.again else [])],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            self.process.kill()
            self.process.wait()
            raise Trouble("the half-open connections could not be made")

    def end(self) -> dict:
        said, _ = self.process.communicate("\n", timeout=60)
        return json.loads(said)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def measure(args, half_open: int) -> dict:
    node = StoreNode(args)
    flood = generator = None
    try:
        flood = HalfOpen(args, node, half_open) if half_open else None
        before = node.cpu_seconds()
        generator = Generator(args, node, ["--devices", str(args.devices), "--rate", str(args.rate), "--payload", args.payload,
                                           "--duration", f"{args.seconds}s"])
        generator.process.wait(args.seconds + PATIENCE_SECONDS)
        cpu = node.cpu_seconds() - before
        report = generator.report()
        counts = flood.end() if flood else {"opened": 0, "closed": 0, "refused": 0}
        if counts["refused"]:
            raise Trouble(f"half-open connections were refused: {counts}")
        latency = report["latency_ms"]
        result = {"cpu_us": cpu * 1e6 / report["acked"], "p50_ms": latency["p50"], "p99_ms": latency["p99"],
                  "acked": report["acked"], **counts}
        node.check(report["acked"])
        node.end()
        return result
    finally:
        for program in filter(None, (flood, generator)):
            program.kill()
        node.remove()


def main() -> int:
    parser = make_parser(__doc__, loads=("fsync", "os", "memory"))
    parser.add_argument("--half-open", type=int, default=18_000, metavar="N", help="connections (default %(default)s)")
    parser.add_argument("--again", action="store_true", help="open again what the node closes")
    parser.add_argument("--devices", type=int, default=100, metavar="N", help="of the load (default %(default)s)")
    parser.add_argument("--rate", type=int, default=50_000, metavar="N", help="messages a second (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=12, metavar="S", help="of a load (default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N", help="(default %(default)s)")
    args = parser.parse_args()
    begin(parser, args, [StoreNode])
    half_open = min(args.half_open, raise_descriptor_limit() - args.devices - DESCRIPTORS_OF_THE_NODE)
    if half_open < args.half_open:
        print(f"{half_open:,} half-open connections: more do not fit into the node's descriptors")
    runs = {0: [], half_open: []}
    try:
        for repetition in range(args.repetitions):
            for count in (0, half_open) if repetition % 2 == 0 else (half_open, 0):
                runs[count].append(measure(args, count))
    except (Trouble, OSError, subprocess.TimeoutExpired) as trouble:
        print(f"not counted: {trouble}", file=sys.stderr)
        return 1
    rows = [["beside it", "CPU us a message", "p50 ms", "p99 ms", "opened", "closed by the node"]]
    for count, each in runs.items():
        rows.append([f"{count:,} half open" if count else "nothing", *(spread([r[k] for r in each], 2) for k in ("cpu_us", "p50_ms", "p99_ms")),
                     *(spread([r[k] for r in each], 0) for k in ("opened", "closed"))])
    print_table(rows)
    ratios = {key: [b[key] / a[key] for a, b in zip(runs[0], runs[half_open])] for key in ("cpu_us", "p99_ms")}
    extra = [(b["cpu_us"] - a["cpu_us"]) * args.rate * args.seconds / max(1, b["closed"]) for a, b in zip(runs[0], runs[half_open])]
    print(f"CPU us for each that was closed, about: {spread(extra, 0)}")
    goals = [goal("ingest, CPU a message: x without", ratios["cpu_us"], RATIO_MAX), goal("p99: x without", ratios["p99_ms"], RATIO_MAX)]
    print_goals(goals, args.repetitions < 3, print_table)
    return conclude(args, goals, runs={str(k): v for k, v in runs.items()}, ratios=ratios)


if __name__ == "__main__":
    sys.exit(main())
