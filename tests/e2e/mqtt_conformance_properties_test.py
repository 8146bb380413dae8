"""Properties of MQTT 5: what is passed on, what is asked for, and what is refused."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import Will, connect, packet, publish, subscribe

PASSED_ON = [(mqtt.PAYLOAD_FORMAT, 1), (mqtt.CONTENT_TYPE, "text/ü"), (mqtt.RESPONSE_TOPIC, "answers/to me"),
             (mqtt.CORRELATION_DATA, b"\0\xff\1")]
PAIRS = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("\ufeffk", "\ufeff"), ("z", "ä" * 1000)]


class Properties(MqttCase):
    def test_all_that_belongs_to_a_message_is_passed_on_unchanged_and_in_order(self):
        """[MQTT5-3.3.2-4] [MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-17] [MQTT5-3.3.2-18] [MQTT5-3.3.2-20]
        [MQTT5-1.5.4-3]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic)
        users = [(mqtt.USER_PROPERTY, pair) for pair in PAIRS]
        for qos in range(3):
            publisher.publish(topic, "x", qos, props=users + PASSED_ON)
            message = subscriber.heard()
            self.assertEqual(message.values(mqtt.USER_PROPERTY), PAIRS)
            for number, value in PASSED_ON:
                self.assertEqual(message.values(number), [value])
            self.assertEqual(message.values(mqtt.TOPIC_ALIAS) + message.values(mqtt.MESSAGE_EXPIRY), [])

    def test_a_byte_order_mark_is_a_character(self):
        """[MQTT-1.5.3-3] [MQTT5-1.5.4-3]"""
        for level in self.LEVELS:
            topic = self.topic("/\ufeff")
            subscriber, publisher = self.pair(topic, topic[:-1], level=level)
            publisher.publish(topic, "x", 1)
            self.assertEqual(subscriber.heard().topic, topic)

    def test_a_3_1_1_subscriber_gets_the_message_without_them(self):
        """[MQTT5-3.3.2-17]"""
        topic = self.topic()
        subscriber, publisher = self.client(level=4), self.client()
        subscriber.subscribe(topic, qos=1)
        publisher.publish(topic, "x", 1, props=PASSED_ON)
        self.assertEqual(subscriber.heard().payload, b"x")

    def test_the_expiry_that_is_left_goes_with_the_message(self):
        """[MQTT5-3.3.2-6]"""
        topic = self.topic()
        subscriber, publisher = self.pair(topic)
        publisher.publish(topic, "x", 1, props=[(mqtt.MESSAGE_EXPIRY, 100_000)])
        left = subscriber.heard().value(mqtt.MESSAGE_EXPIRY)
        self.assertLessEqual(left, 100_000)
        self.assertGreater(left, 90_000)

    def test_a_message_that_expires_while_it_waits_is_not_sent(self):
        """[MQTT5-3.3.2-5]"""
        topic = self.topic()
        subscriber = self.client(props=[(mqtt.RECEIVE_MAXIMUM, 1)])
        subscriber.subscribe(topic, qos=1)
        publisher = self.client()
        publisher.publish(topic, "first", 1)
        publisher.publish(topic, "short", 1, props=[(mqtt.MESSAGE_EXPIRY, 1)])
        publisher.publish(topic, "last", 1)
        first = subscriber.expect(mqtt.PUBLISH)
        self.assertEqual(self.client(keep_alive=1, level=4).rest(), [])  # Closed after 1.5 s of silence.
        subscriber.ack(mqtt.PUBACK, first.packet_id)
        self.assertEqual(self.payloads_until(subscriber, b"last"), [])

    def test_strings_and_topics_in_properties_are_checked(self):
        """[MQTT5-3.3.2-13] [MQTT5-3.3.2-14] [MQTT5-3.3.2-19] [MQTT5-1.5.7-1] [MQTT5-1.5.4-1] [MQTT5-1.5.4-2]"""
        for bad in ([(mqtt.RESPONSE_TOPIC, b"\xff")], [(mqtt.RESPONSE_TOPIC, "a/+")], [(mqtt.RESPONSE_TOPIC, "#")],
                    [(mqtt.CONTENT_TYPE, b"\xc3")], [(mqtt.USER_PROPERTY, (b"\xff", "v"))], [(mqtt.CONTENT_TYPE, "a\0")]):
            client = self.client()
            client.send(publish("a", "x", props=bad))
            self.assert_refused(client)

    def test_properties_that_do_not_belong_there_or_come_twice_are_refused(self):
        """[MQTT5-4.13.1-1] [MQTT5-2.2.2-1]"""
        for props in ([(mqtt.WILL_DELAY, 1)], [(mqtt.SESSION_EXPIRY, 1)], [(mqtt.CONTENT_TYPE, "a")] * 2, b"\2\x7f\0", b"\5\0",
                      [(mqtt.PAYLOAD_FORMAT, 2)], b"\4" + b"\x80\x80\x80\x80"):
            client = self.client()
            client.send(publish("a", "", props=props))
            self.assert_refused(client)
        for props in ([(mqtt.SUBSCRIPTION_ID, 0)], [(mqtt.SUBSCRIPTION_ID, 1)] * 2, [(mqtt.CONTENT_TYPE, "a")]):
            client = self.client()
            client.send(subscribe([("a", 0)], props=props))
            self.assert_refused(client)
        for props in ([(mqtt.RECEIVE_MAXIMUM, 0)], [(mqtt.MAXIMUM_PACKET_SIZE, 0)], [(mqtt.REQUEST_PROBLEM, 2)],
                      [(mqtt.AUTH_DATA, b"x")], [(mqtt.RECEIVE_MAXIMUM, 1)] * 2, [(mqtt.TOPIC_ALIAS, 1)]):
            stranger = self.wire()
            stranger.send(connect("a", props=props))
            answers = stranger.rest()
            self.assertEqual([each.type for each in answers], [mqtt.CONNACK])
            self.assertIn(answers[0].reason, (0x81, 0x82))

    def test_no_words_are_sent_to_who_does_not_want_them(self):
        """[MQTT5-3.1.2-29] [MQTT5-3.9.2-1] [MQTT5-3.9.2-2] [MQTT5-3.11.2-1] [MQTT5-3.11.2-2]"""
        for wanted in (1, 0):
            client = self.client(props=[(mqtt.REQUEST_PROBLEM, wanted)])
            answer = client.publish("devices/words/telemetry", "no json", 1)
            self.assertGreaterEqual(answer.reason, 0x80)
            self.assertEqual(bool(answer.values(mqtt.REASON_STRING)), wanted == 1)
            self.assertEqual(client.subscribe("a").props + client.unsubscribe("b").props, [])

    def test_nothing_larger_than_the_client_takes_is_sent(self):
        """[MQTT5-3.1.2-24] [MQTT5-3.1.2-25] [MQTT5-3.4.2-2] [MQTT5-3.4.2-3] [MQTT5-3.5.2-2] [MQTT5-3.5.2-3]
        [MQTT5-3.14.2-3] [MQTT5-3.14.2-4] [MQTT5-3.2.2-19] [MQTT5-3.2.2-20]"""
        topic = self.topic()
        for limit in (50, 100):
            small, publisher = self.client(props=[(mqtt.MAXIMUM_PACKET_SIZE, limit)]), self.client()
            self.assertLessEqual(small.connack.size, limit)
            small.subscribe(topic, qos=1)
            publisher.publish(topic, "large" * limit, 1)
            publisher.publish(topic, "last", 1)
            self.assertEqual(self.payloads_until(small, b"last"), [])  # Those that are too large are left out.
            for qos in (1, 2):
                answer = small.publish("devices/words/telemetry", "no json", qos)
                self.assertLessEqual(answer.size, limit)
            small.send(publish("+", ""))
            self.assertTrue(all(each.size <= limit for each in small.rest()))

    def test_the_length_of_a_packet_and_of_its_properties_takes_as_few_bytes_as_it_can(self):
        """[MQTT5-1.5.5-1]"""
        for data in (b"\xc0\x80\0", b"\x30\x86\0" + b"\0\1a\0xy", packet(mqtt.PUBLISH, b"\0\1a\x80\0x")):
            client = self.client()
            client.send(data)
            self.assert_refused(client, 0x81)
        topic = self.topic()
        subscriber, publisher = self.pair(topic)
        publisher.publish(topic, "x" * 300, 1, props=[(mqtt.CONTENT_TYPE, "y" * 200)])
        self.assertEqual(subscriber.heard().value(mqtt.CONTENT_TYPE), "y" * 200)  # The reader checks each length.

    def test_a_will_keeps_its_properties_in_order(self):
        """[MQTT5-3.1.3-10] [MQTT5-3.1.2-9]"""
        topic = self.topic()
        subscriber = self.client()
        subscriber.subscribe(topic, qos=2)
        users = [(mqtt.USER_PROPERTY, pair) for pair in PAIRS]
        props = users + PASSED_ON + [(mqtt.MESSAGE_EXPIRY, 1000)]
        self.client(will=Will(topic, "gone", 1, props=props)).close()
        will = subscriber.heard()
        self.assertEqual((will.payload, will.qos, will.values(mqtt.USER_PROPERTY)), (b"gone", 1, PAIRS))
        for number, value in PASSED_ON:
            self.assertEqual(will.value(number), value)
        self.assertIn(will.value(mqtt.MESSAGE_EXPIRY), (999, 1000))

    def test_requests_and_answers_find_each_other(self):
        """[MQTT5-3.3.2-15] [MQTT5-3.3.2-16]"""
        asks, answers = self.topic(), self.topic()
        server, asker = self.pair(asks, qos=1)
        asker.subscribe(answers, qos=1)
        asker.publish(asks, "2+2", 1, props=[(mqtt.RESPONSE_TOPIC, answers), (mqtt.CORRELATION_DATA, b"\1")])
        request = server.heard()
        server.publish(request.value(mqtt.RESPONSE_TOPIC), "4", 1,
                       props=[(mqtt.CORRELATION_DATA, request.value(mqtt.CORRELATION_DATA))])
        answer = asker.heard()
        self.assertEqual((answer.payload, answer.value(mqtt.CORRELATION_DATA)), (b"4", b"\1"))


if __name__ == "__main__":
    unittest.main()
