#!/usr/bin/env python3
"""Queries on a running node, each answer compared with what this script computes and with api/openapi.yaml:
buckets in all their forms, exports, last values of all, erasing and compacting, also over a restart and at a stop."""
import csv
import decimal
import io
import json
import math
import random
import socket
import sys
import time

from contract_test import COMPACT, EXPORT, JSON_TYPE, LASTS, OPERATION, TELEMETRY, Contract
from spate_node import Directory, Node

HOUR, START = 3_600_000, 1_600_000_000_000 // 3_600_000 * 3_600_000
DEVICES = ["d%d" % i for i in range(5)]
FUNCTIONS = "avg min max sum count first last p50 p99".split()


def records():
    """Some days of a sensor that is away now and then: numbers with few and with many digits, flags, texts."""
    rng, out = random.Random(4), []
    for minute in range(3 * 24 * 60):
        if minute // 60 in (7, 30, 31):
            continue
        values = {"temp": f"{rng.uniform(-5, 30):.2f}", "big": str(10 ** 21 + minute)}
        if minute % 3 == 0:
            values["on"] = "true" if rng.random() < 0.3 else "false"
        if minute % 50 == 0:
            values["mode"] = json.dumps(rng.choice(["eco", "a, \"b\"", ""]))
        out.append((START + minute * 60_000 + rng.randrange(1000), values))
    return out


def post(c, device, rows):
    for at in range(0, len(rows), 1000):
        text = "\n".join('{"ts":%d,"values":{%s}}' % (ts, ",".join(f'"{k}":{v}' for k, v in values.items()))
                         for ts, values in rows[at:at + 1000])
        done = c.call("POST", TELEMETRY, {"device_id": device}, body=text, content_type="application/x-ndjson")
        assert done and done["stored"] == len(rows[at:at + 1000]), done


