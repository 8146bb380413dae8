"""Every packet type before CONNECT, after it and after DISCONNECT; every packet cut at every byte; lengths that lie."""
import itertools
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import Will, connect, packet, publish, subscribe, unsubscribe

USERS = [(mqtt.USER_PROPERTY, ("key", "value"))]


def samples(level):
    """A good packet of each type, by its type; None where the type has none here."""
    five = level == 5
    return {
        0: b"\0\0",
        mqtt.CONNECT: connect("sample", level, props=USERS, will=Will("w", "p", 1, props=USERS), user="u", password="p"),
        mqtt.CONNACK: packet(mqtt.CONNACK, b"\0\0" + (b"\0" if five else b"")),
        mqtt.PUBLISH: publish("sample/a", "payload", 1, 3, level, props=USERS + [(mqtt.CONTENT_TYPE, "t")]),
        mqtt.PUBACK: mqtt.ack(mqtt.PUBACK, 3, 0x10, level, USERS),
        mqtt.PUBREC: mqtt.ack(mqtt.PUBREC, 3, 0x10, level, USERS),
        mqtt.PUBREL: mqtt.ack(mqtt.PUBREL, 3, 0x92, level, USERS),
        mqtt.PUBCOMP: mqtt.ack(mqtt.PUBCOMP, 3, 0x92, level, USERS),
        mqtt.SUBSCRIBE: subscribe([("sample/s", 1), ("+/t/#", 0)], 3, level, [(mqtt.SUBSCRIPTION_ID, 9)] + USERS),
        mqtt.SUBACK: packet(mqtt.SUBACK, b"\0\3" + (b"\0" if five else b"") + b"\0"),
        mqtt.UNSUBSCRIBE: unsubscribe(["sample/s", "+/t/#"], 3, level, USERS),
        mqtt.UNSUBACK: packet(mqtt.UNSUBACK, b"\0\3" + (b"\0\0" if five else b"")),
        mqtt.PINGREQ: packet(mqtt.PINGREQ),
        mqtt.PINGRESP: packet(mqtt.PINGRESP),
        mqtt.DISCONNECT: mqtt.disconnect(0x04, level, USERS),
        mqtt.AUTH: packet(mqtt.AUTH, b"\x18" + mqtt.properties([(mqtt.AUTH_METHOD, "m")])),
    }


ANSWERED = {mqtt.PUBLISH: mqtt.PUBACK, mqtt.PUBREL: mqtt.PUBCOMP, mqtt.PUBREC: mqtt.PUBREL, mqtt.SUBSCRIBE: mqtt.SUBACK,
            mqtt.UNSUBSCRIBE: mqtt.UNSUBACK, mqtt.PINGREQ: mqtt.PINGRESP}
SILENT = {mqtt.PUBACK, mqtt.PUBCOMP}


class EveryPacket(MqttCase):
    def test_before_a_connect_every_other_packet_ends_the_connection_unanswered(self):
        """[MQTT-3.1.0-1] [MQTT5-3.1.0-1] [MQTT5-3.14.0-1]"""
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                if kind != mqtt.CONNECT:
                    stranger = self.wire(level)
                    stranger.send(data)
                    self.assertEqual(stranger.rest(), [], (level, kind))

    def test_after_a_connect_each_packet_is_answered_or_ends_the_connection(self):
        """[MQTT-3.1.0-2] [MQTT5-3.1.0-2] [MQTT5-4.13.2-1]"""
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                with self.subTest(level=level, kind=kind):
                    client = self.client(level=level)
                    client.send(data)
                    if kind in ANSWERED:
                        client.expect(ANSWERED[kind])
                        client.ping()
                    elif kind in SILENT:
                        client.ping()
                    elif kind == mqtt.DISCONNECT:
                        self.assertEqual(client.rest(), [])
                    else:
                        self.assert_refused(client)

    def test_after_a_disconnect_no_packet_is_looked_at(self):
        """[MQTT-3.14.4-1] [MQTT5-3.14.4-1]"""
        watcher = self.client()
        watcher.subscribe("sample/#")
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                client = self.client(level=level)
                client.send(mqtt.disconnect(level=level) + data)
                self.assertEqual(client.rest(), [], (level, kind))
        self.client().publish("sample/end", "last", 1)
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_a_packet_cut_at_any_byte_and_gone_does_nothing(self):
        """[MQTT5-4.13.1-1] [MQTT-4.8.0-1]"""
        watcher = self.client()
        watcher.subscribe("sample/#")
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                for cut in range(1, len(data)):
                    half = self.wire(level) if kind == mqtt.CONNECT else self.client("cut", level)
                    half.send(data[:cut])
                    half.close()
        self.client().publish("sample/end", "last", 1)
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_a_packet_whose_length_ends_it_early_is_refused_or_a_shorter_packet(self):
        """[MQTT5-4.13.1-1] [MQTT-4.8.0-1]"""
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                body = data[2:]  # All are shorter than 128 bytes.
                for cut in range(len(body)):
                    shorter = bytes([data[0], cut]) + body[:cut]
                    if kind == mqtt.CONNECT:
                        client = self.wire(level)
                        client.send(shorter)
                        self.assertTrue(all(each.type == mqtt.CONNACK for each in client.rest()))
                        continue
                    client = self.client("short", level)
                    client.send(shorter + mqtt.disconnect(level=level))
                    self.assertLessEqual({each.type for each in client.rest()}, {ANSWERED.get(kind), mqtt.DISCONNECT})

    def test_lengths_that_lie_end_the_connection(self):
        """[MQTT5-4.13.1-1] [MQTT5-1.5.5-1]"""
        for level in self.LEVELS:
            for kind, data in samples(level).items():
                if kind in (mqtt.PINGREQ, mqtt.PINGRESP, 0) or (level == 4 and kind == mqtt.AUTH):
                    continue
                for first, last in itertools.product((b"\xff\xff", b"\x7f\xff"), (b"", b"\xff" * 20)):
                    body = first + data[4:] + last  # The first field's length, or the packet id.
                    client = self.wire(level) if kind == mqtt.CONNECT else self.client("liar", level)
                    client.send(packet(kind, body, data[0] & 15) + mqtt.disconnect(level=level))
                    client.rest()  # It ends, and the node lives on.
        client = self.client()
        client.send(b"\x30\xff\xff\xff\xff\x01")
        self.assert_refused(client, 0x81)

    def test_every_packet_may_come_byte_by_byte(self):
        """[MQTT-4.2.0-1] [MQTT5-4.2.0-1]"""
        for level in self.LEVELS:
            wire = self.wire(level)
            wanted = samples(level)
            stream = wanted[mqtt.CONNECT] + b"".join(wanted[kind] for kind in ANSWERED)
            for byte in stream:
                wire.send(bytes([byte]))
            answers = [wire.read().type for _ in range(1 + len(ANSWERED))]
            self.assertEqual(answers[0], mqtt.CONNACK)
            self.assertEqual(sorted(answers[1:]), sorted(ANSWERED.values()))  # A PUBACK waits for its commit.


if __name__ == "__main__":
    unittest.main()
