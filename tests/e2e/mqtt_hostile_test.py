"""Attacks on the MQTT server that took down others: each costs the node a bounded amount, and nobody else notices.

SPATE_HALF_OPEN: connections of the half-open test (short form: 400; the long form is 18,000, which needs the limits of
open files for it)."""
import itertools
import os
import re
import socket
import threading
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import Client, Wire, connect, packet, publish, subscribe

HALF_OPEN = int(os.environ.get("SPATE_HALF_OPEN", "400"))
STORM = int(os.environ.get("SPATE_TAKE_OVERS", "2000"))


class Hostile(MqttCase):
    CONFIG = "[mqtt]\nconnect_timeout_ms = 2000\n"

    def rss_growth(self, attack):
        """Of the second of two equal rounds: the first one fills what is kept for use."""
        attack()
        before = self.node.rss_bytes()
        attack()
        return self.node.rss_bytes() - before

    def test_qos_2_that_is_never_finished_ends_at_the_receive_maximum(self):
        client = self.client()
        client.send(b"".join(publish("never/finished", "x" * 100, 2, number) for number in range(1, 2001)))
        answers = client.rest()
        self.assertEqual((answers[-1].type, answers[-1].reason), (mqtt.DISCONNECT, 0x93))
        self.assertLessEqual(len(answers), 1001)
        old = self.client(level=4)  # Knows no limit: its 65,535 ids are one.
        old.send(b"".join(publish("never/finished", "", 2, number, 4) for number in range(1, 65536)))
        self.assertEqual([old.expect(mqtt.PUBREC).packet_id for _ in range(65535)], [*range(1, 65536)])
        for number in (1, 65535):
            old.ack(mqtt.PUBREL, number)
            old.expect(mqtt.PUBCOMP)

    def test_a_subscriber_that_never_finishes_qos_2_holds_its_window_only(self):
        topic = self.topic()
        mute = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 10)])
        mute.subscribe(topic, qos=2)
        publisher = self.client()
        for number in range(3000):
            publisher.publish(topic, "x" * 1000, 1)
        window = [mute.expect(mqtt.PUBLISH) for _ in range(10)]
        for message in window:
            mute.ack(mqtt.PUBREC, message.packet_id)
            mute.expect(mqtt.PUBREL)
        mute.ping()

    def test_64_kib_of_user_properties_are_refused_in_every_packet_that_takes_some(self):
        block = [(mqtt.USER_PROPERTY, ("", ""))] * (65536 // 5)
        will = mqtt.Will("w", props=block)
        for data in (publish("a", "", 1, props=block), subscribe([("a", 0)], props=block),
                     mqtt.unsubscribe(["a"], props=block), mqtt.ack(mqtt.PUBACK, 1, 0, props=block),
                     mqtt.ack(mqtt.PUBREL, 1, 0, props=block), mqtt.disconnect(0, props=block)):
            client = self.client()
            client.send(data)
            self.assert_refused(client)
        for data in (connect("a", props=block), connect("a", will=will)):
            stranger = self.wire()
            try:
                stranger.send(data)
            except ConnectionError:
                pass  # Refused by its length, before it was whole.
            self.assertTrue(all(each.reason in (0x82, 0x95) for each in stranger.rest()))

    def test_thousands_of_connects_with_bad_wills_leave_nothing_behind(self):
        will = mqtt.Will("bad/#", b"x" * 3000, props=[(mqtt.USER_PROPERTY, ("k" * 1000, "v" * 1000))])

        def attack():
            for number in range(1500):
                stranger = Wire(self.node.mqtt)
                stranger.send(connect(f"leak-{number}", will=will))
                self.assertNotEqual(stranger.rest()[0].reason, 0)

        self.assertLess(self.rss_growth(attack), 4 << 20)

    def test_subscription_bombs_stop_at_their_limits(self):
        for level in self.LEVELS:
            many = self.client(level=level)
            many.send(subscribe([(f"bomb/{number}", 0) for number in range(101)], 1, level))
            self.assert_refused(many)  # More in one packet than is read.
            client = self.client(level=level)
            reasons = []
            for part in range(3):
                filters = [f"bomb/{number}" for number in range(part * 60, part * 60 + 60)]
                reasons += client.subscribe(*filters).reasons
            self.assertEqual(reasons, [0] * 100 + [0x97 if level == 5 else 0x80] * 80)
            client.unsubscribe("bomb/0")
            self.assertEqual(client.subscribe("bomb/170").reasons, [0])
            deep = self.client(level=level)
            self.assertEqual(deep.subscribe("/" * 127, "+/" * 127 + "#").reasons, [0, 0])
            long = self.client(level=level)
            for number in range(10):
                long.subscribe(f"{number}/" + "x" * 60_000)
            for bad in ("/" * 128, "+/" * 128 + "#", "/" * 65_535, "+/" * 30_000 + "#"):
                broken = self.client(level=level)
                broken.send(subscribe([(bad, 0)], 1, level))
                self.assert_refused(broken)

    def test_subscriptions_of_clients_that_leave_take_no_memory(self):
        def attack():
            for _ in range(40):
                client = Client(self.node.mqtt)
                for part in range(2):
                    names = [f"{client.client_id}/{part}/{number}/" + "+/" * 60 + "#" for number in range(50)]
                    client.subscribe(*names)
                client.close()
            self.client().ping()

        self.assertLess(self.rss_growth(attack), 8 << 20)

    def test_many_wildcards_and_a_deep_topic_take_no_time_worth_naming(self):
        client = self.client()
        client.subscribe(*["/".join(f"{mask >> bit & 1 and '+' or 'a'}" for bit in range(7)) + "/+" * 100 + "/#"
                           for mask in range(100)])
        publisher = self.client()
        topic = "/".join("a" * 128)
        for _ in range(200):
            publisher.publish(topic, "x", 1)
        for _ in range(200):
            self.assertEqual(client.heard().topic, topic)  # One copy, though 100 filters take it.
        client.ping()

    def test_take_over_storms_end_with_one_session(self):
        topic = self.topic()
        publisher = self.client()
        stop = threading.Event()

        def storm(level):
            for number in range(STORM // 2):
                each = Wire(self.node.mqtt, level)
                try:
                    each.send(connect("contested", level, will=mqtt.Will(topic + "/will", "w"), keep_alive=30) +
                              subscribe([(topic, number % 3)], 1, level) + publish(topic, "own", 1, 2, level))
                    each.read()
                    if number % 3 == 0:
                        each.send(mqtt.disconnect(level=level))
                except ConnectionError:
                    pass  # The other one was quicker.
                each.close()

        def noise():
            while not stop.is_set():
                publisher.publish(topic, "noise", 1)

        threads = [threading.Thread(target=storm, args=(level,)) for level in self.LEVELS]
        background = threading.Thread(target=noise)
        background.start()
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        stop.set()
        background.join()
        last = self.client("contested")
        last.subscribe(topic)
        publisher.publish(topic, "last", 1)
        while last.heard().payload != b"last":
            pass
        last.leave()

    def test_half_open_connections_are_closed_by_their_deadline(self):
        whole = connect("half-open", will=mqtt.Will("half/open"))
        good = self.client()
        topic = self.topic()
        good.subscribe(topic, qos=1)
        half = []
        for number in range(HALF_OPEN):
            each = socket.create_connection(self.node.mqtt, timeout=mqtt.PATIENCE_S)
            each.sendall(whole[:number % len(whole)])
            half.append(each)
            if number % 50 == 0:
                good.publish(topic, "still", 1)
        for each in half:
            try:
                self.assertEqual(each.recv(1), b"")  # Waits for the server's end.
            except ConnectionResetError:
                pass
            each.close()
        while int(re.search(r"^spate_mqtt_connections (\d+)", self.node.text("/metrics"), re.M)[1]) > 1:
            pass
        for _ in range(len(range(0, HALF_OPEN, 50))):
            self.assertEqual(good.read().type, mqtt.PUBLISH)

    def test_a_connect_above_its_limit_is_refused_by_its_header(self):
        for length in (b"\x80\x80\x01", b"\xff\xff\xff\x7f"):  # 16 KiB, 256 MiB.
            stranger = self.wire()
            stranger.send(b"\x10" + length + b"\0\4MQTT\5\2\0\0")
            self.assertTrue(all(each.type == mqtt.CONNACK and each.reason for each in stranger.rest()))

    def test_client_ids_are_no_patterns_and_no_paths(self):
        for level, name in itertools.product(self.LEVELS, ("+", "#", "../..", "/", "a\nb", "%s%n", ".", "$SYS", "a" * 4000)):
            client = self.client(name, level)
            client.publish("devices/x/telemetry", '{"a":1}', 1)
            client.publish("plain", "x", 1)
            client.leave()

    def test_bytes_of_another_protocol_get_no_answer(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"SSH-2.0-x\r\n", b"\0" * 100,
                     packet(15, b"x" * 100), b"\x10\0"):
            stranger = self.wire()
            stranger.send(data)
            self.assertTrue(all(each.reason for each in stranger.rest()))


if __name__ == "__main__":
    unittest.main()
