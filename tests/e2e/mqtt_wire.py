"""A small MQTT client for tests: builds any packet, also wrong ones, and reads what a server answers.

Versions are the protocol levels 4 (3.1.1) and 5. Nothing is answered by itself: a test says what a client sends.
"""
import itertools
import socket
import struct

PATIENCE_S = 60

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, \
    DISCONNECT, AUTH = range(1, 16)

PAYLOAD_FORMAT, MESSAGE_EXPIRY, CONTENT_TYPE, RESPONSE_TOPIC, CORRELATION_DATA = 0x01, 0x02, 0x03, 0x08, 0x09
SUBSCRIPTION_ID, SESSION_EXPIRY, ASSIGNED_CLIENT_ID, SERVER_KEEP_ALIVE = 0x0B, 0x11, 0x12, 0x13
AUTH_METHOD, AUTH_DATA, REQUEST_PROBLEM, WILL_DELAY, REQUEST_RESPONSE = 0x15, 0x16, 0x17, 0x18, 0x19
RESPONSE_INFORMATION, SERVER_REFERENCE, REASON_STRING, RECEIVE_MAXIMUM = 0x1A, 0x1C, 0x1F, 0x21
TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS, MAXIMUM_QOS, RETAIN_AVAILABLE, USER_PROPERTY = 0x22, 0x23, 0x24, 0x25, 0x26
MAXIMUM_PACKET_SIZE, WILDCARD_AVAILABLE, IDS_AVAILABLE, SHARED_AVAILABLE = 0x27, 0x28, 0x29, 0x2A

_BYTES = {PAYLOAD_FORMAT, REQUEST_PROBLEM, REQUEST_RESPONSE, MAXIMUM_QOS, RETAIN_AVAILABLE, WILDCARD_AVAILABLE,
          IDS_AVAILABLE, SHARED_AVAILABLE}
_TWO_BYTES = {SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS}
_FOUR_BYTES = {MESSAGE_EXPIRY, SESSION_EXPIRY, WILL_DELAY, MAXIMUM_PACKET_SIZE}
_BINARY = {CORRELATION_DATA, AUTH_DATA}


# Building. Text may be bytes, to write what is no UTF-8.

def variable(number):
    out = b""
    while True:
        out += bytes([number % 128 | (128 if number > 127 else 0)])
        number //= 128
        if not number:
            return out


