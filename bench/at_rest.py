#!/usr/bin/env python3
"""What a reading takes on disk when all is folded: the marginal bytes of a whole data directory.

    bench/at_rest.py DIRECTORY                 # sets as NAME.ndjson.gz: {"d":device,"t":epoch ms,"p":{fields}} a line
    bench/at_rest.py --influx DIRECTORY        # beside InfluxDB 1.x, if influxd is installed
    bench/at_rest.py --sample                  # the small cuts of examples/data: shows that it works

One node gets a set once, another four times under other device names; both are compacted and stopped. What the second
directory has more, keys, indexes, receive times and all, divided by the readings of the three copies more, is what a
reading takes when there are many: what a directory has in any case is in neither figure. Records come over HTTP in the
order of time, 2,000 of a device a request, numbers with the text that they had. No log is kept for consumers
(store.log_retention_bytes = 0): it would be up to a GiB of what was sent lately, whatever the records take.
"""
import argparse
import gzip
import json
import pathlib
import re
import sys

from compare import print_table
from harness import ROOT, Trouble
from store_harness import RECORDS_A_BODY, Influx, StoreNode, begin, conclude, directory_bytes, goal, make_parser, print_goals

GOALS = {"env-mqtt": 1.3, "ampds": 0.10, "beijing-air": 0.9, "room-occupancy": 0.4, "open-smart-home": 1.75}
INFLUX_SHARE_MAX = 0.45
COPIES_MORE = 3
LINE = re.compile(rb'\{"d":"((?:[^"\\]|\\.)*)","t":(-?\d+),"p":(.*)\}\s*$')


class Recording:
    """A set of telemetry, read as often as needed."""

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.name = path.name.split(".")[0]
        self.messages = self.readings = 0
        for _, _, payload in self.lines():
            self.messages += 1
            self.readings += readings_of(json.loads(payload))

    def lines(self):
        """(device, time in ms, payload as it was sent), in the order of time."""
        with (gzip.open(self.path) if self.path.suffix == ".gz" else open(self.path, "rb")) as file:
            for number, line in enumerate(file, 1):
                match = LINE.match(line)
                if not match:
                    raise Trouble(f"{self.path}:{number}: is no record: {line[:100]!r}")
                yield json.loads(b'"' + match[1] + b'"'), int(match[2]), match[3]

    def bodies(self, copies: int):
        """(device, NDJSON), each copy's devices with names of their own, one copy after the other."""
        for copy in range(copies):
            waiting: dict[str, list[bytes]] = {}
            for device, time_ms, payload in self.lines():
                records = waiting.setdefault(name_of(device, copy), [])
                records.append(b'{"ts":%d,"values":%s}\n' % (time_ms, payload))
                if len(records) == RECORDS_A_BODY:
                    yield name_of(device, copy), b"".join(records)
                    records.clear()
            yield from ((device, b"".join(records)) for device, records in waiting.items() if records)

    def influx_bodies(self, copies: int):
        """The same as lines of InfluxDB's protocol: a tag for the device, numbers as its floats."""
        types: dict[str, str] = {}
        for copy in range(copies):
            lines = []
            for device, time_ms, payload in self.lines():
                fields = influx_fields(payload, types)
                if fields:
                    lines.append(f"telemetry,device={influx_key(name_of(device, copy))} {fields} {time_ms}")
                if len(lines) == 5000:
                    yield "\n".join(lines).encode()
                    lines.clear()
            if lines:
                yield "\n".join(lines).encode()


class NumberText(str):
    """A number as it stands in the text."""


def name_of(device: str, copy: int) -> str:
    return device if copy == 0 else f"{device}-{copy + 1}"


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}" if path else str(index))
    elif value is not None:
        yield path, value


def readings_of(payload) -> int:
    return sum(1 for _ in leaves(payload))


def influx_key(text: str) -> str:
    return re.sub(r"([,= ])", r"\\\1", text)


def influx_fields(payload: bytes, types: dict[str, str]) -> str:
    """A field has one type there for ever, so one that changes it gets another name."""
    fields = []
    for path, value in leaves(json.loads(payload, parse_int=NumberText, parse_float=NumberText)):
        kind = "number" if isinstance(value, NumberText) else "boolean" if isinstance(value, bool) else "string"
        name = path if types.setdefault(path, kind) == kind else f"{path}_{kind}"
        if kind == "number":
            text = value
        elif kind == "boolean":
            text = "true" if value else "false"
        else:
            text = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        fields.append(f"{influx_key(name)}={text}")
    return ",".join(fields)


