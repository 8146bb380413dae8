"""Retained messages: which are kept, and which subscription brings them."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import Will

IF_NEW, NEVER = 0x10, 0x20  # Retain Handling


class Retained(MqttCase):
    def kept(self, filter, options=2, level=5, props=()):
        """What a new subscriber to the filter gets at once, as (topic, payload, QoS), each with RETAIN."""
        client, end = self.client(level=level), self.topic()
        client.subscribe((filter, options), props=props)
        client.subscribe(end)
        client.publish(end, "end", 0)
        out = []
        while (message := client.heard()).topic != end:
            self.assertTrue(message.retain and not message.dup)
            out.append((message.topic, message.payload, message.qos))
        client.leave()
        return out

    def test_a_retained_message_is_kept_with_its_qos_and_goes_to_new_subscriptions(self):
        """[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-8] [MQTT5-3.3.1-5] [MQTT5-3.3.1-9] [MQTT-3.1.2-7]"""
        for level in self.LEVELS:
            for qos in range(3):
                topic = self.topic()
                publisher = self.client(level=level)
                publisher.publish(topic, "kept", qos, retain=True)
                publisher.leave()  # It does not end with its session.
                for granted in range(3):
                    self.assertEqual(self.kept(topic, granted, level), [(topic, b"kept", min(qos, granted))])

    def test_the_newest_replaces_the_one_before(self):
        """[MQTT-3.3.1-7] [MQTT5-3.3.1-5]"""
        topic = self.topic()
        publisher = self.client()
        for number, qos in enumerate((2, 1, 0)):
            publisher.publish(topic, str(number), qos, retain=True)
            publisher.ping()
            self.assertEqual(self.kept(topic), [(topic, str(number).encode(), qos)])

    def test_an_empty_payload_is_passed_on_and_takes_the_message_away(self):
        """[MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT5-3.3.1-6] [MQTT5-3.3.1-7]"""
        for level in self.LEVELS:
            topic = self.topic()
            subscriber, publisher = self.pair(topic, level=level)
            publisher.publish(topic, "kept", 1, retain=True)
            publisher.publish(topic, b"", 1, retain=True)
            messages = [subscriber.heard(), subscriber.heard()]
            self.assertEqual([(each.payload, each.retain) for each in messages], [(b"kept", False), (b"", False)])
            self.assertEqual(self.kept(topic), [])

    def test_a_message_without_retain_leaves_the_kept_one_alone(self):
        """[MQTT-3.3.1-12] [MQTT5-3.3.1-8]"""
        topic = self.topic()
        publisher = self.client()
        publisher.publish(topic, "kept", 1, retain=True)
        publisher.publish(topic, "other", 1)
        publisher.publish(topic, b"", 1)
        self.assertEqual(self.kept(topic), [(topic, b"kept", 1)])
        other = self.topic()
        publisher.publish(other, "not kept", 1)
        self.assertEqual(self.kept(other), [])

    def test_retain_handling_says_which_subscriptions_bring_them(self):
        """[MQTT5-3.3.1-9] [MQTT5-3.3.1-10] [MQTT5-3.3.1-11] [MQTT5-3.8.4-4] [MQTT-3.8.4-3]"""
        topic = self.topic()
        self.client().publish(topic, "kept", 1, retain=True)
        for level, options, expected in ((4, 1, 3), (5, 1, 3), (5, 1 | IF_NEW, 1), (5, 1 | NEVER, 0)):
            client, end = self.client(level=level), self.topic()
            client.subscribe(end, qos=1)
            for number in range(3):
                client.subscribe((topic, options))
            client.publish(end, "end", 1)
            self.assertEqual(self.payloads_until(client, b"end"), [b"kept"] * expected)
            client.unsubscribe(topic)
            client.subscribe((topic, options))  # New again.
            client.publish(end, "end", 1)
            self.assertEqual(self.payloads_until(client, b"end"), [b"kept"] * min(expected, 1))

    def test_wildcards_bring_all_of_them_and_none_with_a_dollar_sign(self):
        """[MQTT5-3.3.1-9] [MQTT-3.3.1-6] [MQTT5-4.7.2-1] [MQTT-4.7.2-1]"""
        root = self.topic()
        publisher = self.client()
        for name in ("", "/a", "/a/b", "/c"):
            publisher.publish(root + name, name or "root", 1, retain=True)
        for end, names in (("/#", ["/a", "/a/b", "/c", "root"]), ("/+", ["/a", "/c"]), ("/+/b", ["/a/b"]), ("/x", [])):
            self.assertEqual(sorted(payload.decode() for _, payload, _ in self.kept(root + end)), names)
        own = "$" + root.replace("/", "-")
        publisher.publish(own, "kept", 1, retain=True)
        self.assertNotIn(own, [topic for topic, _, _ in self.kept("#")])
        self.assertNotIn(own, [topic for topic, _, _ in self.kept("+")])

    def test_a_shared_subscription_brings_none(self):
        """As section 4.8.2 of 5.0 says."""
        topic = self.topic()
        self.client().publish(topic, "kept", 1, retain=True)
        self.assertEqual(self.kept(f"$share/g/{topic}"), [])

    def test_properties_are_kept_and_the_expiry_counts(self):
        """[MQTT5-3.3.2-5] [MQTT5-3.3.2-6] [MQTT5-3.3.2-17] [MQTT5-3.3.4-3]"""
        topic, short = self.topic(), self.topic()
        publisher = self.client()
        pairs = [("b", "1"), ("a", "2"), ("b", "1")]
        publisher.publish(topic, "kept", 1, retain=True, props=[(mqtt.USER_PROPERTY, each) for each in pairs] +
                          [(mqtt.CONTENT_TYPE, "t"), (mqtt.MESSAGE_EXPIRY, 1000)])
        publisher.publish(short, "short", 1, retain=True, props=[(mqtt.MESSAGE_EXPIRY, 1)])
        self.assertEqual(self.client(keep_alive=1, level=4).rest(), [])  # Closed after 1.5 s of silence.
        client = self.client()
        client.subscribe(topic, short, qos=1, props=[(mqtt.SUBSCRIPTION_ID, 9)])
        message = client.heard()
        self.assertEqual((message.values(mqtt.USER_PROPERTY), message.value(mqtt.CONTENT_TYPE)), (pairs, "t"))
        self.assertEqual(message.values(mqtt.SUBSCRIPTION_ID), [9])
        self.assertLess(message.value(mqtt.MESSAGE_EXPIRY), 1000)
        self.assertEqual(self.kept(short), [])

    def test_a_will_can_be_retained(self):
        """[MQTT-3.1.2-17] [MQTT5-3.1.2-15]"""
        for level in self.LEVELS:
            topic = self.topic()
            watcher = self.client()
            watcher.subscribe(topic)
            self.client(level=level, will=Will(topic, "gone", 1, retain=True)).close()
            self.assertEqual(watcher.heard().payload, b"gone")
            self.assertEqual(self.kept(topic), [(topic, b"gone", 1)])


if __name__ == "__main__":
    unittest.main()
