"""Starts the real node for a test, on free ports and with a data directory of its own."""
import atexit
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.error
import urllib.request

BIN = pathlib.Path(os.environ["SPATE_BIN_DIR"])
START_TIMEOUT_S = 60


class Node:
    """One `spate serve`. Its log is read by a thread, so that it never blocks on a full pipe."""

    def __init__(self, data_dir, *args, mqtt=("127.0.0.1", 0), env=None):
        self.data_dir = pathlib.Path(data_dir)
        self.log = []
        self.mqtt = self.http = None
        command = [BIN / "spate", "serve", "--data-dir", self.data_dir, "--mqtt", "%s:%d" % mqtt, "--http", "127.0.0.1:0",
                   "--log-format", "json", *args]
        self.process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, **(env or {})})
        atexit.register(self.process.kill)  # A test that fails leaves no node behind.
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self):
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("event_code") == "ready":
                self.mqtt = _address(entry["mqtt"])
                self.http = _address(entry["http"])
                self._ready.set()
        self._ready.set()

    def wait_ready(self):
        if not self._ready.wait(START_TIMEOUT_S) or self.mqtt is None:
            self.process.kill()
            raise AssertionError("the node did not start:\n" + "\n".join(self.log))
        return self

    def get(self, path):
        """JSON of a GET, whatever its status: (status, body)."""
        request = urllib.request.Request(self.url + path)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def text(self, path):
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return answer.read().decode()

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    @property
    def url(self):
        return f"http://{self.http[0]}:{self.http[1]}"

    def ledger(self):
        return self.get("/api/v1/ledger")[1]["records"]

    def connect(self):
        connection = socket.create_connection(self.mqtt, timeout=30)
        connection.settimeout(30)
        return connection

    def kill(self):
        self.process.kill()
        return self._gone()

    def freeze(self):
        """Stops all its threads; system calls under way have returned."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        while any((task / "stat").read_text().rsplit(")", 1)[1].split()[0] not in "TtZ" for task in tasks.iterdir()):
            pass

    def terminate(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        return self._gone(timeout)

    def _gone(self, timeout=60):
        status = self.process.wait(timeout)
        self._reader.join(timeout)
        self.process.stderr.close()
        return status


def _address(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Directory:
    """A temporary directory, as a context."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="spate-test-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


# Just enough MQTT to send what a client library would refuse to send.

def field(data):
    data = data.encode() if isinstance(data, str) else data
    return len(data).to_bytes(2, "big") + data


def packet(first, body):
    length, rest = b"", len(body)
    while True:
        length += bytes([rest % 128 | (128 if rest > 127 else 0)])
        rest //= 128
        if not rest:
            return bytes([first]) + length + body


def connect(client_id="c", level=4, keep_alive=60, properties=b"\0"):
    return packet(0x10, field("MQTT") + bytes([level, 2]) + keep_alive.to_bytes(2, "big") +
                  (properties if level == 5 else b"") + field(client_id))


def publish(topic, payload, packet_id=1, qos=1, level=4):
    payload = payload.encode() if isinstance(payload, str) else payload
    return packet(0x30 | qos << 1, field(topic) + (packet_id.to_bytes(2, "big") if qos else b"") +
                  (b"\0" if level == 5 else b"") + payload)


def read_packet(connection):
    """(first byte, body), or None when the server has closed."""
    head = connection.recv(1)
    if not head:
        return None
    length, shift = 0, 0
    while True:
        byte = connection.recv(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    body = b""
    while len(body) < length:
        more = connection.recv(length - len(body))
        if not more:
            return None
        body += more
    return head[0], body