def spate_bytes(args, recording: Recording, copies: int) -> int:
    node = StoreNode(args, "[store]\nlog_retention_bytes = 0\n")
    try:
        node.load(recording.bodies(copies))
        node.check(recording.messages * copies - duplicates(node))
        node.compact()
        node.end()
        return directory_bytes(node.data)
    finally:
        node.remove()


def duplicates(node: StoreNode) -> int:
    """Some sets hold the same record twice."""
    records = node.get("/api/v1/ledger")["records"]
    if records["rejected"]:
        raise Trouble(f"records were refused: {records}")
    return records["duplicate"]


def influx_bytes(args, recording: Recording, copies: int) -> int:
    server = Influx(args)
    try:
        server.load(recording.influx_bodies(copies))
        server.settle()
        server.end()
        return directory_bytes(server.data)
    finally:
        server.remove()


def measure(args, recording: Recording) -> dict:
    """Bytes a reading and a message of what three copies more take."""
    result = {"messages": recording.messages, "readings": recording.readings}
    for name, take in [("spate", spate_bytes)] + ([("influx", influx_bytes)] if args.influx else []):
        once, more = take(args, recording, 1), take(args, recording, 1 + COPIES_MORE)
        result[name] = {"once_bytes": once, "more_bytes": more,
                        "bytes_a_reading": (more - once) / (COPIES_MORE * recording.readings),
                        "bytes_a_message": (more - once) / (COPIES_MORE * recording.messages)}
    if args.influx:
        result["ratio"] = result["spate"]["bytes_a_reading"] / result["influx"]["bytes_a_reading"]
    return result


def goals(results: dict) -> list[dict]:
    found = []
    for name, result in results.items():
        if name in GOALS:
            found.append(goal(f"{name}: bytes a reading", [result["spate"]["bytes_a_reading"]], GOALS[name]))
        if "ratio" in result:
            found.append(goal(f"{name}: x InfluxDB", [result["ratio"]], INFLUX_SHARE_MAX))
    return found


def print_results(args, results: dict):
    rows = [["set", "messages", "readings", "bytes/reading", "goal", "bytes/message",
             *(["InfluxDB bytes/reading", "x InfluxDB"] if args.influx else [])]]
    for name, result in results.items():
        spate = result["spate"]
        rows.append([name, f"{result['messages']:,}", f"{result['readings']:,}", f"{spate['bytes_a_reading']:.3f}",
                     f"{GOALS[name]:g}" if name in GOALS and not args.sample else "-", f"{spate['bytes_a_message']:.2f}",
                     *([f"{result['influx']['bytes_a_reading']:.3f}", f"{result['ratio']:.3f}"] if args.influx else [])])
    print_table(rows)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("directory", nargs="?", help="with the sets; or one file")
    parser.add_argument("--sample", action="store_true", help="the sets of examples/data, without goals")
    parser.add_argument("--only", help="names of sets, with commas")
    parser.add_argument("--influx", action="store_true", help="also InfluxDB 1.x (Debian: influxdb)")
    args = parser.parse_args()
    if args.sample == bool(args.directory):
        parser.error("give a directory with sets, or --sample")
    path = ROOT / "examples/data" if args.sample else pathlib.Path(args.directory)
    args.files = [path] if path.is_file() else sorted(path.glob("*.ndjson.gz"))
    if args.only:
        args.files = [f for f in args.files if f.name.split(".")[0] in args.only.split(",")]
    if not args.files:
        parser.error(f"no sets (*.ndjson.gz) in {path}")
    begin(parser, args, [StoreNode] + ([Influx] if args.influx else []))
    return args


def main() -> int:
    args = parse_arguments()
    results = {}
    try:
        for file in args.files:
            recording = Recording(file)
            results[recording.name] = measure(args, recording)
            if sys.stderr.isatty():
                print(f"  {recording.name} {results[recording.name]}", file=sys.stderr)
    except (Trouble, OSError) as trouble:
        print(f"not counted: {trouble}", file=sys.stderr)
        return 1
    print_results(args, results)
    found = [] if args.sample else goals(results)
    if found:
        print_goals(found, False, print_table)
    return conclude(args, found, results=results)


if __name__ == "__main__":
    sys.exit(main())