def expected(rows, field, step, offset=0, begin=0, end=math.inf):
    """{start: {function: value}}, numbers as Decimal."""
    groups = {}
    for ts, values in sorted(rows, key=lambda row: row[0]):
        if begin <= ts < end and field in values:
            groups.setdefault((ts - offset) // step * step + offset, []).append(values[field])
    out = {}
    for start, texts in groups.items():
        values = [json.loads(t, parse_float=decimal.Decimal, parse_int=decimal.Decimal) for t in texts]
        one = {"count": len(values), "first": values[0], "last": values[-1]}
        if isinstance(values[0], bool):
            one["avg"] = sum(values) / len(values)
        elif not isinstance(values[0], str):
            ranked = sorted(values)
            one |= {"min": ranked[0], "max": ranked[-1], "sum": sum(values), "avg": float(sum(values)) / len(values),
                    "p50": ranked[math.ceil(0.5 * len(values)) - 1], "p99": ranked[math.ceil(0.99 * len(values)) - 1]}
        out[start] = one
    return out


def pages(c, template, parameters, query, key):
    out, cursor = [], ""
    while True:
        page = c.call("GET", template, parameters, query=query + cursor)
        assert page is not None, (query, c.faults)
        out += page[key]
        if page["next_cursor"] is None:
            return out
        cursor = "&cursor=" + page["next_cursor"]


def close(a, b):
    return a == b or (isinstance(a, (int, float)) and isinstance(b, (int, float)) and math.isclose(a, b, rel_tol=1e-9))


def check_buckets(c, device, rows, where):
    one = {"device_id": device}
    for field in ("temp", "big", "on", "mode"):
        for step, offset in (("1h", 0), ("1d", -8 * HOUR), ("7m", 0)):
            width = {"1h": HOUR, "1d": 24 * HOUR, "7m": 420_000}[step]
            want = expected(rows, field, width, offset % width)
            for limit, order in ((1000, "asc"), (97, "desc")):
                query = (f"?agg={','.join(FUNCTIONS)}&step={step}&offset={offset // HOUR}h&fields={field}&numbers=text"
                         f"&limit={limit}&order={order}")
                got = pages(c, TELEMETRY, one, query, "buckets")
                starts = [bucket["ts"] for bucket in got]
                assert starts == sorted(want, reverse=order == "desc"), (where, query, starts[:5])
                for bucket in got:
                    have, wish = bucket["values"][field], want[bucket["ts"]]
                    assert set(have) == set(wish), (where, query, have, wish)
                    for function, value in wish.items():
                        shown = have[function]
                        if isinstance(shown, str) and not isinstance(value, str):
                            shown = decimal.Decimal(shown)
                        assert shown == value if function != "avg" else close(float(shown), float(value)), (where, query, have, wish)
    begin, end = START + 5 * HOUR + 1234, START + 40 * HOUR + 77
    got = pages(c, TELEMETRY, one, f"?agg=count&step=1h&fields=temp&fill=null&from={begin}&to={end}&limit=7", "buckets")
    want = expected(rows, "temp", HOUR, 0, begin, end)
    assert [b["ts"] for b in got] == list(range(START + 5 * HOUR, START + 41 * HOUR, HOUR)), (where, got)
    for bucket in got:
        count = bucket["values"].get("temp", {}).get("count", 0)
        assert count == want.get(bucket["ts"], {"count": 0})["count"], (where, bucket)
    whole = c.call("GET", TELEMETRY, one, query="?agg=count,max&fields=temp")
    assert whole["buckets"][0]["values"]["temp"]["count"] == len(rows), (where, whole)


def check_files(c, device, rows, where):
    one = {"device_id": device}
    table = list(csv.DictReader(io.StringIO(c.call("GET", EXPORT, one, query="?fields=temp,on,mode"), newline="")))
    assert len(table) == len(rows), (where, len(table))
    for line, (ts, values) in zip(table, sorted(rows, key=lambda row: row[0])):
        assert (int(line["ts"]), line["temp"], line["on"]) == (ts, values["temp"], values.get("on", "")), (where, line, values)
        assert line["mode"] == json.loads(values.get("mode", '""')), (where, line, values)
    text = c.call("GET", EXPORT, one, query="?format=ndjson&names=path", ndjson="Record")
    again = c.call("POST", TELEMETRY, one, query="?names=path", body="\n".join(text.splitlines()[-500:]),
                   content_type="application/x-ndjson")
    assert again["received"] == again["duplicates"] == 500, (where, again)
    hours = list(csv.DictReader(io.StringIO(c.call("GET", EXPORT, one, query="?agg=max&step=1h&fields=temp"), newline="")))
    want = expected(rows, "temp", HOUR)
    assert {int(h["ts"]): decimal.Decimal(h["max(temp)"]) for h in hours} == {t: w["max"] for t, w in want.items()}, where


def check_last(c, rows, devices, where):
    newest = {}
    for _, values in sorted(rows, key=lambda row: row[0]):
        newest |= values
    for limit in (1, 2, 1000):
        items = pages(c, LASTS, {}, f"?limit={limit}", "items")
        assert [item["device"] for item in items] == devices, (where, items)
        for item in items:
            values = {name: field["value"] for name, field in item["values"].items()}
            assert values == {name: json.loads(text) for name, text in newest.items()}, (where, item)


def check_all(c, rows, devices, where):
    check_buckets(c, devices[0], rows, where)
    check_files(c, devices[0], rows, where)
    check_last(c, rows, devices, where)
    print("ok", where)


def ended(c, operation):
    for _ in range(60):
        state = c.call("GET", OPERATION, {"operation_id": operation["id"]}, headers={"Prefer": "wait=2"})
        if state["state"] not in ("QUEUED", "RUNNING"):
            return state
    raise AssertionError(f"does not end: {state}")


def check_stop(node, device):
    """A download that nobody reads does not hold a stop."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(node.http)
    slow.sendall(f"GET {EXPORT.format(device_id=device)}?format=ndjson HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    slow.recv(1)
    begin = time.monotonic()
    assert node.terminate() == 0
    print("ok stops in %.1f s beside a download that is not read" % (time.monotonic() - begin))
    slow.close()


def main():
    rows = records()
    with Directory() as directory:
        node = Node(directory / "data").wait_ready()
        c = Contract(node.url)
        for device in DEVICES:
            post(c, device, rows)
        check_all(c, rows, DEVICES, "right after the commit")
        compacted = ended(c, c.call("POST", COMPACT, body="{}", content_type=JSON_TYPE, expect=202))
        assert compacted["state"] == "SUCCEEDED", compacted
        check_all(c, rows, DEVICES, "compacted")
        late = [(ts + 7, {"temp": "99.5"}) for ts, _ in rows[::100]]
        for device in DEVICES:
            post(c, device, late)
        rows += late
        check_buckets(c, DEVICES[0], rows, "with late records")
        assert node.terminate() == 0
        node = Node(directory / "data").wait_ready()
        c.address = "%s:%d" % node.http
        check_buckets(c, DEVICES[0], rows, "after a restart")
        check_last(c, rows, DEVICES, "after a restart")
        begin, end = START + 10 * HOUR, START + 20 * HOUR
        erase = c.call("DELETE", TELEMETRY, {"device_id": DEVICES[0]}, query=f"?from={begin}&to={end}", expect=202)
        kept = [row for row in rows if not begin <= row[0] < end]
        check_buckets(c, DEVICES[0], kept, "erased, at once")
        assert ended(c, erase)["state"] == "SUCCEEDED", erase
        check_buckets(c, DEVICES[0], kept, "erased for good")
        check_buckets(c, DEVICES[1], rows, "another device")
        check_stop(node, DEVICES[1])
    print(*c.faults, sep="\n", end="\n" if c.faults else "")
    return bool(c.faults)


if __name__ == "__main__":
    sys.exit(main())
