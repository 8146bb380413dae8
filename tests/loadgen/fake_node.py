"""A pretended node for tests of spate-loadgen: MQTT for devices and the command API, in memory, on one thread."""
import asyncio
import json
import struct
import threading
import uuid


def varint(value):
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        out += bytes((byte | (0x80 if value else 0),))
        if not value:
            return out


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack("!H", len(data)) + data


def packet(first, body):
    return bytes((first,)) + varint(len(body)) + body


class Device:
    """One MQTT connection."""

    def __init__(self, node, reader, writer):
        self.node, self.reader, self.writer = node, reader, writer
        self.version, self.name, self.next_id = 4, None, 0

    async def serve(self):
        try:
            while True:
                first = (await self.reader.readexactly(1))[0]
                length, shift = 0, 0
                while True:
                    byte = (await self.reader.readexactly(1))[0]
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if not byte & 0x80:
                        break
                self.take(first, await self.reader.readexactly(length))
                if first >> 4 == 14:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        if self.node.devices.get(self.name) is self:
            del self.node.devices[self.name]
        self.writer.close()

    def take(self, first, body):
        kind = first >> 4
        if kind == 1:
            self.version = body[6]
            at = 10
            if self.version == 5:
                at += 1 + body[10]
            size = struct.unpack_from("!H", body, at)[0]
            self.name = body[at + 2 : at + 2 + size].decode()
            self.writer.write(packet(0x20, b"\0\0" + (b"\0" if self.version == 5 else b"")))
        elif kind == 8:
            at = 2 + (1 if self.version == 5 else 0)
            size = struct.unpack_from("!H", body, at)[0]
            self.node.filters.append((body[at + 2 : at + 2 + size].decode(), body[at + 2 + size] & 3))
            granted = 0x80 if self.node.refuse_subscriptions else 1
            self.writer.write(packet(0x90, body[:2] + (b"\0" if self.version == 5 else b"") + bytes((granted,))))
            if granted == 1:
                self.node.devices[self.name] = self
        elif kind == 3:
            self.published(first, body)
        elif kind == 4:
            self.node.pubacks += 1
        elif kind == 12:
            self.writer.write(b"\xd0\0")

    def published(self, first, body):
        size = struct.unpack_from("!H", body)[0]
        topic = body[2 : 2 + size].decode()
        qos = first >> 1 & 3
        at = 2 + size + (2 if qos else 0)
        correlation = None
        if self.version == 5:
            properties = body[at + 1 : at + 1 + body[at]]
            at += 1 + body[at]
            if properties[:1] == b"\x09":  # The only one that these devices send.
                correlation = properties[3:].decode()
        if qos:
            self.writer.write(b"\x40\x02" + body[2 + size : 4 + size])
        kind, rest = topic.split("/")[2], topic.split("/")[3:]
        if kind == "responses":
            self.node.answered(self.name, correlation if self.version == 5 else rest[-1], json.loads(body[at:]))
        else:
            self.node.telemetry += 1

    def send(self, name, args, command_id, dup=False):
        topic = f"devices/{self.name}/commands/{name}"
        properties = b""
        if self.version == 5:
            properties = b"\x08" + text(f"devices/{self.name}/responses/{name}") + b"\x09" + text(command_id)
            properties = varint(len(properties)) + properties
        else:
            topic += "/" + command_id
        self.next_id = self.next_id % 65535 + 1
        self.writer.write(packet(0x3A if dup else 0x32, text(topic) + struct.pack("!H", self.next_id) + properties
                                 + json.dumps(args).encode()))


class FakeNode:
    """`repeat` sends each command twice; `refuse` is a status and code that every command gets."""

    def __init__(self):
        self.devices, self.waiting, self.filters, self.posts = {}, {}, [], []
        self.pubacks = self.telemetry = self.answers = 0
        self.repeat = self.refuse_subscriptions = False
        self.refuse = None
        self.loop = asyncio.new_event_loop()
        self.stopped = asyncio.Event()
        ready = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.serve(ready))

    async def serve(self, ready):
        mqtt = await asyncio.start_server(lambda r, w: Device(self, r, w).serve(), "127.0.0.1", 0, backlog=1000)
        http = await asyncio.start_server(self.serve_http, "127.0.0.1", 0, backlog=1000)
        self.target = f"mqtt://127.0.0.1:{mqtt.sockets[0].getsockname()[1]}"
        self.http = f"127.0.0.1:{http.sockets[0].getsockname()[1]}"
        ready.set()
        await self.stopped.wait()
        mqtt.close()
        http.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)  # They close their connections.

    def stop(self):
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join()

    def answered(self, device, command_id, answer):
        self.answers += 1
        future = self.waiting.pop((device, command_id), None)
        if future and not future.done():
            future.set_result(answer)

    async def serve_http(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = head[0].split()
                status, document = 200, {}
                if method == "POST":
                    status, document = await self.command(path.split("/")[4], headers, json.loads(body))
                data = json.dumps(document).encode()
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        writer.close()

    async def command(self, device, headers, request):
        self.posts.append((device, headers.get("prefer"), request))
        if self.refuse:
            return self.refuse[0], {"status": self.refuse[0], "code": self.refuse[1]}
        if device not in self.devices:
            return 409, {"status": 409, "code": "device-offline"}
        command_id = str(uuid.uuid4())
        answer = self.waiting[device, command_id] = self.loop.create_future()
        for dup in (False, True) if self.repeat else (False,):
            self.devices[device].send(request["name"], request["args"], command_id, dup)
        command = {"id": command_id, "device": device, "state": "DELIVERED", "timings": {"total_us": None}}
        try:
            said = await asyncio.wait_for(answer, int(headers["prefer"].removeprefix("wait=")))
        except asyncio.TimeoutError:
            return 504, {"status": 504, "code": "command-wait-timeout", "command": command}
        state = {"ok": "SUCCEEDED", "failed": "FAILED", "rejected": "REJECTED"}[said["status"]]
        return 200, {**command, "state": state, "result": said["result"], "timings": {"total_us": 1500}}
