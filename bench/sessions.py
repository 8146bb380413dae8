#!/usr/bin/env python3
"""What kept sessions cost a node while their clients are away: the time until it is ready, and memory.

    cmake --build --preset release --target spate spate_bench_clients
    bench/sessions.py                          # 500,000 sessions with a subscription each, 3 starts
    bench/sessions.py --sessions 20000 --repetitions 1

The sessions are made over MQTT: each client connects without Clean Session, subscribes to a filter of its own and
leaves. Then the node is stopped and started again and again, in turn with one that has no session. Time runs from the
start of the process until /readyz answers; resident memory is read 0.3 s later, and what a session takes is the
difference to the empty node. A run counts only if the node says that it has all of them, and one that returns finds its
session.
"""
import json
import pathlib
import socket
import subprocess
import sys

from compare import print_table, spread
from harness import Trouble
from store_harness import StoreNode, begin, conclude, goal, make_parser, print_goals

SECONDS_MAX = 5.0
BYTES_A_SESSION_MAX = 400


def make_sessions(args, node: StoreNode) -> float:
    """Sessions a second."""
    program = pathlib.Path(args.build) / "bin/spate-bench-clients"
    done = subprocess.run([program, "--port", str(node.port), "--count", str(args.sessions), "sessions"], capture_output=True, text=True)
    if done.returncode != 0:
        raise Trouble(f"the sessions were not made: {done.stderr.strip()}")
    counts = json.loads(done.stdout)
    return counts["sessions"] / counts["seconds"]


def session_present(node: StoreNode, client_id: bytes) -> bool:
    body = b"\x00\x04MQTT\x04\x00\x00\x3c" + len(client_id).to_bytes(2, "big") + client_id
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as client:
        client.sendall(bytes((0x10, len(body))) + body)
        answer = client.recv(4)
    if answer[:2] != b"\x20\x02" or answer[3:] != b"\x00":
        raise Trouble(f"CONNECT was answered with {answer.hex()}")
    return answer[2] == 1


def measure_start(node: StoreNode, sessions: int) -> dict:
    node.end()
    node.start()
    found = node.metrics()
    for name in ("spate_sessions", "spate_session_subscriptions"):
        if found[name] != sessions:
            raise Trouble(f"the node has {found[name]:.0f} of {sessions} sessions ({name})")
    result = {"ready_s": node.start_seconds, "cpu_s": node.cpu_seconds(), "rss_bytes": node.rss_bytes()}
    if sessions and not session_present(node, b"kept-0"):
        raise Trouble("a session that was kept is not there")
    return result


def measure(args) -> dict:
    empty, full = StoreNode(args), StoreNode(args)
    try:
        rate = make_sessions(args, full)
        runs = {"empty": [], "full": []}
        for _ in range(args.repetitions):
            runs["empty"].append(measure_start(empty, 0))
            runs["full"].append(measure_start(full, args.sessions))
        return {"made_a_second": rate, **runs}
    finally:
        empty.remove()
        full.remove()


def main() -> int:
    parser = make_parser(__doc__)
    parser.add_argument("--sessions", type=int, default=500_000, metavar="N", help="(default %(default)s)")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="starts of each node (default %(default)s)")
    parser.set_defaults(durability="fsync")
    args = parser.parse_args()
    begin(parser, args, [StoreNode])
    try:
        found = measure(args)
    except (Trouble, OSError) as trouble:
        print(f"not counted: {trouble}", file=sys.stderr)
        return 1
    rows = [["sessions", "ready s", "CPU s", "RSS MiB", "bytes a session"]]
    each = [(full["rss_bytes"] - empty["rss_bytes"]) / args.sessions for empty, full in zip(found["empty"], found["full"])]
    for name, count, cost in (("empty", 0, []), ("full", args.sessions, each)):
        runs = found[name]
        rows.append([f"{count:,}", spread([r["ready_s"] for r in runs], 2), spread([r["cpu_s"] for r in runs], 2),
                     spread([r["rss_bytes"] / (1 << 20) for r in runs], 1), spread(cost, 0)])
    print_table(rows)
    print(f"made over MQTT: {found['made_a_second']:,.0f} sessions/s")
    goals = [goal("ready, s", [r["ready_s"] for r in found["full"]], SECONDS_MAX),
             goal("RSS of an offline session, bytes", each, BYTES_A_SESSION_MAX)]
    print_goals(goals, args.sessions != 500_000, print_table)
    return conclude(args, goals, results=found)


if __name__ == "__main__":
    sys.exit(main())
