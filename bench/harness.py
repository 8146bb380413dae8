"""Servers under measurement, and what the kernel says about them. Used by compare.py and commands.py; Python's standard
library only."""
import errno
import json
import os
import pathlib
import re
import resource
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 30


class Trouble(Exception):
    """A measurement that does not count; says why."""


def raise_descriptor_limit() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def machine_busy_seconds() -> float:
    """CPU seconds that were not idle, all cores, since boot."""
    with open("/proc/stat") as stat:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _cpu_seconds(stat: pathlib.Path) -> float:
    """User and system time in a /proc/.../stat."""
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Server:
    """One server process on loopback with a fresh directory of its own."""

    name = "?"
    program = ""

    def __init__(self, args, options=()):
        self.args = args
        self.options = list(options)
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=args.work_dir)).absolute()
        self.log = open(self.directory / "server.log", "w+")
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self._await_ready()
        except Trouble:
            self.remove()
            raise

    @classmethod
    def missing(cls, args) -> str | None:
        """Why it can not be measured here, or None."""
        path = cls.path(args)
        return None if os.access(path, os.X_OK) else f"{path} is not there"

    @classmethod
    def path(cls, args) -> str:
        return str(pathlib.Path(args.build) / "bin" / cls.program)

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _await_ready(self):
        start = time.monotonic()
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > start + START_SECONDS_MAX:
                raise Trouble(f"{self.name} did not start:\n{self.log_text()}")
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - start
        time.sleep(0.3)  # its own starting work is no part of any measurement

    def log_text(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")[-2000:].rstrip()

    def cpu_seconds(self) -> float:
        """User and system time of all its threads, those that ended included."""
        return _cpu_seconds(pathlib.Path(f"/proc/{self.process.pid}/stat"))

    def thread_cpu_seconds(self) -> dict[str, float]:
        """User and system time of each thread that runs now."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                found[task.name] = _cpu_seconds(task / "stat")
            except OSError:
                pass  # It ended meanwhile.
        return found

    def thread_names(self) -> dict[str, str]:
        """As the threads of thread_cpu_seconds() call themselves."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                found[task.name] = (task / "comm").read_text().strip()
            except OSError:
                pass  # It ended meanwhile.
        return found

    def facts(self) -> dict:
        """What it says of itself at the end of a load, for the JSON."""
        return {}

    def rss_bytes(self) -> int:
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Trouble(f"{self.name} is gone:\n{self.log_text()}")

    def descriptors(self) -> int:
        folder = f"/proc/{self.process.pid}/fd"
        return os.stat(folder).st_size or len(os.listdir(folder))  # Linux >= 6.2 gives the count as size

    def check(self, acked: int):
        """Raises Trouble if the server's own count is not what the generator saw acknowledged."""

    def stop(self, acked: int | None = None):
        """Checks its result, ends it and removes its directory."""
        try:
            if acked is not None:
                self.check(acked)
            self.end()
            self.check_stopped(acked)
        finally:
            self.remove()

    def end(self):
        """Ends the process in good order; its directory stays, and start() may follow."""
        if self.process.poll() is not None:
            raise Trouble(f"{self.name} ended by itself, status {self.process.returncode}:\n{self.log_text()}")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            raise Trouble(f"{self.name} did not stop within {STOP_SECONDS_MAX} s of SIGTERM") from None

    def check_stopped(self, acked: int | None):
        pass

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Null(Server):
    name = "null"
    program = "spate-bench-null"

    def command(self):
        return [self.path(self.args), "--mqtt", f"127.0.0.1:{self.port}", "--threads", str(self.args.server_threads)]


class Floor(Server):
    name = "floor"
    program = "spate-bench-floor"

    def command(self):
        return [self.path(self.args), "--mqtt", f"127.0.0.1:{self.port}", "--data-dir", str(self.directory / "data"),
                "--durability", self.args.durability, "--threads", str(self.args.server_threads)]

    def check_stopped(self, acked):
        if acked is None:
            return
        counts = json.loads(self.log_text().splitlines()[-1])
        if counts["stored"] != acked or counts["duplicate"] or counts["rejected"]:
            raise Trouble(f"floor acknowledged {acked} messages and says {counts}")


class Spate(Server):
    name = "spate"
    program = "spate"

    def command(self):
        self.http = self.port
        while self.http == self.port:  # Nobody listens there yet, so it may be given again.
            self.http = free_port()
        return [self.path(self.args), "serve", "--mqtt", f"127.0.0.1:{self.port}", "--http", f"127.0.0.1:{self.http}",
                "--data-dir", str(self.directory / "data"), "--durability", self.args.durability, *self.options]

    def get(self, path: str):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as answer:
            return json.load(answer)

    def is_ready(self):
        try:
            self.get("/readyz")
            return True
        except (OSError, ValueError):
            return False

    def facts(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=10) as answer:
            sealed = re.search(r"^spate_blocks_sealed_total (\S+)", answer.read().decode(), re.MULTILINE)
        return {"blocks_sealed": int(float(sealed[1])) if sealed else None}

    def check(self, acked):
        records = self.get("/api/v1/ledger")["records"]
        if records["imbalance"] or records["in_flight"]:
            raise Trouble(f"spate's ledger does not balance: {records}")
        if records["stored"] != acked:
            raise Trouble(f"spate acknowledged {acked} messages, its ledger says {records}")


class Mosquitto(Server):
    name = "mosquitto"
    program = "mosquitto"

    @classmethod
    def path(cls, args):
        return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or "mosquitto"

    def command(self):
        config = self.directory / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n"
                          "max_inflight_messages 0\nmax_queued_messages 0\nmax_connections -1\n"
                          + ("user root\n" if os.geteuid() == 0 else ""))  # else it can not read our directory
        return [self.path(self.args), "-c", str(config)]