def text(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack(">H", len(data)) + data


def properties(items):
    """Of [(identifier, value), ...]; the value of a user property is a pair. Raw bytes stay as they are."""
    if isinstance(items, bytes):
        return items
    block = b""
    for number, value in items:
        block += variable(number)
        if number in _BYTES:
            block += bytes([value])
        elif number in _TWO_BYTES:
            block += struct.pack(">H", value)
        elif number in _FOUR_BYTES:
            block += struct.pack(">I", value)
        elif number == SUBSCRIPTION_ID:
            block += variable(value)
        elif number == USER_PROPERTY:
            block += text(value[0]) + text(value[1])
        else:
            block += text(value)
    return variable(len(block)) + block


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + variable(len(body)) + body


def connect(client_id="", level=5, clean=True, keep_alive=60, props=(), will=None, user=None, password=None, flags=None,
            name="MQTT"):
    """`will`: Will(). `flags`: the connect flags, where they shall not fit the rest."""
    bits = (2 if clean else 0) | (128 if user is not None else 0) | (64 if password is not None else 0)
    if will is not None:
        bits |= 4 | will.qos << 3 | (32 if will.retain else 0)
    body = text(name) + bytes([level, bits if flags is None else flags]) + struct.pack(">H", keep_alive)
    body += properties(props) if level >= 5 else b""
    body += text(client_id)
    if will is not None:
        body += (properties(will.props) if level >= 5 else b"") + text(will.topic) + text(will.payload)
    body += text(user) if user is not None else b""
    body += text(password) if password is not None else b""
    return packet(CONNECT, body)


class Will:
    def __init__(self, topic, payload=b"gone", qos=0, retain=False, props=()):
        self.topic, self.payload, self.qos, self.retain, self.props = topic, payload, qos, retain, props


def publish(topic, payload=b"", qos=0, packet_id=1, level=5, retain=False, dup=False, props=()):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = text(topic) + (struct.pack(">H", packet_id) if qos else b"") + (properties(props) if level >= 5 else b"")
    return packet(PUBLISH, body + payload, (8 if dup else 0) | qos << 1 | (1 if retain else 0))


def ack(kind, packet_id, reason=None, level=5, props=()):
    body = struct.pack(">H", packet_id)
    if level >= 5 and (reason is not None or props):
        body += bytes([reason or 0]) + (properties(props) if props else b"")
    return packet(kind, body, 2 if kind == PUBREL else 0)


def subscribe(filters, packet_id=1, level=5, props=(), flags=2):
    """`filters`: [(filter, options), ...]; options are the bits of the standard: QoS, 4 No Local, 8 Retain As Published,
    16 and 32 Retain Handling."""
    body = struct.pack(">H", packet_id) + (properties(props) if level >= 5 else b"")
    return packet(SUBSCRIBE, body + b"".join(text(topic) + bytes([options]) for topic, options in filters), flags)


def unsubscribe(filters, packet_id=1, level=5, props=(), flags=2):
    body = struct.pack(">H", packet_id) + (properties(props) if level >= 5 else b"")
    return packet(UNSUBSCRIBE, body + b"".join(map(text, filters)), flags)


def disconnect(reason=None, level=5, props=()):
    if level < 5 or (reason is None and not props):
        return packet(DISCONNECT)
    return packet(DISCONNECT, bytes([reason or 0]) + (properties(props) if props else b""))


# Reading.

class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        assert self.at + size <= len(self.data), "a packet of the server ends within a field"
        self.at += size
        return self.data[self.at - size:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def variable(self):
        out, shift = 0, 0
        while True:
            byte = self.number(1)
            out |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return out

    def text(self):
        return self.take(self.number(2)).decode()

    def binary(self):
        return self.take(self.number(2))

    def left(self):
        return len(self.data) - self.at

    def properties(self):
        size = self.variable()
        end, out = self.at + size, []
        while self.at < end:
            number = self.variable()
            if number in _BYTES:
                value = self.number(1)
            elif number in _TWO_BYTES:
                value = self.number(2)
            elif number in _FOUR_BYTES:
                value = self.number(4)
            elif number == SUBSCRIPTION_ID:
                value = self.variable()
            elif number == USER_PROPERTY:
                value = (self.text(), self.text())
            else:
                value = self.binary() if number in _BINARY else self.text()
            out.append((number, value))
        assert self.at == end, "the properties of a packet of the server end within a property"
        return out


class Packet:
    """A packet of the server, taken apart. What its type does not have is None or empty."""

    def __init__(self, first, body, level):
        self.type, self.flags, self.body, self.size = first >> 4, first & 15, body, 1 + len(variable(len(body))) + len(body)
        self.packet_id = self.reason = self.topic = self.payload = self.session_present = None
        self.reasons, self.props = [], []
        self.qos, self.retain, self.dup = self.flags >> 1 & 3, bool(self.flags & 1), bool(self.flags & 8)
        fields = _Reader(body)
        if self.type == CONNACK:
            self.session_present, self.reason = fields.number(1), fields.number(1)
            self.props = fields.properties() if level >= 5 and fields.left() else []
        elif self.type == PUBLISH:
            self.topic = fields.text()
            self.packet_id = fields.number(2) if self.qos else None
            self.props = fields.properties() if level >= 5 else []
            self.payload = fields.take(fields.left())
        elif self.type in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.packet_id = fields.number(2)
            self.reason = fields.number(1) if level >= 5 and fields.left() else 0
            self.props = fields.properties() if fields.left() else []
        elif self.type in (SUBACK, UNSUBACK):
            self.packet_id = fields.number(2)
            self.props = fields.properties() if level >= 5 else []
            self.reasons = list(fields.take(fields.left()))
        elif self.type in (DISCONNECT, AUTH):
            self.reason = fields.number(1) if fields.left() else 0
            self.props = fields.properties() if fields.left() else []
        assert fields.left() == 0, "bytes behind the last field of a packet of the server"

    def values(self, number):
        return [value for each, value in self.props if each == number]

    def value(self, number):
        return next(iter(self.values(number)), None)

    def __repr__(self):
        return f"Packet(type {self.type}, flags {self.flags}, {self.body!r})"


class Wire:
    """A connection. read() gives the next packet, or None once the server has closed."""

    def __init__(self, address, level=5):
        self.level = level
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = b""
        self._early = []

    def send(self, data):
        self.socket.sendall(data)

    def _fill(self, size):
        while len(self._input) < size:
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                more = b""
            if not more:
                return False
            self._input += more
        return True

    def read(self):
        return self._early.pop(0) if self._early else self._read()

    def _read(self):
        size = 1
        while self._fill(size + 1) and self._input[size] & 128:
            size += 1
        if len(self._input) <= size:
            return None
        length = sum((byte & 127) << 7 * i for i, byte in enumerate(self._input[1:size + 1]))
        if not self._fill(size + 1 + length):
            return None
        first, body = self._input[0], self._input[size + 1:size + 1 + length]
        self._input = self._input[size + 1 + length:]
        return Packet(first, body, self.level)

    def rest(self):
        """All packets until the server closes; then closes too."""
        out = []
        while (each := self.read()) is not None:
            out.append(each)
        self.close()
        return out

    def close(self):
        self.socket.close()


class Client(Wire):
    """A connection whose CONNECT was answered: connack is the answer."""

    numbers = itertools.count(1)

    def __init__(self, address, client_id=None, level=5, **options):
        super().__init__(address, level)
        self.client_id = f"client-{next(self.numbers)}" if client_id is None else client_id
        self.send(connect(self.client_id, level, **options))
        self.connack = self.read()
        assert self.connack is not None and self.connack.type == CONNACK, self.connack

    def publish(self, topic, payload=b"", qos=0, packet_id=1, **more):
        """Sends it and, with QoS 1 and 2, goes through the whole handshake. Gives the first answer."""
        self.send(publish(topic, payload, qos, packet_id, self.level, **more))
        if qos == 0:
            return None
        answer = self.answer(PUBACK if qos == 1 else PUBREC)
        assert answer.packet_id == packet_id, answer
        if qos == 2 and answer.reason < 0x80:
            self.send(ack(PUBREL, packet_id, level=self.level))
            assert self.answer(PUBCOMP).packet_id == packet_id
        return answer

    def subscribe(self, *filters, qos=0, packet_id=10, props=()):
        """`filters`: texts, or pairs with their options. Gives the SUBACK."""
        pairs = [each if isinstance(each, tuple) else (each, qos) for each in filters]
        self.send(subscribe(pairs, packet_id, self.level, props))
        return self.answer(SUBACK)

    def unsubscribe(self, *filters, packet_id=11):
        self.send(unsubscribe(filters, packet_id, self.level))
        return self.answer(UNSUBACK)

    def ack(self, kind, packet_id, reason=None, props=()):
        self.send(ack(kind, packet_id, reason, self.level, props))

    def expect(self, kind):
        found = self.read()
        assert found is not None and found.type == kind, f"expected a packet of type {kind}, got {found}"
        return found

    def heard(self):
        """The next PUBLISH, answered as its QoS asks."""
        message = self.expect(PUBLISH)
        if message.qos == 1:
            self.ack(PUBACK, message.packet_id)
        elif message.qos == 2:
            self.ack(PUBREC, message.packet_id)
            assert self.answer(PUBREL).packet_id == message.packet_id
            self.ack(PUBCOMP, message.packet_id)
        return message

    def answer(self, kind):
        """As expect(), but messages that come before it are kept for later."""
        early = []
        while (found := self.read()) is not None and found.type == PUBLISH:
            early.append(found)
        self._early = early + self._early
        assert found is not None and found.type == kind, f"expected a packet of type {kind}, got {found}"
        return found

    def ping(self):
        """All that was sent before it has been read by the server then, and nothing came in between."""
        self.send(packet(PINGREQ))
        return self.expect(PINGRESP)

    def leave(self, reason=None):
        self.send(disconnect(reason, self.level))
        return self.rest()
