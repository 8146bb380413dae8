#!/usr/bin/env python3
"""`spate store` against a pretended API: what it asks, what it prints, and the exit code of every outcome."""
import http.server
import json
import os
import pathlib
import subprocess
import tempfile
import threading
import urllib.parse

SPATE = str(pathlib.Path(os.environ["SPATE_BIN_DIR"]) / "spate")
ID = "01977f2e-71aa-7e05-8c21-5d0e9b7f1c02"
ROOT = pathlib.Path(__file__).resolve().parents[2]


def operation(state, done=0, total=None, error=None, result=None):
    return {"id": ID, "type": "store.compact", "state": state, "progress": {"done": done, "total": total, "failed": 0},
            "created_ts": 1594598500000, "started_ts": None, "finished_ts": None, "result": result,
            "error": error and {"type": "/api/v1/problems/internal-error", "title": "Something broke", "status": 500,
                                "code": "internal-error", "detail": error}, "results_url": None}


def store(**more):
    import yaml
    document = yaml.safe_load((ROOT / "api" / "openapi.yaml").read_text(encoding="utf-8"))
    value = document["components"]["examples"]["Store"]["value"]
    value["shards"] = [{"shard": 0, "status": "ok"}]
    return {**value, **more}


def problem(status, code, detail):
    return status, {"type": "/api/v1/problems/" + code, "title": code, "status": status, "code": code, "detail": detail,
                    "trace_id": "0" * 32}


class Parts(list):
    """A body in chunks; whole only if it ends with None."""


