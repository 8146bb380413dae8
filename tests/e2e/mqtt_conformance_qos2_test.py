"""QoS 2 step by step, in both directions, and the negative answers of MQTT 5."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, packet, publish


class ExactlyOnce(MqttCase):
    def test_a_message_that_is_sent_again_before_its_pubrel_is_passed_on_once(self):
        """[MQTT-4.3.3-2] [MQTT5-4.3.3-8] [MQTT5-4.3.3-10] [MQTT5-4.3.3-11] [MQTT5-4.3.3-12]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level)
            for again in (False, True, True):
                publisher.send(publish(topic, "once", 2, 5, level, dup=again))
                self.assertEqual(publisher.expect(PUBREC).packet_id, 5)
            publisher.ack(PUBREL, 5)
            self.assertEqual(publisher.expect(PUBCOMP).packet_id, 5)
            publisher.publish(topic, "last", 2, 5)  # The id is free again, and this is another message.
            self.assertEqual(self.payloads_until(subscriber, b"last"), [b"once"])

    def test_the_server_sends_publish_then_pubrel_and_each_once(self):
        """[MQTT-4.3.3-1] [MQTT5-4.3.3-3] [MQTT5-4.3.3-4] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6] [MQTT5-3.6.2-1]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level)
            publisher.publish(topic, "x", 2)
            message = subscriber.expect(PUBLISH)
            subscriber.ping()  # Nothing else comes before the PUBREC.
            subscriber.ack(PUBREC, message.packet_id)
            release = subscriber.expect(PUBREL)
            self.assertEqual((release.packet_id, release.flags), (message.packet_id, 2))
            subscriber.ping()
            subscriber.ack(PUBREC, message.packet_id)  # The client says it again: so does the server, without the PUBLISH.
            self.assertEqual(subscriber.expect(PUBREL).packet_id, message.packet_id)
            subscriber.ack(PUBCOMP, message.packet_id)
            subscriber.ping()

    def test_the_server_sends_qos_1_once(self):
        """[MQTT-4.3.2-1] [MQTT5-4.3.2-3] [MQTT5-4.4.0-1]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level, qos=1)
            publisher.publish(topic, "x", 1)
            message = subscriber.expect(PUBLISH)
            for _ in range(3):  # Within a connection nothing is sent again.
                subscriber.ping()
            subscriber.ack(PUBACK, message.packet_id)

    def test_pubrels_come_in_the_order_of_the_pubrecs(self):
        """[MQTT-4.6.0-4] [MQTT5-4.6.0-4]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level)
            for number in range(1, 51):
                publisher.publish(topic, "x", 2, number)
            order = [subscriber.expect(PUBLISH).packet_id for _ in range(50)][::-1]
            subscriber.send(b"".join(mqtt.ack(PUBREC, each, level=level) for each in order))
            self.assertEqual([subscriber.expect(PUBREL).packet_id for _ in order], order)

    def test_a_negative_answer_ends_a_message(self):
        """[MQTT5-4.4.0-2] [MQTT5-4.8.2-6] [MQTT5-4.3.3-9]"""
        topic = self.topic()
        subscriber = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 1)])
        subscriber.subscribe(topic, qos=2)
        publisher = self.client()
        for qos, kind in ((1, PUBACK), (2, PUBREC)):
            publisher.publish(topic, "unwanted", qos)
            subscriber.ack(kind, subscriber.expect(PUBLISH).packet_id, 0x83)
            publisher.publish(topic, "next", qos)  # There is room for it, so that nothing of the other is left.
            self.assertEqual(subscriber.heard().payload, b"next")

    def test_answers_to_nothing_are_no_error(self):
        """[MQTT5-3.5.2-1] [MQTT5-3.7.2-1] [MQTT-4.3.3-2] [MQTT5-3.6.2-1]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            client.ack(PUBACK, 9)
            client.ack(PUBCOMP, 9)
            client.ack(PUBREL, 9)
            answer = client.expect(PUBCOMP)
            self.assertEqual((answer.packet_id, answer.reason), (9, 0x92 if level == 5 else 0))
            client.ack(PUBREC, 9)
            answer = client.expect(PUBREL)
            self.assertEqual((answer.packet_id, answer.reason), (9, 0x92 if level == 5 else 0))
            client.ping()

    def test_a_pubrel_with_other_header_flags_is_malformed(self):
        """[MQTT-3.6.1-1] [MQTT5-3.6.1-1] [MQTT-2.2.2-2]"""
        for level in self.LEVELS:
            for flags in (0, 1, 3, 6, 10):
                client = self.client(level=level)
                client.send(packet(PUBREL, b"\0\1", flags))
                self.assert_refused(client, 0x81)

    def test_answers_with_reasons_of_other_packets_are_refused(self):
        """[MQTT5-3.4.2-1] [MQTT5-3.5.2-1] [MQTT5-3.6.2-1] [MQTT5-3.7.2-1]"""
        for kind, bad in ((PUBACK, 0x92), (PUBREC, 0x92), (PUBREL, 0x10), (PUBCOMP, 0x80), (PUBACK, 0x01), (PUBREL, 0xFF)):
            client = self.client()
            client.ack(kind, 1, bad)
            self.assert_refused(client, 0x82)

    def test_an_expired_handshake_goes_on_to_its_end(self):
        """[MQTT5-4.3.3-7] [MQTT5-4.3.3-13]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic)
        publisher.publish(topic, "short", 2, props=[(mqtt.MESSAGE_EXPIRY, 1)])
        message = subscriber.expect(PUBLISH)
        waiting = self.client(keep_alive=1, level=4)
        self.assertEqual(waiting.rest(), [])  # The server closes it after 1.5 s; the message has expired then.
        subscriber.ack(PUBREC, message.packet_id)
        self.assertEqual(subscriber.expect(PUBREL).packet_id, message.packet_id)
        subscriber.ack(PUBCOMP, message.packet_id)
        publisher.send(publish(topic, "own", 2, 8, props=[(mqtt.MESSAGE_EXPIRY, 1)]))
        publisher.expect(PUBREC)
        self.assertEqual(self.client(keep_alive=1, level=4).rest(), [])
        publisher.ack(PUBREL, 8)
        self.assertEqual(publisher.expect(PUBCOMP).reason, 0)


if __name__ == "__main__":
    unittest.main()
