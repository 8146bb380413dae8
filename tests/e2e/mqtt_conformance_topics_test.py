"""Topic names and filters: which take which, and which are none."""
import itertools
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import publish, subscribe

# A filter, what it takes, and what it does not. Each name stands below a level of the test's own.
TABLE = [
    ("/+/x", ["/a/x", "//x"], ["/a/b/x", "/x", "/a/x/"]),
    ("/#", ["", "/", "/a", "/a/b/c"], []),
    ("/a/#", ["/a", "/a/", "/a/b"], ["/ab", "/"]),
    ("/+", ["/a", "/"], ["", "/a/b", "//"]),
    ("/a/+/#", ["/a/b", "/a/", "/a/b/c/d"], ["/a", "/b/b"]),
    ("/A", ["/A"], ["/a", "/A/"]),
    ("/ä b/$c", ["/ä b/$c"], ["/a b/$c", "/ä b/c"]),
    ("/a//b", ["/a//b"], ["/a/b"]),
    ("/+/+", ["//", "/a/b"], ["/a"]),
]
BAD_NAMES = [b"", b"+", b"#", b"a/+/b", b"a/#", b"a\0", b"\0", b"\xff", b"a/\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
             b"\xf4\x90\x80\x80", b"\xe2\x82", b"/" * 10_000, b"a/" * 9_999 + b"a"]
BAD_FILTERS = [b"", b"#/", b"a#", b"#a", b"a/#/b", b"##", b"a+", b"+a", b"a/+b/c", b"a/b+", b"a\0", b"a/\xff", b"\xed\xa0\x80",
               b"+/" * 9_999 + b"#", b"/" * 10_000]


class Topics(MqttCase):
    def test_filters_take_the_topics_that_the_standard_says_they_take(self):
        """[MQTT5-4.7.1-1] [MQTT5-4.7.1-2] [MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT-4.7.3-4] [MQTT5-4.7.3-4]"""
        for level, (end, taken, others) in itertools.product(self.LEVELS, TABLE):
            root = self.topic()
            subscriber, publisher = self.pair(root + end, root + "!", level=level, qos=0)
            for name in taken + others:
                publisher.publish(root + name, name)
            publisher.publish(root + "!", "last")
            with self.subTest(filter=end, level=level):
                self.assertEqual(self.payloads_until(subscriber, b"last"), [name.encode() for name in taken])

    def test_wildcards_do_not_take_a_first_level_with_a_dollar_sign(self):
        """[MQTT-4.7.2-1] [MQTT5-4.7.2-1]"""
        name = f"$own{next(self._topics)}"
        wild, publisher = self.pair("#", "+/a", "+/+", qos=0)
        named = self.client()
        named.subscribe(name + "/#", name + "/+", name + "/a")
        publisher.publish(name + "/a", "x", 1)
        last = self.topic()
        publisher.publish(last, "last", 1)
        self.assertEqual(self.payloads_until(wild, b"last"), [])
        self.assertEqual(named.heard().payload, b"x")

    def test_names_and_filters_of_65535_bytes_are_taken(self):
        """[MQTT-4.7.3-3] [MQTT5-4.7.3-3]"""
        for level in self.LEVELS:
            name = self.topic("/")
            name += "x" * (65_535 - len(name))
            subscriber, publisher = self.pair(name, level=level)
            publisher.publish(name, "long", 1)
            self.assertEqual((subscriber.heard().topic, subscriber.unsubscribe(name).packet_id), (name, 11))

    def test_what_is_no_topic_name_ends_the_connection_and_nothing_else(self):
        """[MQTT-3.3.2-2] [MQTT5-3.3.2-2] [MQTT5-4.7.0-1] [MQTT-4.7.1-1] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT5-4.7.3-1]
        [MQTT5-4.7.3-2] [MQTT-1.5.3-1] [MQTT-1.5.3-2] [MQTT5-1.5.4-1] [MQTT5-1.5.4-2]"""
        watcher = self.client()
        watcher.subscribe("#")
        for level, name, qos in itertools.product(self.LEVELS, BAD_NAMES, range(3)):
            with self.subTest(level=level, name=name[:20], qos=qos):
                client = self.client(level=level)
                client.send(publish(name, "bad", qos, 1, level))
                self.assert_refused(client)
        self.client().publish(self.topic(), "last", 1)
        self.assertEqual(self.payloads_until(watcher, b"last"), [])

    def test_what_is_no_filter_ends_the_connection_and_nothing_else(self):
        """[MQTT-4.7.1-2] [MQTT-4.7.1-3] [MQTT5-4.7.1-1] [MQTT5-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.7.3-2] [MQTT5-4.7.3-1]
        [MQTT5-4.7.3-2]"""
        for level, bad in itertools.product(self.LEVELS, BAD_FILTERS):
            for data in (subscribe([("good", 0), (bad, 0)], level=level), mqtt.unsubscribe([bad], level=level)):
                with self.subTest(level=level, data=data[:20]):
                    client = self.client(level=level)
                    client.send(data)
                    self.assert_refused(client)


if __name__ == "__main__":
    unittest.main()
