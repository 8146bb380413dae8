"""kill -9 again and again while clients publish to sessions that are kept: what was acknowledged arrives, QoS 2 once.

Publishers and subscribers follow the standard: what is unanswered when the connection ends is sent again on the next
one, with DUP and its packet id. Cycles: SPATE_SESSION_CYCLES (default 8); the seed: SPATE_FAULTS_SEED.
"""
import os
import random
import time
import unittest

import mqtt_wire as wire
from spate_node import Directory, Node

CYCLES = int(os.environ.get("SPATE_SESSION_CYCLES", "8"))
SEED = int(os.environ.get("SPATE_FAULTS_SEED", "1"))
KEPT = [(0x11, 3600)]  # Session Expiry Interval
WINDOW = 20


class Publisher:
    """Sends numbered messages with QoS 1 or 2; knows which are acknowledged."""

    def __init__(self, name, qos):
        self.name, self.qos = name, qos
        self.next = 1
        self.unanswered = {}  # packet id -> (number, PUBREC came)
        self.acknowledged = []
        self.client = None

    def connect(self, address):
        self.client = wire.Client(address, self.name, clean=False, props=KEPT)
        for packet_id, (number, received) in list(self.unanswered.items()):
            if received:
                self.client.send(wire.ack(wire.PUBREL, packet_id))
            else:
                self.send(packet_id, number, dup=True)

    def send(self, packet_id, number, dup=False):
        self.client.send(wire.publish(f"kept/{self.name}", str(number).encode(), self.qos, packet_id, dup=dup))

    def turn(self):
        while len(self.unanswered) < WINDOW:
            packet_id = (self.next - 1) % 60000 + 1
            self.unanswered[packet_id] = (self.next, False)
            self.send(packet_id, self.next)
            self.next += 1
        self.answer(self.client.read())

    def answer(self, packet):
        if packet is None:
            raise OSError("the node is gone")
        number, _ = self.unanswered.get(packet.packet_id, (None, None))
        if packet.type == wire.PUBREC:
            self.unanswered[packet.packet_id] = (number, True)
            self.client.send(wire.ack(wire.PUBREL, packet.packet_id))
        elif packet.type in (wire.PUBACK, wire.PUBCOMP) and number is not None:
            del self.unanswered[packet.packet_id]
            self.acknowledged.append(number)

    def finish(self):
        while self.unanswered:
            self.answer(self.client.read())


class Subscriber:
    def __init__(self, name, topic, qos):
        self.name, self.topic, self.qos = name, topic, qos
        self.numbers = []
        self.received = set()  # QoS 2 ids between PUBLISH and PUBREL
        self.client = None

    def connect(self, address):
        self.client = wire.Client(address, self.name, clean=False, props=KEPT)

    def take(self, seconds):
        """Reads until nothing has come for a while."""
        self.client.socket.settimeout(seconds)
        while True:
            try:
                packet = self.client.read()
            except TimeoutError:
                return
            if packet is None:
                raise OSError("the node is gone")
            if packet.type == wire.PUBLISH and packet.qos == 1:
                self.numbers.append(int(packet.payload))
                self.client.send(wire.ack(wire.PUBACK, packet.packet_id))
            elif packet.type == wire.PUBLISH:
                if packet.packet_id not in self.received:
                    self.received.add(packet.packet_id)
                    self.numbers.append(int(packet.payload))
                self.client.send(wire.ack(wire.PUBREC, packet.packet_id))
            elif packet.type == wire.PUBREL:
                self.received.discard(packet.packet_id)
                self.client.send(wire.ack(wire.PUBCOMP, packet.packet_id))


class Sessions(unittest.TestCase):
    def run_cycles(self, qos):
        dice = random.Random(SEED * 10 + qos)
        publisher, subscriber = Publisher(f"p{qos}", qos), Subscriber(f"s{qos}", f"kept/p{qos}", qos)
        with Directory() as directory:
            node = Node(directory / "data", "--shards", "1", "--loops", "3").wait_ready()
            subscriber.connect(node.mqtt)
            subscriber.client.subscribe(subscriber.topic, qos=qos)
            for _ in range(CYCLES):
                publisher.connect(node.mqtt)
                until = time.monotonic() + 0.05 + 0.3 * dice.random()
                try:
                    while time.monotonic() < until:
                        publisher.turn()
                        if dice.random() < 0.02:
                            subscriber.take(0.02)
                    node.kill()
                except OSError:
                    self.fail("the node died by itself:\n" + "\n".join(node.log[-5:]))
                node = Node(directory / "data", "--shards", "1", "--loops", "3", mqtt=node.mqtt).wait_ready()
                subscriber.connect(node.mqtt)
                if dice.random() < 0.5:
                    subscriber.take(0.1)
            publisher.connect(node.mqtt)
            publisher.finish()
            subscriber.take(1.0)
            node.terminate()
        self.assertGreater(len(publisher.acknowledged), 20 * CYCLES)
        return publisher, subscriber

    def test_qos_1_arrives_at_least_once_in_order_over_kills(self):
        publisher, subscriber = self.run_cycles(1)
        self.assertEqual(set(publisher.acknowledged) - set(subscriber.numbers), set())
        first = list(dict.fromkeys(subscriber.numbers))  # [MQTT-4.6.0-6], repeats left out
        self.assertEqual(first, sorted(first))

    def test_qos_2_arrives_exactly_once_in_order_over_kills(self):
        publisher, subscriber = self.run_cycles(2)
        self.assertEqual(sorted(publisher.acknowledged), subscriber.numbers)


if __name__ == "__main__":
    unittest.main()
