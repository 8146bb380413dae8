#!/usr/bin/env python3
"""How long reads take over HTTP, folded and warm, beside InfluxDB 1.x in the same run.

    bench/reads.py                             # 50 devices x 30 days x 1 a minute x 6 fields; some minutes to load
    bench/reads.py --quick                     # does it work?
    bench/reads.py --servers spate             # without InfluxDB (Debian: influxdb)

Both hold the same records. Requests take turns, one after the other on one kept connection; a time runs from the request
to the last byte of the answer, which is checked once for each kind. Both answer with JSON.
"""
import argparse
import json
import re
import sys
import time
import urllib.parse

from compare import print_table, spread, words_of
from harness import Trouble
from store_harness import Client, Influx, StoreNode, begin, conclude, goal, make_parser, print_goals, telemetry_path

MINUTE_MS, DAY_MINUTES = 60_000, 1440
FIRST_MS = 1_699_920_000_000  # midnight UTC
FIELDS = 6
TIMES_FASTER_MIN = 5
LASTS_PAGE = 10_000  # The most that the node gives at once.
KINDS = {"day": "one device, one day, all fields", "means": "hourly means of one field, all days",
         "lasts": "last values of all devices"}


def reading(device: int, minute: int, field: int) -> float:
    """A daily curve and some noise, with one decimal."""
    of_day = minute % DAY_MINUTES
    noise = ((minute * 2654435761 + device * 40503 + field * 97) >> 7) % 9
    return (2000 + field * 300 + min(of_day, DAY_MINUTES - of_day) // 4 + noise) / 10


def device_name(device: int) -> str:
    return f"device-{100_000 + device}"


def history(args):
    """(device, minutes) in portions, in the order of time for each device."""
    for day in range(args.days):
        for device in range(args.devices):
            yield device, range(day * DAY_MINUTES, (day + 1) * DAY_MINUTES)


def spate_body(device: int, minutes) -> bytes:
    return "".join('{"ts":%d,"values":{%s}}\n' % (FIRST_MS + minute * MINUTE_MS, ",".join(
        f'"field-{f}":{reading(device, minute, f)}' for f in range(FIELDS))) for minute in minutes).encode()


def influx_body(device: int, minutes) -> bytes:
    return "".join("telemetry,device=%s %s %d\n" % (device_name(device), ",".join(
        f"field-{f}={reading(device, minute, f)}" for f in range(FIELDS)), FIRST_MS + minute * MINUTE_MS)
        for minute in minutes).encode()


class SpateReads:
    name = "spate"

    def __init__(self, args):
        self.args = args
        self.server = StoreNode(args)

    def load(self):
        self.server.load((device_name(device), spate_body(device, minutes)) for device, minutes in history(self.args))
        self.server.compact()
        self.client = Client(self.server.http)

    def day(self, device: int, day: int) -> list[str]:
        start = FIRST_MS + day * DAY_MINUTES * MINUTE_MS
        return [f"{telemetry_path(device_name(device))}?from={start}&to={start + DAY_MINUTES * MINUTE_MS}&limit=10000"]

    def means(self, device: int, field: int) -> list[str]:
        end = FIRST_MS + self.args.days * DAY_MINUTES * MINUTE_MS
        return [f"{telemetry_path(device_name(device))}?from={FIRST_MS}&to={end}&agg=avg&step=1h&fields=field-{field}"
                "&limit=10000"]

    def read(self, paths: list[str]) -> list[bytes]:
        return [self.client.get(path) for path in paths]

    def lasts(self) -> list[bytes]:
        answers, cursor = [], None
        while True:
            answers.append(self.client.get(f"/api/v1/telemetry/last?limit={LASTS_PAGE}"
                                           + (f"&cursor={urllib.parse.quote(cursor)}" if cursor else "")))
            # It stands at the end: parsing megabytes would be the client's time.
            found = re.findall(rb'"next_cursor":\s*(null|"[^"]*")', answers[-1][-1000:])
            cursor = json.loads(found[-1]) if found else None
            if cursor is None:
                return answers

    def check_day(self, answers, device: int, day: int):
        records = json.loads(answers[0])["records"]
        wanted = {f"field-{f}": reading(device, day * DAY_MINUTES + 700, f) for f in range(FIELDS)}
        if len(records) != DAY_MINUTES or records[700]["values"] != wanted:
            raise Trouble(f"spate: a day is not what was stored: {len(records)} records")

    def check_means(self, answers, device: int, field: int):
        buckets = json.loads(answers[0])["buckets"]
        check_means("spate", len(buckets), number_in(buckets[5]["values"]), self.args, device, field)

    def check_lasts(self, answers):
        found = sum(len(json.loads(answer)["items"]) for answer in answers)
        if found != self.args.devices + self.args.last_devices:
            raise Trouble(f"spate: last values of {found} devices")

    def load_lasts(self):
        self.server.load(((f"last-{i}", spate_body(i, [0])) for i in range(self.args.last_devices)), 64)
        self.server.compact()

    def close(self):
        self.client.close()
        self.server.stop()


class InfluxReads:
    name = "influx"

    def __init__(self, args):
        self.args = args
        self.server = Influx(args)

    def load(self):
        self.server.load(influx_body(device, minutes) for device, minutes in history(self.args))
        self.server.settle()
        self.client = Client(self.server.port)

    def day(self, device: int, day: int) -> list[str]:
        start = FIRST_MS + day * DAY_MINUTES * MINUTE_MS
        return [self.server.query_path(f"SELECT {self.fields()} FROM telemetry WHERE device='{device_name(device)}' "
                                       f"AND time >= {start}ms AND time < {start + DAY_MINUTES * MINUTE_MS}ms")]

    def means(self, device: int, field: int) -> list[str]:
        end = FIRST_MS + self.args.days * DAY_MINUTES * MINUTE_MS
        return [self.server.query_path(f'SELECT mean("field-{field}") FROM telemetry WHERE device=\'{device_name(device)}\' '
                                       f"AND time >= {FIRST_MS}ms AND time < {end}ms GROUP BY time(1h)")]

    @staticmethod
    def fields() -> str:
        return ",".join(f'"field-{f}"' for f in range(FIELDS))

    def read(self, paths: list[str]) -> list[bytes]:
        return [self.client.get(path) for path in paths]

    def lasts(self) -> list[bytes]:
        fields = ",".join(f'last("field-{f}")' for f in range(FIELDS))
        return self.read([self.server.query_path(f"SELECT {fields} FROM telemetry GROUP BY device")])

    def check_day(self, answers, device: int, day: int):
        rows = json.loads(answers[0])["results"][0]["series"][0]["values"]
        wanted = [reading(device, day * DAY_MINUTES + 700, f) for f in range(FIELDS)]
        if len(rows) != DAY_MINUTES or rows[700][1:] != wanted:
            raise Trouble(f"influx: a day is not what was stored: {len(rows)} rows")

    def check_means(self, answers, device: int, field: int):
        rows = json.loads(answers[0])["results"][0]["series"][0]["values"]
        check_means("influx", len(rows), rows[5][1], self.args, device, field)

    def check_lasts(self, answers):
        found = len(json.loads(answers[0])["results"][0]["series"])
        if found != self.args.devices + self.args.last_devices:
            raise Trouble(f"influx: last values of {found} devices")

    def load_lasts(self):
        def bodies():
            lines = []
            for i in range(self.args.last_devices):
                lines.append(influx_body(i, [0]).decode().replace(device_name(i), f"last-{i}", 1))
                if len(lines) == 5000:
                    yield "".join(lines).encode()
                    lines.clear()
            if lines:
                yield "".join(lines).encode()
        self.server.load(bodies())
        self.server.settle()

    def close(self):
        self.client.close()
        self.server.stop()


SERVERS = {kind.name: kind for kind in (SpateReads, InfluxReads)}


def number_in(value) -> float:
    """The one number in what a bucket holds, however deep."""
    while isinstance(value, dict):
        value = next(iter(value.values()))
    return float(value)


def check_means(name: str, buckets: int, mean: float, args, device: int, field: int):
    wanted = sum(reading(device, minute, field) for minute in range(300, 360)) / 60
    if buckets != args.days * 24 or abs(mean - wanted) > 1e-6:
        raise Trouble(f"{name}: {buckets} buckets, a mean of {mean}, not {wanted}")


def timed(read) -> float:
    start = time.perf_counter()
    read()
    return (time.perf_counter() - start) * 1e3


def measure(args, servers) -> dict:
    """results[server][kind] = milliseconds of each request."""
    results = {server.name: {kind: [] for kind in KINDS} for server in servers}
    for server in servers:
        server.check_day(server.read(server.day(1, 1)), 1, 1)
        server.check_means(server.read(server.means(1, 2)), 1, 2)
    for i in range(-args.repeats // 10, args.repeats):
        for server in servers if i % 2 == 0 else servers[::-1]:
            device = abs(i) * 7 % args.devices
            day = timed(lambda: server.read(server.day(device, abs(i) * 7 % args.days)))
            means = timed(lambda: server.read(server.means(device, abs(i) % FIELDS)))
            if i >= 0:
                results[server.name]["day"].append(day)
                results[server.name]["means"].append(means)
    for server in servers:
        server.load_lasts()
        server.check_lasts(server.lasts())
    for i in range(max(3, args.repeats // 20)):
        for server in servers if i % 2 == 0 else servers[::-1]:
            results[server.name]["lasts"].append(timed(server.lasts))
    return results


def ratios(results: dict, kind: str) -> list[float]:
    """How many times faster, within each repetition."""
    return [a / b for a, b in zip(results.get("influx", {}).get(kind, []), results["spate"].get(kind, []))]


def print_results(args, results: dict):
    rows = [["read", *(f"{name} ms" for name in results), *(["times faster"] if len(results) > 1 else [])]]
    for kind, title in KINDS.items():
        rows.append([title, *(spread(results[name][kind], 2) for name in results),
                     *([spread(ratios(results, kind), 1)] if len(results) > 1 else [])])
    print_table(rows)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("--servers", default=",".join(SERVERS), help="default %(default)s")
    parser.add_argument("--devices", type=int, default=50, metavar="N")
    parser.add_argument("--days", type=int, default=30, metavar="N")
    parser.add_argument("--last-devices", type=int, default=100_000, metavar="N", help="more devices, for last values")
    parser.add_argument("--repeats", type=int, default=100, metavar="N", help="requests of each kind")
    parser.add_argument("--quick", action="store_true", help="little data: shows that it works, no more")
    args = parser.parse_args()
    args.servers = words_of(parser, "--servers", args.servers, SERVERS)
    if "spate" not in args.servers:
        parser.error("--servers: without spate there is nothing to compare")
    if args.quick:
        args.devices, args.days, args.last_devices, args.repeats = 3, 2, 300, 10
    begin(parser, args, [StoreNode] + ([Influx] if "influx" in args.servers else []))
    return args


def main() -> int:
    args = parse_arguments()
    print(f"{args.devices} devices x {args.days} days x 1 a minute x {FIELDS} fields; {args.last_devices:,} devices more "
          f"for last values; median (lowest-highest) of {args.repeats} requests of a kind\n")
    servers = []
    try:
        for name in args.servers:
            servers.append(SERVERS[name](args))
            servers[-1].load()
        results = measure(args, servers)
        for server in servers:
            server.close()
    except (Trouble, OSError) as trouble:
        print(f"not counted: {trouble}", file=sys.stderr)
        return 1
    finally:
        for server in servers:
            server.server.remove()
    print_results(args, results)
    found = [goal(f"{title}: times faster than InfluxDB", ratios(results, kind), TIMES_FASTER_MIN, least=True)
             for kind, title in KINDS.items()] if len(servers) > 1 else []
    if found:
        print_goals(found, args.quick, print_table)
    return conclude(args, found, results=results)


if __name__ == "__main__":
    sys.exit(main())
