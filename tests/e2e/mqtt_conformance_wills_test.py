"""Wills: when they are published, and when not."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import Will, publish


class Wills(MqttCase):
    def watcher(self, *topics):
        client = self.client()
        client.subscribe(*topics, qos=2)
        return client

    def test_a_connection_that_ends_without_a_disconnect_leaves_its_will(self):
        """[MQTT-3.1.2-8] [MQTT-3.1.2-7] [MQTT5-3.1.2-7] [MQTT5-3.1.2-8] [MQTT-3.1.2-9]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        for level in self.LEVELS:
            for qos in range(3):
                self.client(level=level, will=Will(topic, b"\xff\0", qos)).close()
                will = watcher.heard()
                self.assertEqual((will.topic, will.payload, will.qos, will.retain), (topic, b"\xff\0", qos, False))

    def test_a_disconnect_takes_the_will_away(self):
        """[MQTT-3.1.2-10] [MQTT-3.14.4-3] [MQTT5-3.1.2-10] [MQTT5-3.14.4-3] [MQTT-3.1.2-12]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        for level in self.LEVELS:
            self.client(level=level, will=Will(topic, "no")).leave()
            self.client(level=level).close()  # Without a will.
        self.client(will=Will(topic, "last")).close()
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_a_disconnect_may_ask_for_the_will(self):
        """[MQTT5-3.1.2-8] [MQTT5-3.14.4-3]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        for reason in (0x04, 0x80, 0x98):
            self.client(will=Will(topic, f"{reason}")).leave(reason)
            self.assertEqual(watcher.heard().payload, f"{reason}".encode())

    def test_every_other_end_leaves_the_will_too(self):
        """[MQTT-3.1.2-8] [MQTT5-3.1.2-8]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        for level in self.LEVELS:
            broken = self.client(level=level, will=Will(topic, "protocol error"))
            broken.send(publish("+", "", level=level))
            self.assertEqual(watcher.heard().payload, b"protocol error")
            name = f"taken-{level}"
            self.client(name, level, will=Will(topic, "taken over"))
            self.client(name, level)
            self.assertEqual(watcher.heard().payload, b"taken over")
            self.client(level=level, keep_alive=1, will=Will(topic, "silence"))
            self.assertEqual(watcher.heard().payload, b"silence")

    def test_a_will_is_published_once(self):
        """[MQTT-3.1.2-10] [MQTT5-3.1.2-10]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        self.client("once", will=Will(topic, "first")).close()
        self.assertEqual(watcher.heard().payload, b"first")
        self.client("once").close()  # Has no will of its own.
        self.client("other", will=Will(topic, "last")).close()
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_a_client_that_is_refused_leaves_no_will(self):
        """[MQTT-3.1.2-8] [MQTT5-3.1.2-7]"""
        topic = self.topic()
        watcher = self.watcher(topic)
        for props in ([(mqtt.AUTH_METHOD, "x")], [(mqtt.MAXIMUM_PACKET_SIZE, 4)]):
            stranger = self.wire()
            stranger.send(mqtt.connect("refused", will=Will(topic, "no"), props=props))
            stranger.rest()
        self.client(will=Will(topic, "last")).close()
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_retain_of_a_will_is_that_of_a_publish(self):
        """[MQTT-3.1.2-16] [MQTT5-3.1.2-14]"""
        topic = self.topic()
        watcher = self.client()
        watcher.subscribe((topic, 1 | 8))  # Retain As Published.
        for retain in (False, True):
            self.client(will=Will(topic, "x", retain=retain)).close()
            self.assertEqual(watcher.heard().retain, retain)
        watcher.publish(topic, b"", 1, retain=True)

    def test_a_will_goes_to_a_topic_name(self):
        """[MQTT5-3.1.3-11] [MQTT-3.1.3-10]"""
        for level in self.LEVELS:
            for topic in ("a/+", "#", "", "a\0"):
                stranger = self.wire(level)
                stranger.send(mqtt.connect("w", level, will=Will(topic)))
                self.assertTrue(all(each.reason != 0 for each in stranger.rest()))


if __name__ == "__main__":
    unittest.main()