SERVERS = {kind.name: kind for kind in (Null, Floor, Spate, Mosquitto)}


class Generator:
    """spate-loadgen, and what it cost."""

    def __init__(self, args, server: Server, options: list[str], command: str = "run"):
        self.command = command
        self.report_file = server.directory / "report.json"
        self.output = open(server.directory / "loadgen.log", "w+")
        self.process = subprocess.Popen(
            [args.loadgen, command, "--target", f"mqtt://127.0.0.1:{server.port}", "--qos", "1", "--quiet",
             "--threads", str(args.generator_threads), "--report", str(self.report_file), *options],
            stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output)

    def running(self) -> bool:
        return self.process.poll() is None

    def cpu_seconds(self) -> float:
        try:
            return _cpu_seconds(pathlib.Path(f"/proc/{self.process.pid}/stat"))
        except OSError:
            return 0.0

    def report(self) -> dict:
        self.output.seek(0)
        said = self.output.read()[-2000:].rstrip()
        self.output.close()
        if self.process.returncode != 0 or not self.report_file.exists():
            raise Trouble(f"the generator ended with status {self.process.returncode}:\n{said}")
        report = json.loads(self.report_file.read_text())
        if not report["acked"] and self.command == "run":
            raise Trouble("nothing was acknowledged")
        if report["lost"]:
            raise Trouble(f"{report['lost']} messages were never acknowledged")
        return report

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()


class IdleClients:
    """Connections that only say CONNECT: their number is known exactly, and they cost the generator nothing later."""

    BATCH = 200

    def __init__(self, port: int):
        self.port = port
        self.sockets: list[socket.socket] = []

    def connect(self, count: int):
        for first in range(0, count, self.BATCH):
            self._connect_batch(min(self.BATCH, count - first))

    def _connect_batch(self, count: int):
        batch = []
        poller = select.epoll()
        for i in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT: ports are chosen at connect
            client.bind((f"127.0.0.{2 + i % 8}", 0))  # more addresses, more ephemeral ports
            error = client.connect_ex(("127.0.0.1", self.port))
            if error not in (0, errno.EINPROGRESS):
                raise Trouble(f"connect: {os.strerror(error)}")
            self.sockets.append(client)
            batch.append(client)
        by_fd = {client.fileno(): client for client in batch}
        for client in batch:
            poller.register(client, select.EPOLLOUT)
        answers: dict[int, bytes] = {}
        waiting = count
        while waiting:
            for fd, _ in self._poll(poller):
                if fd not in answers:  # connected just now
                    number = len(self.sockets) - count + len(answers)
                    answers[fd] = b""
                    by_fd[fd].send(self._connect_packet(f"idle-{number:06d}"))
                    poller.modify(fd, select.EPOLLIN)
                    continue
                part = by_fd[fd].recv(64)
                answers[fd] += part
                if not part or len(answers[fd]) == 4:
                    if answers[fd] != b"\x20\x02\x00\x00":
                        raise Trouble(f"a connection was refused: {answers[fd].hex() or 'closed'}")
                    poller.unregister(fd)
                    waiting -= 1
        poller.close()

    @staticmethod
    def _poll(poller):
        events = poller.poll(20)
        if not events:
            raise Trouble("a connection got no answer within 20 s")
        return events

    @staticmethod
    def _connect_packet(client_id: str) -> bytes:
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(client_id)) + client_id.encode()
        return bytes((0x10, len(body))) + body

    def close(self):
        for client in self.sockets:
            client.close()
        self.sockets.clear()


class HttpPosts:
    """Many POST requests over keep-alive connections, one at a time on each."""

    STALL_SECONDS_MAX = 30

    def __init__(self, port: int, connections: int, content_type: str = "application/json"):
        self.content_type = content_type
        self.sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for each in self.sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self, requests) -> dict[int, int]:
        """`requests` gives (path, body as bytes). How many answers had which status."""
        statuses: dict[int, int] = {}
        requests = iter(requests)
        with selectors.DefaultSelector() as selector:
            busy = sum(self._send(each, requests) for each in self.sockets)
            for each in self.sockets[:busy]:
                selector.register(each, selectors.EVENT_READ, bytearray())
            while busy:
                events = selector.select(self.STALL_SECONDS_MAX)
                if not events:
                    raise Trouble(f"no answer to {busy} requests within {self.STALL_SECONDS_MAX} s")
                for key, _ in events:
                    part = key.fileobj.recv(65536)
                    if not part:
                        raise Trouble("the server closed a connection that waited for an answer")
                    key.data.extend(part)
                    status = self._take_answer(key.data)
                    if status is None:
                        continue
                    statuses[status] = statuses.get(status, 0) + 1
                    if not self._send(key.fileobj, requests):
                        selector.unregister(key.fileobj)
                        busy -= 1
        return statuses

    def _send(self, connection, requests) -> bool:
        path, body = next(requests, (None, None))
        if path is None:
            return False
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {self.content_type}\r\n"
                           f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return True

    @staticmethod
    def _take_answer(received: bytearray) -> int | None:
        head, found, rest = bytes(received).partition(b"\r\n\r\n")
        if not found:
            return None
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        if len(rest) < (int(length[1]) if length else 0):
            return None
        received.clear()
        return int(head.split()[1])

    def close(self):
        for each in self.sockets:
            each.close()
