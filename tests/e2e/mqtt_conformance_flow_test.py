"""Flow control both ways, topic aliases both ways, and the limits that are told."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, publish


class Flow(MqttCase):
    CONFIG = "[mqtt]\nreceive_maximum = 20\ntopic_alias_maximum = 5\npacket_bytes_max = 5000\n"

    def test_the_server_keeps_to_the_clients_receive_maximum(self):
        """[MQTT5-3.3.4-9] [MQTT5-4.9.0-1] [MQTT5-4.9.0-2]"""
        for qos in (1, 2):
            topic = self.topic()
            subscriber = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 3)])
            subscriber.subscribe(topic, qos=qos)
            publisher = self.client()
            for number in range(10):
                publisher.publish(topic, str(number), qos)
            window = [subscriber.expect(PUBLISH) for _ in range(3)]
            subscriber.ping()  # No fourth one stood before the PINGRESP.
            for number in range(3, 10):
                message = window.pop(0)
                if qos == 1:
                    subscriber.ack(PUBACK, message.packet_id)
                else:
                    subscriber.ack(PUBREC, message.packet_id)
                    self.assertEqual(subscriber.expect(PUBREL).packet_id, message.packet_id)
                    subscriber.ping()  # A PUBREC makes no room yet.
                    subscriber.ack(PUBCOMP, message.packet_id)
                window.append(subscriber.expect(PUBLISH))
                self.assertEqual(window[-1].payload, str(number).encode())
                subscriber.ping()

    def test_a_full_window_holds_nothing_else_back(self):
        """[MQTT5-3.3.4-10] [MQTT5-4.9.0-3]"""
        topic = self.topic()
        client = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 1)])
        client.subscribe(topic, qos=2)
        publisher = self.client()
        for number in range(3):
            publisher.publish(topic, str(number), 1)
        message = client.expect(PUBLISH)
        client.ping()
        self.assertEqual(client.subscribe("other").reasons, [0])
        self.assertEqual(client.unsubscribe("other").reasons, [0])
        client.publish(self.topic(), "x", 1)
        client.publish(self.topic(), "x", 2)
        publisher.publish(topic, "at 0", 0)
        self.assertEqual(client.expect(PUBLISH).payload, b"at 0")  # QoS 0 knows no window.
        client.ack(PUBACK, message.packet_id)
        self.assertEqual([client.heard().payload for _ in range(2)], [b"1", b"2"])

    def test_a_client_that_passes_the_servers_receive_maximum_is_disconnected(self):
        """[MQTT5-3.3.4-7] [MQTT5-3.3.4-8]"""
        client = self.client()
        self.assertEqual(client.connack.value(mqtt.RECEIVE_MAXIMUM), 20)
        for packet_id in range(1, 21):
            client.send(publish(self.topic(), "", 2, packet_id))
        for _ in range(20):
            client.expect(PUBREC)
        client.ping()
        client.send(publish(self.topic(), "", 2, 21))
        self.assert_refused(client, 0x93)

    def test_a_3_1_1_client_knows_no_receive_maximum_and_is_served_all_the_same(self):
        """[MQTT-4.3.3-2]"""
        client = self.client(level=4)
        client.send(b"".join(publish("t", "", 2, number, 4) for number in range(1, 201)))
        self.assertEqual([client.expect(PUBREC).packet_id for _ in range(200)], [*range(1, 201)])
        for number in range(1, 201):
            client.ack(PUBREL, number)
        self.assertEqual([client.expect(PUBCOMP).packet_id for _ in range(200)], [*range(1, 201)])

    def test_an_alias_of_a_client_stands_for_its_topic_until_it_is_set_anew(self):
        """[MQTT5-3.3.2-12] [MQTT5-3.3.2-9] [MQTT5-3.2.2-17]"""
        topics = [self.topic() for _ in range(6)]
        subscriber, publisher = self.pair(*topics, qos=1)
        self.assertEqual(publisher.connack.value(mqtt.TOPIC_ALIAS_MAXIMUM), 5)
        for alias, topic in enumerate(topics[:5], 1):
            publisher.publish(topic, "", 1, props=[(mqtt.TOPIC_ALIAS, alias)])
            self.assertEqual(subscriber.heard().topic, topic)
        publisher.publish(topics[5], "", 2, props=[(mqtt.TOPIC_ALIAS, 3)])
        self.assertEqual(subscriber.heard().topic, topics[5])
        for alias in range(1, 6):
            publisher.publish("", "", 1, props=[(mqtt.TOPIC_ALIAS, alias)])
            message = subscriber.heard()
            self.assertEqual(message.topic, topics[5] if alias == 3 else topics[alias - 1])

    def test_aliases_outside_the_maximum_or_without_a_topic_are_refused(self):
        """[MQTT5-3.3.2-8] [MQTT5-3.3.2-9] [MQTT5-3.2.2-17]"""
        for topic, alias, reason in (("a", 0, 0x82), ("a", 6, 0x94), ("a", 65535, 0x94), ("", 1, 0x82), ("", None, 0x82)):
            client = self.client()
            client.send(publish(topic, "", props=[] if alias is None else [(mqtt.TOPIC_ALIAS, alias)]))
            self.assert_refused(client, reason)

    def test_aliases_end_with_their_connection(self):
        """[MQTT5-3.3.2-7]"""
        client = self.client("alias-keeper")
        client.publish("a", "", 1, props=[(mqtt.TOPIC_ALIAS, 1)])
        client.leave()
        again = self.client("alias-keeper", clean=False)
        again.send(publish("", "", props=[(mqtt.TOPIC_ALIAS, 1)]))
        self.assert_refused(again, 0x82)

    def test_the_server_uses_aliases_only_within_the_clients_maximum(self):
        """[MQTT5-3.1.2-26] [MQTT5-3.1.2-27] [MQTT5-3.3.2-11] [MQTT5-3.3.2-8] [MQTT5-3.3.2-10]"""
        for maximum in (None, 0, 2):
            topics = [self.topic("/with-a-name") for _ in range(4)]
            subscriber = self.client(props=[] if maximum is None else [(mqtt.TOPIC_ALIAS_MAXIMUM, maximum)])
            subscriber.subscribe(*topics, qos=1)
            publisher, known, used = self.client(), {}, 0
            for topic in topics * 3:
                publisher.publish(topic, "", 1)
                message = subscriber.heard()
                alias = message.value(mqtt.TOPIC_ALIAS)
                if alias is not None:
                    used += 1
                    self.assertTrue(1 <= alias <= maximum)
                    if message.topic:
                        known[alias] = message.topic
                self.assertEqual(message.topic or known[alias], topic)
            self.assertEqual(used > 0, maximum == 2)

    def test_the_maximum_packet_size_is_told_and_kept(self):
        """[MQTT5-3.2.2-15] [MQTT5-4.13.1-1]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            if level == 5:
                self.assertEqual(client.connack.value(mqtt.MAXIMUM_PACKET_SIZE), 5000)
            topic = self.topic()
            head = len(publish(topic, b"x" * 4000, 1, 1, level)) - 4000
            client.publish(topic, b"x" * (5000 - head), 1)
            client.send(publish(topic, b"x" * (5001 - head), 1, 1, level))
            self.assert_refused(client, 0x95)

    def test_what_a_slow_client_does_not_take_is_bounded_and_counted(self):
        """[MQTT5-4.9.0-2]"""
        topic = self.topic()
        subscriber = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 1)])
        subscriber.subscribe(topic, qos=1)
        publisher = self.client()
        for number in range(1500):
            publisher.publish(topic, str(number), 1)
        publisher.publish(topic, "last", 0)
        kept = []
        message = subscriber.expect(PUBLISH)
        while message.payload != b"last":  # QoS 0 needs no window, so it may come between.
            kept.append(int(message.payload))
            message = subscriber.expect(PUBLISH)
        subscriber.ack(PUBACK, 1)
        while len(kept) < 1001:
            kept.append(int(subscriber.heard().payload))
        self.assertEqual(kept, [*range(1001)])  # One on its way, and 1,000 that waited.
        subscriber.ping()


if __name__ == "__main__":
    unittest.main()