class Api(http.server.ThreadingHTTPServer):
    """Answers each path with its prepared answers, the last one for ever, and keeps what was asked."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.answers, self.asked = threading.Lock(), {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next(self, path, asked):
        with self.lock:
            self.asked.append(asked)
            answers = self.answers[path]
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def tell(self, **answers):
        """By the last word of the path."""
        with self.lock:
            self.answers, self.asked = {name: list(a) for name, a in answers.items()}, []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path = urllib.parse.urlsplit(self.path).path
        name = "operation" if "/operations/" in path else path.rsplit("/", 1)[1].split(":")[-1]
        status, document = self.server.next(name, (self.command, self.path, dict(self.headers), body))
        self.send_response(status)
        if isinstance(document, Parts):
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in document:
                data = b"" if part is None else part.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if document[-1] is not None:
                self.close_connection = True
            return
        content = json.dumps(document).encode()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


API = Api()


def run(*args, expect, url=None):
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environment["SPATE_URL"] = url or API.url
    done = subprocess.run([SPATE, "store", *args], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == expect, f"{args}: {done.returncode}, expected {expect}\n{done.stdout}{done.stderr}"
    return done


def stats():
    API.tell(store=[(200, store())])
    out = " ".join(run("stats", expect=0).stdout.split())
    for text in ("127 MiB 31 runs 25000000", "bytes a reading 1.332", "fold lag 14 min", "write amplification 1.89"):
        assert text in out, out
    assert json.loads(run("stats", "-o", "json", expect=0).stdout) == store()
    API.tell(store=[(200, store(shards=[{"shard": 1, "status": "failed", "detail": "disk gone\x1b[2J"}]))])
    out = run("stats", expect=0).stdout
    assert "Shard 1 does not serve: disk gone?[2J" in out, out
    API.tell(store=[(200, {"nothing": 1})])
    run("stats", expect=1)
    API.tell(store=[problem(503, "overloaded", "Too many reads.")])
    assert "Too many reads." in run("stats", expect=1).stderr
    run("stats", expect=1, url="http://127.0.0.1:1")
    run("stats", expect=2, url="nonsense")
    run("stats", "--url", API.url, "--data-dir", "/nowhere", expect=2)
    assert "Examples:" in run("stats", "--help", expect=0).stdout


def compact():
    API.tell(store=[(200, store()), (200, store(disk={"used_bytes": 1 << 20, "free_bytes": 1}))],
             compact=[(202, operation("QUEUED"))],
             operation=[(200, operation("RUNNING", 1, 4)), problem(503, "not-ready", "Starting."),
                        (200, operation("RUNNING", 3, 4)), (200, operation("SUCCEEDED", 4, 4))])
    done = run("compact", expect=0)
    assert "1/4 steps" in done.stderr and "3/4 steps" in done.stderr and "\x1b" not in done.stderr, done.stderr
    assert "On disk: 1.00 MiB, before 256 MiB." in done.stdout, done.stdout
    asked = [a for a in API.asked if a[0] == "POST"]
    assert asked[0][2]["Content-Type"] == "application/json" and asked[0][3] == "{}", asked
    assert all(a[2].get("Prefer") == "wait=1" for a in API.asked if "/operations/" in a[1])
    API.tell(store=[(200, store())], compact=[(202, operation("QUEUED"))],
             operation=[(200, operation("FAILED", 1, 4, "The disk is full."))])
    assert "The disk is full." in run("compact", expect=1).stderr
    assert json.loads(run("compact", "-o", "json", expect=1).stdout)["state"] == "FAILED"
    API.tell(store=[(200, store())], compact=[(202, operation("QUEUED"))],
             operation=[problem(404, "operation-not-found", "There is none.")])
    assert "There is none." in run("compact", expect=1).stderr
    API.tell(store=[(200, store())], compact=[problem(503, "draining", "The node stops.")])
    run("compact", expect=1)


def export():
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory) / "a b.csv"
        API.tell(export=[(200, Parts(["ts,field,value\n", "1,t,22.50\n", None]))])
        done = run("export", "lamp 1", expect=0)
        assert done.stdout == "ts,field,value\n1,t,22.50\n" and "Exported 25 B" in done.stderr, done
        assert API.asked[0][1] == "/api/v1/devices/lamp%201/telemetry:export", API.asked
        run("export", "d", "-O", str(file), "--fields", "a,b", "--fields", "c", "--from=-24h", "--to", "5", "--agg", "avg,max",
            "--step", "1h", "--format", "csv", "--names", "path", expect=0)
        assert file.read_text() == "ts,field,value\n1,t,22.50\n"
        assert not file.with_name("a b.csv.part").exists()
        assert urllib.parse.parse_qsl(API.asked[-1][1].split("?")[1]) == [
            ("format", "csv"), ("from", "-24h"), ("to", "5"), ("fields", "a,b"), ("fields", "c"), ("names", "path"),
            ("agg", "avg,max"), ("step", "1h")]
        file.unlink()
        # One that breaks off never looks whole.
        last = json.dumps({"error": {"detail": "The store could not be read."}}) + "\n"
        API.tell(export=[(200, Parts(['{"ts":1}\n', last]))])
        done = run("export", "d", "-O", str(file), expect=1)
        assert "broke off" in done.stderr and "The store could not be read." in done.stderr, done.stderr
        assert not file.exists() and file.with_name("a b.csv.part").exists()
        file.with_name("a b.csv.part").unlink()
        API.tell(export=[problem(404, "device-not-found", "No device 'd' is known.")])
        assert "No device 'd' is known." in run("export", "d", "-O", str(file), expect=1).stderr
        assert list(pathlib.Path(directory).iterdir()) == []
        API.tell(export=[problem(400, "invalid-parameter", "from is 'x'.")])
        run("export", "d", "--from", "x", expect=2)
        run("export", "d", "-O", "/nonexistent/x", expect=2)
        if os.path.exists("/dev/full"):
            full = pathlib.Path(directory) / "full"
            full.with_name("full.part").symlink_to("/dev/full")
            API.tell(export=[(200, Parts(["x" * 100000, None]))])
            assert "No space left" in run("export", "d", "-O", str(full), expect=1).stderr
    run("export", expect=2)
    run("export", "d", "--step", "1h", expect=2)
    run("export", "d", "--format", "xml", expect=2)


def check():
    def tell(*faults, shards=({"shard": 0, "status": "ok"},)):
        result = {"blocks": 12, "rows": 3400, "bytes": 2048, "faults": list(faults)}
        API.tell(store=[(200, store(shards=list(shards)))], check=[(202, operation("QUEUED"))],
                 operation=[(200, operation("RUNNING", 1, 4)), (200, operation("SUCCEEDED", 4, 4, result=result))])
    tell()
    done = run("check", expect=0)
    assert done.stdout == "12 blocks with 3400 records, 2.00 KiB: all good.\n" and "1/4 steps" in done.stderr, done
    asked = [a for a in API.asked if a[0] == "POST"]
    assert asked[0][1] == "/api/v1/store:check" and asked[0][3] == "{}", asked
    tell('/d: a "block" is damaged.\x1b[2J', "/d: another.")
    out = run("check", expect=3).stdout
    assert out.startswith('/d: a "block" is damaged.?[2J\n/d: another.\n') and out.endswith(": 2 faults.\n"), out
    tell('a "b"')
    assert json.loads(run("check", "-o", "json", expect=3).stdout) == {
        "blocks": 12, "rows": 3400, "bytes": 2048, "faults": ['a "b"']}
    # What the operation can not look into is no success.
    tell(shards=[{"shard": 1, "status": "failed", "detail": "disk gone"}])
    out = run("check", expect=3).stdout
    assert "Shard 1 does not serve and was not checked: disk gone" in out and "1 fault." in out, out
    API.tell(store=[(200, store())], check=[(202, operation("QUEUED"))], operation=[(200, operation("FAILED", 1, 4, "No."))])
    assert "FAILED: No." in run("check", expect=1).stderr
    API.tell(store=[(200, store())], check=[(202, operation("QUEUED"))],
             operation=[(200, operation("SUCCEEDED", result={"blocks": 1}))])
    assert "result of a check" in run("check", expect=1).stderr
    API.tell(store=[(200, store())], check=[problem(503, "shard-unavailable", "All shards are closed.")])
    assert "All shards are closed." in run("check", expect=1).stderr
    assert "3 there are faults" in run("check", "--help", expect=0).stdout


for part in (stats, compact, export, check):
    part()
print("store: all good")
