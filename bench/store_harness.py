"""Nodes and databases with stored telemetry, for the benchmarks of the store; Python's standard library only."""
import argparse
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import socket
import statistics
import sys
import time
import urllib.parse

from harness import ROOT, HttpPosts, Server, Spate, Trouble, free_port, raise_descriptor_limit

NDJSON = "application/x-ndjson"
OPERATION_SECONDS_MAX = 3600
RECORDS_A_BODY = 2000
SETTLED_SECONDS = 10  # A directory that has not changed for so long is compacted.


def make_parser(description: str, loads: tuple[str, ...] = ()) -> argparse.ArgumentParser:
    """With what all benchmarks of the store take. `loads`: the durabilities to choose from, if a load generator runs."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder (default build/release)")
    parser.add_argument("--work-dir", default=str(ROOT / "build/bench-data"), help="data of the servers; a real disk")
    parser.add_argument("--gate", action="store_true", help="exit 1 if a goal is missed")
    parser.add_argument("--json", metavar="FILE", help="write everything measured")
    if loads:
        parser.add_argument("--payload", default="env", help="of spate-loadgen (default %(default)s)")
        parser.add_argument("--durability", default="fsync", choices=loads)
        parser.add_argument("--loadgen", help="load generator (default: the build's spate-loadgen)")
    else:
        parser.set_defaults(durability="os", loadgen=None)
    return parser


def begin(parser: argparse.ArgumentParser, args: argparse.Namespace, servers):
    """After the arguments: refuses where a server is missing, and prints where figures come from."""
    args.loadgen = args.loadgen or str(pathlib.Path(args.build) / "bin/spate-loadgen")
    args.generator_threads = max(1, (os.cpu_count() or 1) // 2)
    for server in servers:
        if why := server.missing(args):
            parser.error(why)
    raise_descriptor_limit()
    os.makedirs(args.work_dir, exist_ok=True)
    print_heading(args)


def conclude(args, found: list[dict], **measured) -> int:
    """Writes the JSON; the exit status by the goals."""
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps({**measured, "goals": found}, indent=1) + "\n")
    return 1 if args.gate and not all(each["met"] for each in found) else 0


def machine(directory) -> str:
    """Where figures come from."""
    processor = next((line.split(": ", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                      if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} cores, {processor}, Linux {platform.release()}, {file_system(directory)}"


def file_system(directory) -> str:
    """The type of the mount that holds it."""
    path = str(pathlib.Path(directory).resolve())
    mounts = [line.split()[1:3] for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    holding = [(m, kind) for m, kind in mounts if path == m or path.startswith(m.rstrip("/") + "/")]
    kind = max(holding, key=lambda each: len(each[0]))[1] if holding else "unknown file system"
    return kind + (" (writes cost nothing here)" if kind == "tmpfs" else "")


def print_heading(args):
    print("$", *(word if re.fullmatch(r"[\w@%+=:,./-]+", word) else repr(word) for word in sys.argv))
    print(machine(args.work_dir))


def directory_bytes(path) -> int:
    """Apparent sizes, as `du --apparent-size` without the directories themselves. Files may go meanwhile."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                pass
    return total


class StoreNode(Spate):
    """A node, its settings given as TOML, with what benchmarks of the store ask of it."""

    def __init__(self, args, toml: str = "", options=()):
        self.toml = toml
        super().__init__(args, options)

    def command(self):
        words = super().command()
        if self.toml:
            config = self.directory / "spate.toml"
            config.write_text(self.toml)
            words += ["--config", str(config)]
        return words

    @property
    def data(self) -> pathlib.Path:
        return self.directory / "data"

    def load(self, bodies, connections: int = 1):
        """`bodies` gives (device, NDJSON of its records). On one connection they are stored in that order."""
        posts = HttpPosts(self.http, connections, NDJSON)
        try:
            statuses = posts.run((telemetry_path(device), body) for device, body in bodies)
        finally:
            posts.close()
        if set(statuses) - {200}:
            raise Trouble(f"the node answered {statuses}, not 200 to all")

    def metrics(self) -> dict[str, float]:
        """Those without labels."""
        text = fetch(self.http, "/metrics").decode()
        return {name: float(value) for name, value in re.findall(r"^([a-z_]+) (\S+)$", text, re.MULTILINE)}

    def compact(self):
        """Waits until all is sealed and folded."""
        status, body = request(self.http, "POST", "/api/v1/store:compact", "{}", "application/json")
        if status != 202:
            raise Trouble(f"store:compact was answered with {status}: {body[:300]}")
        operation = json.loads(body)
        end = time.monotonic() + OPERATION_SECONDS_MAX
        while operation["state"] in ("QUEUED", "RUNNING"):
            if time.monotonic() > end:
                raise Trouble(f"the compaction did not end: {operation}")
            time.sleep(0.1)
            operation = json.loads(fetch(self.http, f"/api/v1/operations/{operation['id']}"))
        if operation["state"] != "SUCCEEDED":
            raise Trouble(f"the compaction failed: {operation}")


