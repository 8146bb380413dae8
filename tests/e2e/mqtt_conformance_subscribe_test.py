"""SUBSCRIBE and UNSUBSCRIBE, and what they change."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBLISH, SUBACK, SUBSCRIBE, UNSUBACK, UNSUBSCRIBE, packet, subscribe, unsubscribe


class Subscribing(MqttCase):
    def test_each_filter_is_answered_in_its_place(self):
        """[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-4] [MQTT-3.8.4-5] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT5-3.8.4-1]
        [MQTT5-3.8.4-2] [MQTT5-3.8.4-5] [MQTT5-3.8.4-6] [MQTT5-3.8.4-7] [MQTT5-3.9.3-1] [MQTT5-3.9.3-2]
        [MQTT-2.3.1-7] [MQTT5-2.2.1-6]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            answer = client.subscribe(("a/b", 2), ("a/+", 0), ("#", 1), ("a/b", 1), packet_id=65535)
            self.assertEqual((answer.packet_id, answer.reasons), (65535, [2, 0, 1, 1]))

    def test_a_subscription_to_the_same_filter_replaces_the_earlier_one(self):
        """[MQTT-3.8.4-3] [MQTT5-3.8.4-3]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level, qos=2)
            self.assertEqual(subscriber.subscribe((topic, 0)).reasons, [0])
            publisher.publish(topic, "once", 2)
            publisher.publish(topic, "last", 2)
            messages = [subscriber.heard(), subscriber.heard()]
            self.assertEqual([(each.payload, each.qos) for each in messages], [(b"once", 0), (b"last", 0)])

    def test_replacing_a_subscription_loses_no_message(self):
        """[MQTT5-3.8.4-4] [MQTT-3.8.4-3]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic, qos=1)
        for number in range(100):
            publisher.send(mqtt.publish(topic, str(number), 1, number + 1))
            subscriber.send(subscribe([(topic, 1)], number + 1))
        payloads, answers = [], 0
        while len(payloads) < 100 or answers < 100:
            each = subscriber.read()
            if each.type == SUBACK:
                answers += 1
            else:
                subscriber.ack(mqtt.PUBACK, each.packet_id)
                payloads.append(int(each.payload))
        self.assertEqual(payloads, [*range(100)])

    def test_packets_with_other_header_flags_or_without_a_filter_are_refused(self):
        """[MQTT-3.8.1-1] [MQTT-3.8.3-3] [MQTT5-3.8.1-1] [MQTT5-3.8.3-2] [MQTT-3.10.1-1] [MQTT-3.10.3-2] [MQTT5-3.10.1-1]
        [MQTT5-3.10.3-2] [MQTT-2.2.2-1] [MQTT-2.2.2-2] [MQTT5-2.1.3-1]"""
        for level in self.LEVELS:
            for flags in (0, 1, 3, 6, 10, 15):
                for data in (subscribe([("a", 0)], level=level, flags=flags), unsubscribe(["a"], level=level, flags=flags)):
                    client = self.client(level=level)
                    client.send(data)
                    self.assert_refused(client, 0x81)
            for data in (subscribe([], level=level), unsubscribe([], level=level)):
                client = self.client(level=level)
                client.send(data)
                self.assert_refused(client, 0x82)

    def test_filters_that_are_no_filters_are_refused(self):
        """[MQTT-3.8.3-1] [MQTT5-3.8.3-1] [MQTT-3.10.3-1] [MQTT5-3.10.3-1] [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT5-4.7.1-1]
        [MQTT5-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT5-4.7.3-1] [MQTT5-4.7.3-2] [MQTT-3.8.3-2]"""
        for level in self.LEVELS:
            for bad in (b"", b"\xff", b"a\0", b"a#", b"#/a", b"a/#/b", b"+a", b"a+/b", b"a/+b", b"##", b"++"):
                for data in (subscribe([(bad, 0)], level=level), unsubscribe([bad], level=level)):
                    with self.subTest(level=level, data=data):
                        client = self.client(level=level)
                        client.send(data)
                        self.assert_refused(client)

    def test_options_with_reserved_bits_are_refused(self):
        """[MQTT-3-8.3-4] [MQTT5-3.8.3-5]"""
        for level, options in [(4, each) for each in (3, 4, 8, 16, 64, 128)] + [(5, each) for each in (3, 0x30, 64, 128)]:
            client = self.client(level=level)
            client.send(subscribe([("a", options)], level=level))
            self.assert_refused(client)

    def test_no_local_keeps_a_clients_own_messages_from_it(self):
        """[MQTT5-3.8.3-3]"""
        topic = self.topic()
        subscriber, publisher = self.client(), self.client()
        subscriber.subscribe((topic, 1 | 4))
        subscriber.publish(topic, "own", 1)
        publisher.publish(topic, "last", 1)
        self.assertEqual(self.payloads_until(subscriber, b"last"), [])
        subscriber.subscribe((topic + "/#", 1))  # Does not mind.
        subscriber.publish(topic, "own", 1)
        publisher.publish(topic, "last", 1)
        self.assertEqual(self.payloads_until(subscriber, b"last"), [b"own"])

    def test_after_its_unsuback_nothing_more_of_a_filter_comes(self):
        """[MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-4] [MQTT5-3.10.4-1] [MQTT5-3.10.4-2] [MQTT5-3.10.4-4]
        [MQTT5-3.11.3-2]"""
        for level in self.LEVELS:
            topic, other = self.topic(), self.topic()
            subscriber, publisher = self.pair(topic, other, level=level)
            answer = subscriber.unsubscribe(topic, packet_id=77)
            self.assertEqual((answer.packet_id, answer.reasons), (77, [0] if level == 5 else []))
            publisher.publish(topic, "no", 1)
            publisher.publish(other, "last", 1)
            self.assertEqual(self.payloads_until(subscriber, b"last"), [])

    def test_a_filter_is_removed_only_by_itself(self):
        """[MQTT-3.10.4-1] [MQTT5-3.10.4-1]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic + "/+")
        self.assertEqual(subscriber.unsubscribe(topic + "/#", topic + "/a", topic).reasons, [0x11] * 3)
        publisher.publish(topic + "/a", "still", 1)
        self.assertEqual(subscriber.heard().payload, b"still")

    def test_messages_that_were_sent_are_finished_after_an_unsubscribe(self):
        """[MQTT-3.10.4-3] [MQTT5-3.10.4-3]"""
        topic = self.topic()
        for qos in (1, 2):
            subscriber, publisher = self.pair(topic)
            publisher.publish(topic, "on its way", qos)
            message = subscriber.expect(PUBLISH)
            subscriber.unsubscribe(topic)
            if qos == 1:
                subscriber.ack(mqtt.PUBACK, message.packet_id)
            else:
                subscriber.ack(mqtt.PUBREC, message.packet_id)
                self.assertEqual(subscriber.expect(mqtt.PUBREL).packet_id, message.packet_id)
                subscriber.ack(mqtt.PUBCOMP, message.packet_id)
            subscriber.ping()

    def test_an_unsubscribe_is_answered_filter_by_filter_though_none_existed(self):
        """[MQTT-3.10.4-5] [MQTT-3.10.4-6] [MQTT5-3.10.4-5] [MQTT5-3.10.4-6] [MQTT5-3.11.3-1]"""
        client = self.client()
        client.subscribe("b")
        self.assertEqual(client.unsubscribe("a", "b", "b").reasons, [0x11, 0, 0x11])
        old = self.client(level=4)
        self.assertEqual(old.unsubscribe("a", "b").body, b"\0\x0b")

    def test_ids_0_are_refused(self):
        """[MQTT-2.3.1-1] [MQTT5-2.2.1-3]"""
        for level in self.LEVELS:
            for data in (subscribe([("a", 0)], 0, level), unsubscribe(["a"], 0, level)):
                client = self.client(level=level)
                client.send(data)
                self.assert_refused(client, 0x81)

    def test_a_filter_cut_off_by_the_end_of_the_packet_is_malformed(self):
        """[MQTT5-4.13.1-1] [MQTT-4.8.0-1] [MQTT5-4.13.2-1]"""
        for level in self.LEVELS:
            for kind in (SUBSCRIBE, UNSUBSCRIBE):
                client = self.client(level=level)
                client.send(packet(kind, b"\0\1" + (b"\0" if level == 5 else b"") + b"\0\5abc", 2))
                self.assert_refused(client, 0x81)


if __name__ == "__main__":
    unittest.main()
