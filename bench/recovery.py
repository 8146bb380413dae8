#!/usr/bin/env python3
"""How long a node takes to be ready after a kill -9 with a full log of unsealed records.

    bench/recovery.py                          # 256 MiB of log, 3 repetitions
    bench/recovery.py --log-mib 64 --repetitions 1
    bench/recovery.py --log-mib 64 --archive-mib 256   # beside so much of a kept log

A flood of messages fills the log so far that nothing had to be sealed; the node is killed and started again. Time runs
from the start of the process until /readyz answers; CPU is that of the process by then, all threads, and 0.3 s later. A
run counts only if every acknowledged record is there afterwards, once.
"""
import argparse
import sys
import time

from compare import print_table, spread
from harness import Generator, Trouble
from store_harness import StoreNode, begin, conclude, goal, make_parser, print_goals

MIB = 1 << 20
DEVICES = 6_000  # So many that no tail is full by its bytes before the log is.
FULL = 0.92  # Of the log's budget; at all of it the oldest tails are sealed.
PROBE_MESSAGES = 100_000
BASE_SECONDS, SECONDS_A_256_MIB = 2.0, 1.0


def settings(log_bytes: int) -> str:
    """Only the log's budget may seal: not rows, not age, not memory."""
    return (f"memory_limit_bytes = {32 * log_bytes}\n[store]\nlog_bytes_max = {log_bytes}\ntail_bytes_max = {8 * log_bytes}\n"
            "seal_rows = 4096\nseal_age_ms = 2592000000\n")


def flood(args, node: StoreNode, messages: int) -> int:
    generator = Generator(args, node, ["--devices", str(DEVICES), "--flood", "--window", "100", "--payload", args.payload,
                                       "--stop-after", str(messages)])
    try:
        generator.process.wait()
        return generator.report()["acked"]
    finally:
        generator.kill()


def fill(args, node: StoreNode, log_bytes: int, before: dict) -> int:
    """Gives the number of records in the log."""
    records = flood(args, node, PROBE_MESSAGES)
    a_record = (node.metrics()["spate_wal_bytes_total"] - before["spate_wal_bytes_total"]) / records
    more = int(FULL * log_bytes / a_record) - records
    if more > 0:
        records += flood(args, node, more)
    metrics = node.metrics()
    if sealed := metrics["spate_blocks_sealed_total"] - before["spate_blocks_sealed_total"]:
        raise Trouble(f"{sealed:.0f} blocks were sealed: the log does not hold all records")
    return records


def kept_bytes(node: StoreNode) -> int:
    return sum(log["bytes"] for log in node.get("/api/v1/store")["kept_log"])


def fill_archive(args, node: StoreNode):
    """Floods and compacts until so much of the log is kept and nothing is unsealed."""
    while kept_bytes(node) < args.archive_mib * MIB:
        flood(args, node, PROBE_MESSAGES * 10)
        node.compact()
        time.sleep(1.5)  # The node looks at its log files once a second.


def measure(args) -> dict:
    """Each with a log of its own: a start writes out what it has read, so the next has less to do."""
    log_bytes = args.log_mib * MIB
    node = StoreNode(args, settings(log_bytes))
    try:
        fill_archive(args, node)
        before = node.metrics()
        records = fill(args, node, log_bytes, before)
        kept = kept_bytes(node)
        filled = node.metrics()["spate_wal_bytes_total"] - before["spate_wal_bytes_total"]
        node.process.kill()
        node.process.wait()
        node.start()
        cpu, found = node.cpu_seconds(), node.metrics()
        if found["spate_tail_records"] != records:
            raise Trouble(f"of {records} acknowledged records {found['spate_tail_records']:.0f} are in the tails")
        result = {"ready_s": node.start_seconds, "cpu_s": cpu, "records": records, "log_bytes": filled, "kept_bytes": kept,
                  "tail_bytes": found["spate_tail_bytes"], "rss_bytes": node.rss_bytes(),
                  "most_s": BASE_SECONDS + SECONDS_A_256_MIB * filled / (256 * MIB)}
        node.end()
        return result
    finally:
        node.remove()


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, loads=("fsync", "os"))
    parser.add_argument("--log-mib", type=int, default=256, metavar="MIB", help="log budget (default %(default)s)")
    parser.add_argument("--archive-mib", type=int, default=0, metavar="MIB", help="kept log beside it (default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="(default %(default)s)")
    args = parser.parse_args()
    begin(parser, args, [StoreNode])
    return args


def main() -> int:
    args = parse_arguments()
    try:
        results = [measure(args) for _ in range(args.repetitions)]
    except (Trouble, OSError) as trouble:
        print(f"not counted: {trouble}", file=sys.stderr)
        return 1
    column = lambda key, digits, scale=1: spread([r[key] / scale for r in results], digits)
    print_table([["log MiB", "kept MiB", "records", "ready s", "CPU s", "tails MiB", "RSS MiB"],
                 [column("log_bytes", 0, MIB), column("kept_bytes", 0, MIB), column("records", 0), column("ready_s", 2), column("cpu_s", 2),
                  column("tail_bytes", 0, MIB), column("rss_bytes", 0, MIB)]])
    found = [goal("ready after a kill -9, s", [r["ready_s"] for r in results], results[0]["most_s"])]
    print_goals(found, False, print_table)
    return conclude(args, found, results=results)


if __name__ == "__main__":
    sys.exit(main())
