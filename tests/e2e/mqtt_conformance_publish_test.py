"""PUBLISH between clients at QoS 0 and 1, its order, and what travels with a message."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBACK, PUBLISH, packet, publish


class Publishing(MqttCase):
    def test_every_message_reaches_its_subscribers_at_the_lower_qos(self):
        """[MQTT-3.8.4-6] [MQTT5-3.8.4-8] [MQTT-4.5.0-1] [MQTT5-4.5.0-1] [MQTT-3.3.2-3] [MQTT5-3.3.2-3] [MQTT5-3.3.4-1]
        [MQTT-3.3.4-1]"""
        for level in self.LEVELS:
            for granted in range(3):
                topic = self.topic()
                subscriber, publisher = self.pair(topic, level=level, qos=granted)
                for qos in range(3):
                    publisher.publish(topic, f"at {qos}", qos, packet_id=qos + 1)
                    message = subscriber.heard()
                    self.assertEqual((message.topic, message.payload), (topic, f"at {qos}".encode()))
                    self.assertEqual(message.qos, min(qos, granted))

    def test_answers_carry_the_id_of_their_packet(self):
        """[MQTT-2.3.1-6] [MQTT5-2.2.1-5] [MQTT-4.3.2-2] [MQTT5-4.3.2-4] [MQTT5-4.3.2-5] [MQTT5-3.4.2-1] [MQTT5-3.5.2-1]
        [MQTT5-3.7.2-1]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            for packet_id in (1, 255, 256, 65535, 1):  # An id is free again once it was acknowledged.
                for qos in (1, 2):
                    client.publish(self.topic(), "x", qos, packet_id)

    def test_messages_of_the_server_have_ids_that_are_not_0_and_not_in_use(self):
        """[MQTT-2.3.1-2] [MQTT-2.3.1-4] [MQTT5-2.2.1-4] [MQTT5-4.3.2-1] [MQTT5-4.3.3-1] [MQTT-2.3.1-5] [MQTT5-2.2.1-2]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic)
        for number in range(60):
            publisher.publish(topic, str(number), number % 3, number + 1)
        messages = [subscriber.expect(PUBLISH) for _ in range(60)]
        ids = [each.packet_id for each in messages if each.qos]
        self.assertEqual(len({*ids}), 40)
        self.assertNotIn(0, ids)
        self.assertTrue(all(each.packet_id is None for each in messages if each.qos == 0))

    def test_dup_is_for_what_is_sent_again_and_never_copied(self):
        """[MQTT-3.3.1-2] [MQTT-3.3.1-3] [MQTT5-3.3.1-2] [MQTT5-3.3.1-3] [MQTT5-4.3.1-1] [MQTT-4.3.1-1] [MQTT-4.3.2-1]
        [MQTT5-4.3.2-2] [MQTT5-4.3.3-2]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level)
            for qos in (1, 2):
                publisher.publish(topic, "x", qos, dup=True)
                self.assertFalse(subscriber.heard().dup)
            publisher.send(publish(topic, "x", 0, level=level, dup=True))
            self.assert_refused(publisher, 0x81)

    def test_qos_3_and_id_0_are_malformed(self):
        """[MQTT-3.3.1-4] [MQTT5-3.3.1-4] [MQTT-2.3.1-1] [MQTT5-2.2.1-3]"""
        for level in self.LEVELS:
            for data in (publish("a", "", 3, level=level), publish("a", "", 1, 0, level), publish("a", "", 2, 0, level)):
                client = self.client(level=level)
                client.send(data)
                self.assert_refused(client, 0x81)

    def test_the_order_of_a_publisher_is_the_order_of_its_subscribers(self):
        """[MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT5-4.6.0-5] [MQTT5-4.6.0-6]"""
        for qos in range(3):
            topic = self.topic()
            subscriber, publisher = self.pair(topic, self.topic("/#"), qos=qos)
            for number in range(300):
                publisher.publish(topic, str(number), qos, number + 1)
            self.assertEqual([int(subscriber.heard().payload) for _ in range(300)], [*range(300)])

    def test_acknowledgements_come_in_the_order_of_the_messages(self):
        """[MQTT-4.6.0-2] [MQTT-4.6.0-3] [MQTT5-4.6.0-2] [MQTT5-4.6.0-3]"""
        client = self.client(level=4)
        topics = [f"devices/order-{number}/telemetry" for number in range(40)]  # Of all shards.
        client.send(b"".join(publish(topic, '{"a":1}', 1, number + 1, 4) for number, topic in enumerate(topics)))
        self.assertEqual([client.expect(PUBACK).packet_id for _ in topics], [*range(1, 41)])

    def test_overlapping_subscriptions_bring_one_copy_at_the_highest_qos_with_all_their_ids(self):
        """[MQTT-3.3.5-1] [MQTT5-3.3.4-2] [MQTT5-3.3.4-3] [MQTT5-3.3.4-4] [MQTT5-3.3.4-5]"""
        topic = self.topic()
        subscriber, publisher = self.client(), self.client()
        subscriber.subscribe((topic, 0), props=[(mqtt.SUBSCRIPTION_ID, 7)])
        subscriber.subscribe((topic + "/#", 2), props=[(mqtt.SUBSCRIPTION_ID, 268_435_455)])
        subscriber.subscribe(("conformance/+", 1))
        publisher.publish(topic, "one", 2)
        publisher.publish(topic, "last", 1)
        first, last = subscriber.heard(), subscriber.heard()
        self.assertEqual((first.payload, last.payload), (b"one", b"last"))
        self.assertEqual((first.qos, {*first.values(mqtt.SUBSCRIPTION_ID)}), (2, {7, 268_435_455}))

    def test_a_client_may_not_send_subscription_ids(self):
        """[MQTT5-3.3.4-6]"""
        client = self.client()
        client.send(publish(self.topic(), "", props=[(mqtt.SUBSCRIPTION_ID, 1)]))
        self.assert_refused(client, 0x82)

    def test_topics_of_messages_are_names_without_wildcards(self):
        """[MQTT-3.3.2-1] [MQTT-3.3.2-2] [MQTT5-3.3.2-1] [MQTT5-3.3.2-2] [MQTT5-4.7.0-1] [MQTT-4.7.1-1]"""
        for level in self.LEVELS:
            for topic in ("a/+", "a/#", "+", "#", "a+", "#b", b"\xff", b"a\0"):
                client = self.client(level=level)
                client.send(publish(topic, "x", level=level))
                self.assert_refused(client)
            client = self.client(level=level)
            client.send(packet(PUBLISH, b"\0"))  # No topic at all.
            self.assert_refused(client, 0x81)

    def test_retain_is_0_on_the_way_out_unless_the_subscription_asks_for_it(self):
        """[MQTT-3.3.1-9] [MQTT5-3.3.1-12] [MQTT5-3.3.1-13]"""
        for level, options, kept in ((4, 1, False), (5, 1, False), (5, 9, True)):
            topic = self.topic()
            subscriber, publisher = self.client(level=level), self.client(level=level)
            subscriber.subscribe((topic, options))
            for retain in (True, False):
                publisher.publish(topic, "x", 1, retain=retain)
                self.assertEqual(subscriber.heard().retain, retain and kept)
            publisher.publish(topic, b"", 1, retain=True)

    def test_a_publish_that_is_not_taken_is_acknowledged_all_the_same(self):
        """[MQTT-3.3.5-2]"""
        client = self.client(level=4)
        client.publish("devices/not-json/telemetry", "{", 1)
        client.publish("devices/not-json/telemetry", "{", 2)

    def test_payloads_of_all_sizes_arrive_unchanged(self):
        """[MQTT-4.2.0-1] [MQTT5-4.2.0-1]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic, qos=0)
        for size in (0, 1, 100, 127, 128, 16_000, 16_384, 200_000, 1_000_000):
            payload = bytes(i * 7 % 256 for i in range(min(size, 4096))) * (size // 4096 + 1)
            publisher.publish(topic, payload[:size], 1)
            self.assertEqual(subscriber.heard().payload, payload[:size])


if __name__ == "__main__":
    unittest.main()
