#!/usr/bin/env python3
"""Calls every operation of api/openapi.yaml on a running node and compares status, content type and body.

usage: contract_test.py [BASE_URL]      (without one it starts a node of its own)
Needs python3-yaml and python3-jsonschema. Exits 1 and names what differs.
"""
import http.client
import json
import pathlib
import re
import sys
import urllib.parse

import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text(encoding="utf-8"))
JSON_TYPE, NDJSON_TYPE, PROBLEM_TYPE = "application/json", "application/x-ndjson", "application/problem+json"
# Statuses that any operation may have, as the document says in "Any operation"; all are problems.
ANY_OPERATION = {400, 404, 405, 408, 413, 414, 415, 417, 421, 431, 500, 501, 503, 505}


class Contract:
    def __init__(self, base_url):
        self.address = urllib.parse.urlsplit(base_url).netloc
        self.called = set()    # (operation, status)
        self.faults = []

    def fault(self, where, text):
        self.faults.append(f"{where}: {text}")

    def validate(self, schema, value, where):
        whole = {**schema, "components": DOCUMENT["components"]}
        validator = jsonschema.Draft202012Validator(whole)
        for error in list(validator.iter_errors(value))[:3]:
            self.fault(where, f"at /{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}")

    def call(self, method, template, parameters=None, query="", body=None, content_type=None, expect=200, headers=None,
             ndjson=None):
        """One request. Returns the decoded body, which is checked against the document; NDJSON line by line."""
        path = template
        for name, value in (parameters or {}).items():
            path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
        where = f"{method} {path}{query}"
        connection = http.client.HTTPConnection(self.address, timeout=30)
        sent = {**({"Content-Type": content_type} if content_type else {}), **(headers or {})}
        connection.request(method, path + query, body, sent)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status != expect:
            self.fault(where, f"status {answer.status}, expected {expect}: {content[:200]!r}")
            return None
        operation = DOCUMENT["paths"].get(template, {}).get(method.lower())
        if operation is not None:
            self.called.add((operation["operationId"], answer.status))
        text = self.check_body(where, operation, answer, content)
        for line in (text or "").splitlines() if ndjson else ():
            self.validate({"$ref": "#/components/schemas/" + ndjson}, json.loads(line), where)
        return text

    def check_body(self, where, operation, answer, content):
        media = (answer.getheader("Content-Type") or "").split(";")[0]
        described = self.described(operation, answer.status)
        if described is None and answer.status not in ANY_OPERATION and answer.status != 204:
            self.fault(where, f"status {answer.status} is not in the document")
        if answer.status == 204:
            return None
        wanted = list(described or {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}})
        if media not in wanted:
            self.fault(where, f"content type {media}, expected {' or '.join(wanted)}")
            return None
        for name in ("Access-Control-Allow-Origin",):
            if answer.getheader(name):
                self.fault(where, f"has {name}")
        if not media.endswith("json") or media == NDJSON_TYPE:
            return content.decode()
        value = json.loads(content)
        schema = (described or {}).get(media, {"schema": {"$ref": "#/components/schemas/Problem"}})["schema"]
        self.validate(schema, value, where)
        if media == PROBLEM_TYPE:
            self.check_problem(where, answer, value)
        return value

    @staticmethod
    def described(operation, status):
        """Media types of a documented response, or None."""
        response = (operation or {}).get("responses", {}).get(str(status))
        if response is not None and "$ref" in response:
            response = DOCUMENT["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        return None if response is None else response.get("content", {})

    def check_problem(self, where, answer, value):
        entry = DOCUMENT["x-spate-problem-codes"].get(value["code"])
        if entry is None:
            return self.fault(where, f"code {value['code']} is not in the document")
        for name, expected in (("status", answer.status), ("title", entry["title"]),
                               ("type", "/api/v1/problems/" + value["code"])):
            if value[name] != expected:
                self.fault(where, f"{name} is {value[name]!r}, expected {expected!r}")
        if entry["status"] != answer.status:
            self.fault(where, f"{value['code']} has status {answer.status}")
        if answer.status in (503, 507) and answer.getheader("Retry-After") != str(value.get("retry_after_s")):
            self.fault(where, "Retry-After is missing or not that of the body")
        return None

    def code(self, code, *args, **more):
        value = self.call(*args, **more)
        if value is not None and value["code"] != code:
            self.fault(f"{args[0]} {args[1]}", f"code {value['code']}, expected {code}")


EXPORT, LASTS = "/api/v1/devices/{device_id}/telemetry:export", "/api/v1/telemetry/last"
OPERATIONS, STORE, COMPACT = "/api/v1/operations", "/api/v1/store", "/api/v1/store:compact"
CHECK = "/api/v1/store:check"
OPERATION = OPERATIONS + "/{operation_id}"
TELEMETRY, LAST = "/api/v1/devices/{device_id}/telemetry", "/api/v1/devices/{device_id}/telemetry/last"
COMMANDS = "/api/v1/devices/{device_id}/commands"
COMMAND = COMMANDS + "/{command_id}"
DEVICE = {"device_id": "contract:Küche 1"}


def health(c):
    c.call("GET", "/livez")
    c.call("GET", "/readyz")
    verbose = c.call("GET", "/readyz", query="?verbose=true")
    if verbose is not None and not verbose.get("checks"):
        c.fault("GET /readyz?verbose=true", "lists no checks")
    c.call("GET", "/version")
    metrics = c.call("GET", "/metrics") or ""
    for line in metrics.splitlines():
        if not re.match(r"# (HELP|TYPE) \w+ |\w+(\{(\w+=\"[^\"]*\",?)*\})? \S+$", line):
            c.fault("GET /metrics", f"is no sample: {line}")
    if "\nspate_ledger_imbalance 0\n" not in metrics:
        c.fault("GET /metrics", "the ledger does not balance")
    if c.call("GET", "/api/v1/openapi.json") != DOCUMENT:
        c.fault("GET /api/v1/openapi.json", "is not api/openapi.yaml")
    listed = c.call("GET", "/api/v1/problems") or {"items": []}
    codes = {item.pop("code"): item for item in listed["items"]}
    if codes != DOCUMENT["x-spate-problem-codes"]:
        c.fault("GET /api/v1/problems", "differs from x-spate-problem-codes")
    for code in codes:
        c.call("GET", "/api/v1/problems/{code}", {"code": code})
    c.code("not-found", "GET", "/api/v1/problems/{code}", {"code": "nope"}, expect=404)


def telemetry_in(c):
    content = DOCUMENT["paths"][TELEMETRY]["post"]["requestBody"]["content"]
    for name, example in content[JSON_TYPE]["examples"].items():
        text = json.dumps(example["value"])
        c.call("POST", TELEMETRY, {"device_id": f"contract-{name}"}, body=text, content_type=JSON_TYPE)
    c.call("POST", TELEMETRY, DEVICE, body=content[NDJSON_TYPE]["example"], content_type=NDJSON_TYPE)
    again = c.call("POST", TELEMETRY, DEVICE, body=content[NDJSON_TYPE]["example"], content_type=NDJSON_TYPE)
    if again and (again["stored"], again["duplicates"]) != (0, 2):
        c.fault("POST again", f"stored {again['stored']}, duplicates {again['duplicates']}")
    mixed = c.call("POST", TELEMETRY, DEVICE, body='[{"ts":1594598424502,"values":{"b":1}},{"ts":"never","values":{"b":2}}]',
                   content_type=JSON_TYPE)
    if mixed and (mixed["stored"] + mixed["duplicates"], mixed["rejected"], mixed["errors"][0]["index"]) != (1, 1, 1):
        c.fault("POST some bad", json.dumps(mixed))
    c.code("all-records-rejected", "POST", TELEMETRY, DEVICE, body='{"ts":"never","values":{"b":2}}',
           content_type=JSON_TYPE, expect=422)
    c.code("invalid-body", "POST", TELEMETRY, DEVICE, body='{"temp": NaN}', content_type=JSON_TYPE, expect=400)
    c.code("invalid-device-id", "POST", TELEMETRY, {"device_id": "a/b"}, body="{}", content_type=JSON_TYPE, expect=400)
    c.code("unsupported-media-type", "POST", TELEMETRY, DEVICE, body="a=1",
           content_type="application/x-www-form-urlencoded", expect=415)
    c.code("payload-too-large", "POST", TELEMETRY, DEVICE, headers={"Content-Length": str(1 << 40)},
           content_type=JSON_TYPE, expect=413)


def telemetry_out(c):
    seen, cursor = [], ""
    while True:
        page = c.call("GET", TELEMETRY, DEVICE, query="?limit=1&order=desc" + cursor)
        if page is None:
            return
        seen += [record["ts"] for record in page["records"]]
        if page["next_cursor"] is None:
            break
        cursor = "&cursor=" + urllib.parse.quote(page["next_cursor"])
    if seen != [1594598428506, 1594598424502, 1594598424502]:
        c.fault("GET telemetry, page by page", f"gave {seen}")
    for query in ("?from=2020-07-13T00:00:00Z&to=2020-07-13T00:00:25Z", "?from=1594598424502", "?fields=temp,humidity",
                  "?names=path", "?numbers=text", "?from=-24h"):
        c.call("GET", TELEMETRY, DEVICE, query=query)
    for query in ("?from=yesterday", "?limit=10001", "?agg=mean", "?step=1h", "?agg=avg&step=0s", "?nope=1"):
        c.code("invalid-parameter", "GET", TELEMETRY, DEVICE, query=query, expect=400)
    c.code("invalid-cursor", "GET", TELEMETRY, DEVICE, query="?cursor=AAAA", expect=400)
    c.code("device-not-found", "GET", TELEMETRY, {"device_id": "contract-never-seen"}, expect=404)
    last = c.call("GET", LAST, {"device_id": "contract-dotted_names"})
    if last and last["values"]["PM2.5"]["value"] != 4:
        c.fault("GET last", json.dumps(last))
    c.call("GET", LAST, DEVICE, query="?fields=temp&names=path")
    c.code("device-not-found", "GET", LAST, {"device_id": "contract-never-seen"}, expect=404)


def buckets(c):
    every = "avg,min,max,sum,count,first,last,p50,p99"
    page = c.call("GET", TELEMETRY, DEVICE, query=f"?agg={every}&step=1h&fields=temp")
    if page and page["buckets"] != [{"ts": 1594598400000, "values": {"temp": {
            "avg": 18.9, "min": 18.9, "max": 18.9, "sum": 37.8, "count": 2, "first": 18.9, "last": 18.9, "p50": 18.9, "p99": 18.9}}}]:
        c.fault("GET telemetry, buckets", json.dumps(page))
    filled = c.call("GET", TELEMETRY, DEVICE, query="?agg=count&step=1s&fill=null&limit=2")
    if filled and (len(filled["buckets"]) != 2 or filled["next_cursor"] is None):
        c.fault("GET telemetry, filled", json.dumps(filled))
    elif filled:
        c.call("GET", TELEMETRY, DEVICE, query="?agg=count&step=1s&fill=null&limit=2&cursor=" + filled["next_cursor"])
    for query in ("?agg=avg", "?agg=avg&numbers=text&order=desc", "?agg=count&step=1d&offset=-8h&names=path", "?agg=first&to=1"):
        c.call("GET", TELEMETRY, DEVICE, query=query)
    c.code("too-many-buckets", "GET", TELEMETRY, DEVICE, query="?agg=avg&step=1s&from=1&to=100001000", expect=422)


def files(c):
    text = c.call("GET", EXPORT, DEVICE, query="?fields=temp,humidity")
    if text is not None and text.splitlines()[:1] != ["ts,temp,humidity"]:
        c.fault("GET export", repr(text))
    lines = (c.call("GET", EXPORT, DEVICE, query="?format=ndjson&names=path", ndjson="Record") or "")
    if len(lines.splitlines()) != 3:
        c.fault("GET export, NDJSON", repr(lines))
    c.call("GET", EXPORT, DEVICE, query="?format=ndjson&agg=avg&step=1h", ndjson="Bucket")
    c.call("GET", EXPORT, DEVICE)
    c.code("invalid-parameter", "GET", EXPORT, DEVICE, query="?format=xml", expect=400)
    c.code("device-not-found", "GET", EXPORT, {"device_id": "contract-never-seen"}, expect=404)


def store(c):
    c.call("GET", STORE)
    page = c.call("GET", LASTS, query="?limit=1")
    if page and page["next_cursor"]:
        c.call("GET", LASTS, query="?limit=1&fields=temp&cursor=" + page["next_cursor"], expect=400)  # Another list.
        c.call("GET", LASTS, query="?limit=1&cursor=" + page["next_cursor"])
    c.call("GET", LASTS, query="?fields=PM2.5")
    c.code("invalid-parameter", "GET", LASTS, query="?filter=a", expect=400)
    compact = c.call("POST", COMPACT, body="{}", content_type=JSON_TYPE, expect=202)
    c.code("unsupported-media-type", "POST", COMPACT, expect=415)
    c.code("validation-failed", "POST", COMPACT, body='{"a":1}', content_type=JSON_TYPE, expect=422)
    check = c.call("POST", CHECK, body="{}", content_type=JSON_TYPE, expect=202)
    c.code("unsupported-media-type", "POST", CHECK, expect=415)
    c.code("validation-failed", "POST", CHECK, body='{"a":1}', content_type=JSON_TYPE, expect=422)
    erased = {"device_id": "contract-flat"}
    keyed = {"Idempotency-Key": "contract-erase"}
    first = c.call("DELETE", TELEMETRY, erased, headers=keyed, expect=202)
    again = c.call("DELETE", TELEMETRY, erased, headers=keyed, expect=202)
    if first is None or again is None or first["id"] != again["id"]:
        c.fault("DELETE telemetry with a key, twice", "made two operations")
    c.code("idempotency-key-reused", "DELETE", TELEMETRY, erased, query="?to=5", headers=keyed, expect=422)
    gone = c.call("GET", TELEMETRY, erased)
    if gone and gone["records"]:
        c.fault("GET telemetry after DELETE", json.dumps(gone))
    for operation in filter(None, (compact, check, first)):
        one = {"operation_id": operation["id"]}
        for _ in range(12):
            ended = c.call("GET", OPERATION, one, headers={"Prefer": "wait=10"})
            if ended is None or ended["state"] not in ("QUEUED", "RUNNING"):
                break
        if ended is None or ended["state"] != "SUCCEEDED":
            c.fault("GET operation", json.dumps(ended))
    page = c.call("GET", OPERATIONS, query="?limit=1&type=telemetry.erase&state=SUCCEEDED")
    if page and page["next_cursor"]:
        c.call("GET", OPERATIONS, query="?limit=1&type=telemetry.erase&state=SUCCEEDED&cursor=" + page["next_cursor"])
    c.code("invalid-parameter", "GET", OPERATIONS, query="?state=DONE", expect=400)
    c.code("operation-not-found", "GET", OPERATION, {"operation_id": "00000000-0000-7000-8000-000000000000"}, expect=404)
    c.code("device-not-found", "DELETE", TELEMETRY, {"device_id": "contract-never-seen"}, expect=404)
    c.code("validation-failed", "DELETE", TELEMETRY, erased, query="?from=5&to=5", expect=422)


def lists(c):
    page = c.call("GET", "/api/v1/devices", query="?limit=2")
    if page and page["next_cursor"]:
        c.call("GET", "/api/v1/devices", query="?limit=2&cursor=" + page["next_cursor"])
    c.code("invalid-parameter", "GET", "/api/v1/devices", query="?filter=a==b", expect=400)
    page = c.call("GET", "/api/v1/rejections", query="?limit=1&device=" + urllib.parse.quote(DEVICE["device_id"]))
    if page and page["next_cursor"]:
        c.call("GET", "/api/v1/rejections", query="?limit=1&device=" + urllib.parse.quote(DEVICE["device_id"])
               + "&cursor=" + page["next_cursor"])
    for reason in DOCUMENT["components"]["schemas"]["Rejection"]["properties"]["reason"]["enum"]:
        c.call("GET", "/api/v1/rejections", query="?reason=" + reason)
    c.code("invalid-parameter", "GET", "/api/v1/rejections", query="?reason=nope", expect=400)
    ledger = c.call("GET", "/api/v1/ledger")
    if ledger and ledger["records"]["imbalance"] != 0:
        c.fault("GET /api/v1/ledger", json.dumps(ledger))


def commands(c):
    """What works without a device that is connected: it was seen, and is away."""
    content = DOCUMENT["paths"][COMMANDS]["post"]["requestBody"]["content"][JSON_TYPE]["examples"]
    post = {"content_type": JSON_TYPE}
    c.code("device-offline", "POST", COMMANDS, DEVICE, body='{"name":"set-interval","args":{"seconds":10}}', expect=409, **post)
    queued = c.call("POST", COMMANDS, DEVICE, body=json.dumps(content["when_back"]["value"]), expect=202, **post)
    if queued is None:
        return
    one = {**DEVICE, "command_id": queued["id"]}
    if (queued["state"], queued["final"], queued["args"]) != ("QUEUED", False, None):
        c.fault("POST command", json.dumps(queued))
    if c.call("GET", COMMAND, one) != queued:
        c.fault("GET command", "differs from what POST answered")
    c.call("GET", COMMAND, one, headers={"Prefer": "wait=1"})
    keyed = {"Idempotency-Key": "contract-1"}
    text = '{"name":"reboot","if_offline":"queue","priority":"urgent","ttl_ms":60000}'
    first = c.call("POST", COMMANDS, DEVICE, body=text, headers=keyed, expect=202, **post)
    again = c.call("POST", COMMANDS, DEVICE, body=text, headers=keyed, expect=202, **post)
    if first is None or again is None or first["id"] != again["id"]:
        c.fault("POST with a key, twice", "made two commands")
    c.code("idempotency-key-reused", "POST", COMMANDS, DEVICE, body='{"name":"other"}', headers=keyed, expect=422, **post)
    page = c.call("GET", COMMANDS, DEVICE, query="?limit=1&state=QUEUED,SENT")
    if page and page["next_cursor"]:
        c.call("GET", COMMANDS, DEVICE, query="?limit=1&state=QUEUED,SENT&cursor=" + page["next_cursor"])
    waited = c.call("POST", COMMANDS, DEVICE, body='{"name":"reboot","if_offline":"queue","ttl_ms":60000}',
                    headers={"Prefer": "wait=1"}, expect=504, **post)
    if waited and waited["command"]["state"] != "QUEUED":
        c.fault("POST with a wait", json.dumps(waited))
    c.call("POST", COMMANDS, DEVICE, body='{"name":"reboot","if_offline":"queue","ttl_ms":60000}',
           headers={"Prefer": "respond-async, wait=1"}, expect=202, **post)
    # One that is too late when its device comes has its end: EXPIRED, which is an answer, too.
    late = c.call("POST", COMMANDS, DEVICE, body='{"name":"reboot","if_offline":"queue","ttl_ms":1}',
                  headers={"Prefer": "wait=10"}, **post)
    if late and late["state"] != "EXPIRED":
        c.fault("POST that expires", json.dumps(late))
    for _ in range(2):
        canceled = c.call("DELETE", COMMAND, one)
        if canceled and canceled["state"] != "CANCELED":
            c.fault("DELETE command", json.dumps(canceled))
    c.code("validation-failed", "POST", COMMANDS, DEVICE, body='{"name":"a b","ttl_ms":0}', expect=422, **post)
    c.code("invalid-body", "POST", COMMANDS, DEVICE, body='{"name":', expect=400, **post)
    c.code("invalid-parameter", "POST", COMMANDS, DEVICE, body='{"name":"a"}', headers={"Prefer": "wait=soon"}, expect=400,
           **post)
    c.code("invalid-parameter", "GET", COMMANDS, DEVICE, query="?state=nope", expect=400)
    c.code("invalid-cursor", "GET", COMMANDS, DEVICE, query="?cursor=AAAA", expect=400)
    c.code("unsupported-media-type", "POST", COMMANDS, DEVICE, body="a=1",
           content_type="application/x-www-form-urlencoded", expect=415)
    never = {"device_id": "contract-never-seen", "command_id": queued["id"]}
    c.code("device-not-found", "POST", COMMANDS, never, body='{"name":"a","if_offline":"queue"}', expect=404, **post)
    c.code("device-not-found", "GET", COMMANDS, never, expect=404)
    for method in ("GET", "DELETE"):
        c.code("device-not-found", method, COMMAND, never, expect=404)
        c.code("command-not-found", method, COMMAND, {**DEVICE, "command_id": "00000000-0000-7000-8000-000000000000"}, expect=404)


def backups(c):
    """Needs a node with [backup] directory."""
    path, post = "/api/v1/backups", {"content_type": JSON_TYPE}
    made = c.call("POST", path, body='{"destination":"contract","keep":2}', expect=202, **post)
    if made:
        one = {"id": made["id"]}
        while (c.call("GET", path + "/{id}", one) or {}).get("state") == "RUNNING":
            pass
        listed = c.call("GET", path, query="?limit=1")
        if not listed or [b["state"] for b in listed["items"]] != ["COMPLETE"]:
            c.fault("GET backups", json.dumps(listed))
    c.code("validation-failed", "POST", path, body='{"destination":"../elsewhere"}', expect=422, **post)
    c.code("validation-failed", "POST", path, body='{"keep":-1}', expect=422, **post)
    c.code("invalid-body", "POST", path, body="[]", expect=400, **post)
    c.code("unsupported-media-type", "POST", path, body="a=1", content_type="text/plain", expect=415)
    c.code("invalid-cursor", "GET", path, query="?cursor=AAAA", expect=400)
    c.code("not-found", "GET", path + "/{id}", {"id": "00000000-0000-7000-8000-000000000000"}, expect=404)


def http_itself(c):
    for template, item in DOCUMENT["paths"].items():
        names = dict.fromkeys(re.findall(r"{(\w+)}", template), "storage-full")
        c.code("method-not-allowed", "PUT" if "delete" in item else "DELETE", template, names, expect=405)
        c.call("OPTIONS", template, names, expect=204)
    c.code("not-found", "GET", "/nothing", expect=404)
    c.code("misdirected-request", "GET", "/api/v1/devices", headers={"Host": "evil.example"}, expect=421)


def main(base_url):
    contract = Contract(base_url)
    for part in (health, telemetry_in, telemetry_out, buckets, files, commands, lists, store, backups, http_itself):
        part(contract)
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            good = min(status for status in operation["responses"] if status.startswith("2"))
            if (operation["operationId"], int(good)) not in contract.called:
                contract.fault(f"{method.upper()} {path}", f"was never answered with {good}")
    print(*contract.faults, sep="\n", end="\n" if contract.faults else "")
    print(f"contract: {len(contract.called)} kinds of answers compared, {len(contract.faults)} differ")
    return bool(contract.faults)


def main_with_own_node():
    from spate_node import Directory, Node  # Only here: they need the built programs.
    with Directory() as directory:
        config = directory / "spate.toml"
        config.write_text(f'[backup]\ndirectory = "{directory / "backups"}"\n')
        node = Node(directory / "data", "--config", config).wait_ready()
        differs = main(node.url)
        return node.terminate() != 0 or differs


if __name__ == "__main__":
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]) if len(sys.argv) == 2 else main_with_own_node())
