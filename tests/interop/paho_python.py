"""Eclipse Paho for Python against the node; see features.py."""
import os
import queue
import sys

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from features import PATIENCE_S, SHARED, expect, run

HOST, PORT, VERSION = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ROOT = f"interop/paho-python/{VERSION}/{os.getpid()}"
numbers = iter(range(1000))


class Client:
    def __init__(self, will=None):
        arguments = {"client_id": f"paho-python-{os.getpid()}-{next(numbers)}", "protocol": VERSION}
        if hasattr(paho, "CallbackAPIVersion"):  # paho 2
            self.client = paho.Client(paho.CallbackAPIVersion.VERSION1, **arguments)
        else:
            self.client = paho.Client(**arguments)
        self.messages, self.events = queue.Queue(), queue.Queue()
        self.client.on_message = lambda _c, _u, message: self.messages.put(message)
        self.client.on_connect = lambda _c, _u, _f, reason, *_: self.events.put(int(getattr(reason, "value", reason)))
        self.client.on_subscribe = lambda *_: self.events.put("subscribed")
        if will:
            self.client.will_set(will, "gone", 1)
        self.client.connect(HOST, PORT)
        self.client.loop_start()
        expect(self.events.get(timeout=PATIENCE_S), 0)

    def subscribe(self, *topics, qos=1):
        self.client.subscribe([(each, paho.SubscribeOptions(qos) if VERSION == 5 else qos) for each in topics])
        expect(self.events.get(timeout=PATIENCE_S), "subscribed")
        return self

    def publish(self, topic, payload, qos=1, **more):
        sent = self.client.publish(topic, payload, qos, **more)
        sent.wait_for_publish(PATIENCE_S)
        if not sent.is_published():
            raise AssertionError("no acknowledgement")

    def message(self):
        return self.messages.get(timeout=PATIENCE_S)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def round_trip(qos):
    client = Client().subscribe(f"{ROOT}/q{qos}/+", qos=qos)
    client.publish(f"{ROOT}/q{qos}/a", "hello", qos)
    message = client.message()
    expect((message.topic, message.payload, message.qos, message.retain), (f"{ROOT}/q{qos}/a", b"hello", qos, 0))
    client.leave()


def retained():
    client = Client()
    client.publish(f"{ROOT}/kept", "kept", 1, retain=True)
    client.subscribe(f"{ROOT}/kept")
    message = client.message()
    expect((message.payload, message.qos, message.retain), (b"kept", 1, 1))
    client.publish(f"{ROOT}/kept", None, 1, retain=True)
    client.leave()


def will():
    watcher = Client().subscribe(f"{ROOT}/will")
    child = os.fork()
    if child == 0:
        Client(f"{ROOT}/will")
        os._exit(0)  # Without a DISCONNECT.
    os.waitpid(child, 0)
    expect(watcher.message().payload, b"gone")
    watcher.leave()


def shared():
    members = [Client().subscribe(f"$share/g/{ROOT}/s", f"{ROOT}/end") for _ in range(2)]
    for number in range(SHARED):
        members[0].publish(f"{ROOT}/s", str(number))
    members[0].publish(f"{ROOT}/end", "end")
    got = []
    for member in members:
        while (message := member.message()).payload != b"end":
            got.append(int(message.payload))
        member.leave()
    expect(sorted(got), [*range(SHARED)])


def properties():
    client = Client().subscribe(f"{ROOT}/p")
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = [("key", "value"), ("key", "again")]
    sent.ResponseTopic, sent.CorrelationData, sent.ContentType, sent.MessageExpiryInterval = "a/b", b"\0\1", "text", 1000
    client.publish(f"{ROOT}/p", "x", 1, properties=sent)
    got = client.message().properties
    expect((got.UserProperty, got.ResponseTopic, got.CorrelationData, got.ContentType),
           (sent.UserProperty, "a/b", b"\0\1", "text"))
    client.leave()


TRIES = {"qos0": lambda: round_trip(0), "qos1": lambda: round_trip(1), "qos2": lambda: round_trip(2), "retained": retained,
         "will": will, "shared": shared}
if VERSION == 5:
    TRIES["properties"] = properties
run(TRIES)