class Influx(Server):
    """InfluxDB 1.x with a directory of its own, if its server is installed; its defaults but for compacting sooner."""

    name = "influx"
    program = "influxd"
    database = "bench"

    @classmethod
    def path(cls, args):
        return shutil.which("influxd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or "influxd"

    def command(self):
        config = self.directory / "influxdb.conf"
        config.write_text(
            f'reporting-enabled = false\nbind-address = "127.0.0.1:{free_port()}"\n'
            f'[meta]\n  dir = "{self.directory}/data/meta"\n'
            f'[data]\n  dir = "{self.directory}/data/data"\n  wal-dir = "{self.directory}/data/wal"\n'
            '  cache-snapshot-write-cold-duration = "2s"\n  compact-full-write-cold-duration = "2s"\n'
            '  query-log-enabled = false\n'
            f'[http]\n  bind-address = "127.0.0.1:{self.port}"\n  log-enabled = false\n'
            '[monitor]\n  store-enabled = false\n[logging]\n  level = "error"\n')
        return [self.path(self.args), "run", "-config", str(config)]

    def is_ready(self):
        try:
            return request(self.port, "GET", "/ping")[0] == 204
        except OSError:
            return False

    @property
    def data(self) -> pathlib.Path:
        return self.directory / "data"

    def load(self, bodies, connections: int = 1):
        """`bodies` gives lines of its protocol with times in milliseconds."""
        created, answer = request(self.port, "POST", "/query?" + urllib.parse.urlencode(
            {"q": f"CREATE DATABASE {self.database}"}))
        if created != 200:
            raise Trouble(f"influx did not create a database: {answer[:300]}")
        posts = HttpPosts(self.port, connections, "text/plain")
        try:
            statuses = posts.run((f"/write?db={self.database}&precision=ms", body) for body in bodies)
        finally:
            posts.close()
        if set(statuses) - {204}:
            raise Trouble(f"influx answered {statuses}, not 204 to all")

    def query_path(self, text: str) -> str:
        return "/query?" + urllib.parse.urlencode({"db": self.database, "epoch": "ms", "q": text})

    def query(self, text: str) -> list[dict]:
        """The series of an answer."""
        answer = json.loads(fetch(self.port, self.query_path(text)))
        if "error" in answer["results"][0]:
            raise Trouble(f"influx: {answer['results'][0]['error']}")
        return answer["results"][0].get("series", [])

    def settle(self):
        """Waits until its log is empty and nothing is compacted any more."""
        seen, since = None, time.monotonic()
        end = since + OPERATION_SECONDS_MAX
        while time.monotonic() - since < SETTLED_SECONDS or any(
                f.stat().st_size for f in (self.data / "wal").rglob("*.wal")):
            if time.monotonic() > end:
                raise Trouble("influx does not settle")
            time.sleep(0.5)
            now = sorted((str(f), f.stat().st_size) for f in self.data.rglob("*.tsm*") if f.exists())
            if now != seen:
                seen, since = now, time.monotonic()


def telemetry_path(device: str) -> str:
    return f"/api/v1/devices/{urllib.parse.quote(device, safe='')}/telemetry"


def request(port: int, method: str, path: str, body=None, content_type: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def fetch(port: int, path: str) -> bytes:
    status, body = request(port, "GET", path)
    if status != 200:
        raise Trouble(f"GET {path} was answered with {status}: {body[:300]!r}")
    return body


class Client:
    """One connection that is kept; gives whole answers. A bare socket: what it takes itself is a few system calls."""

    SECONDS_MAX = 120

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=self.SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 20)  # Kept: fresh memory for each answer would be the client's time.
        self.filled = 0

    def get(self, path: str) -> bytes:
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.filled = 0
        start = self._find(b"\r\n\r\n", 0) + 4
        head = bytes(self.buffer[:start])
        if re.search(rb"(?im)^transfer-encoding: *chunked", head):
            body = self._chunks(start)
        else:
            length = re.search(rb"(?im)^content-length: *(\d+)", head)
            end = start + (int(length[1]) if length else 0)
            self._fill(end)
            body = bytes(memoryview(self.buffer)[start:end])
        if (status := int(head.split(None, 2)[1])) != 200:
            raise Trouble(f"GET {path} was answered with {status}: {body[:300]!r}")
        return body

    def _chunks(self, at: int) -> bytes:
        parts = []
        while True:
            line = self._find(b"\r\n", at)
            size = int(self.buffer[at:line].split(b";")[0], 16)
            at = line + 2 + size
            self._fill(at + 2)
            if size == 0:
                return b"".join(parts)
            parts.append(bytes(memoryview(self.buffer)[line + 2:at]))
            at += 2

    def _find(self, mark: bytes, start: int) -> int:
        while (found := self.buffer.find(mark, start, self.filled)) < 0:
            self._fill(self.filled + 1)
        return found

    def _fill(self, wanted: int):
        """Receives until so many bytes of the answer are there."""
        if wanted > len(self.buffer):
            self.buffer.extend(bytes(max(wanted, 2 * len(self.buffer)) - len(self.buffer)))
        while self.filled < wanted:
            with memoryview(self.buffer) as room:
                received = self.socket.recv_into(room[self.filled:])
            if received == 0:
                raise Trouble("the server closed a connection that waited for an answer")
            self.filled += received

    def close(self):
        self.socket.close()


def median(numbers) -> float | None:
    return statistics.median(numbers) if numbers else None


def goal(text: str, numbers, limit: float, least: bool = False) -> dict:
    """As compare.goals() gives them; with `least` the limit is a lower one."""
    measured = median(numbers)
    met = measured is not None and (measured >= limit if least else measured <= limit)
    return {"goal": text, "limit": limit, "least": least, "measured": measured, "met": met}


def print_goals(found: list[dict], decides_nothing: bool, print_table):
    print("\ngoals" + (" (a quick run decides nothing)" if decides_nothing else ""))
    rows = [["goal", "limit", "measured", ""]]
    for each in found:
        measured = "no data" if each["measured"] is None else f"{each['measured']:,.3f}"
        rows.append([each["goal"], f"{'>=' if each['least'] else '<='} {each['limit']:,g}", measured,
                     "pass" if each["met"] else "MISS"])
    print_table(rows)
