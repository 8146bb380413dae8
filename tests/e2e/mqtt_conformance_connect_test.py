"""CONNECT, CONNACK, PINGREQ, DISCONNECT and AUTH. The clauses that a test shows stand in its docstring."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import CONNACK, DISCONNECT, PINGREQ, PINGRESP, PUBACK, PUBLISH, SUBACK, Will, connect, packet

NOT_CONNECTS = [packet(kind, body, flags) for kind, body, flags in [
    (PINGREQ, b"", 0), (DISCONNECT, b"", 0), (PUBLISH, b"\0\1ax", 0), (PUBACK, b"\0\1", 0), (mqtt.PUBREC, b"\0\1", 0),
    (mqtt.PUBREL, b"\0\1", 2), (mqtt.PUBCOMP, b"\0\1", 0), (mqtt.SUBSCRIBE, b"\0\1\0\1a\0", 2),
    (mqtt.UNSUBSCRIBE, b"\0\1\0\1a", 2), (CONNACK, b"\0\0", 0), (SUBACK, b"\0\1\0", 0), (mqtt.UNSUBACK, b"\0\1", 0),
    (PINGRESP, b"", 0), (mqtt.AUTH, b"", 0)]]


class Connecting(MqttCase):
    def refused(self, data, level):
        """The reason code of the CONNACK, or None if the server only closed."""
        stranger = self.wire(level)
        stranger.send(data)
        answers = stranger.rest()
        self.assertLessEqual(len(answers), 1)
        if not answers:
            return None
        self.assertEqual((answers[0].type, answers[0].session_present), (CONNACK, 0))
        return answers[0].reason

    def test_a_first_packet_that_is_no_connect_ends_the_connection_without_an_answer(self):
        """[MQTT-3.1.0-1] [MQTT5-3.1.0-1] [MQTT-3.2.0-1] [MQTT5-3.2.0-1] [MQTT5-3.14.0-1]"""
        for data in NOT_CONNECTS:
            with self.subTest(data=data):
                self.assertIsNone(self.refused(data, 5))

    def test_a_second_connect_ends_the_connection(self):
        """[MQTT-3.1.0-2] [MQTT5-3.1.0-2] [MQTT5-3.2.0-2]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            client.send(connect("again", level))
            self.assert_refused(client, 0x82)

    def test_another_protocol_name_or_level_is_refused_in_the_senders_words(self):
        """[MQTT-3.1.2-1] [MQTT-3.1.2-2] [MQTT5-3.1.2-1] [MQTT5-3.1.2-2]"""
        self.assertIn(self.refused(connect("a", 4, name="mqtt"), 4), (None, 1))
        self.assertIn(self.refused(connect("a", 5, name="mqtt"), 4), (None, 1))
        self.assertEqual(self.refused(connect("a", 3), 4), 1)
        self.assertEqual(self.refused(connect("a", 6), 5), 0x84)

    def test_connect_flags_that_contradict_themselves_are_refused(self):
        """[MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-13] [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.2-22]
        [MQTT5-3.1.2-3] [MQTT5-3.1.2-11] [MQTT5-3.1.2-12] [MQTT5-3.1.2-13] [MQTT-3.1.4-1] [MQTT5-3.1.4-1]"""
        for level in self.LEVELS:
            for flags in (0x03, 0x0A, 0x12, 0x22):  # Reserved; Will QoS without a will, twice; Will Retain without one.
                with self.subTest(level=level, flags=flags):
                    self.assertIn(self.refused(connect("a", level, flags=flags), level), (None, 0x81, 0x82))
            body = connect("a", level, will=Will("w"), flags=0x1E)  # Will QoS 3.
            self.assertIn(self.refused(body, level), (None, 0x81, 0x82))
        self.assertIsNone(self.refused(connect("a", 4, password="p", flags=0x42), 4))

    def test_a_field_that_its_flag_announces_must_be_there_and_no_other_may(self):
        """[MQTT-3.1.2-18] [MQTT-3.1.2-19] [MQTT-3.1.2-20] [MQTT-3.1.2-21] [MQTT-3.1.2-9] [MQTT-3.1.3-1]
        [MQTT5-3.1.2-16] [MQTT5-3.1.2-17] [MQTT5-3.1.2-18] [MQTT5-3.1.2-19] [MQTT5-3.1.2-9] [MQTT5-3.1.3-1]"""
        for level in self.LEVELS:
            for flags in (0x82, 0xC2, 0x06):  # A user name, a password, a will that are not there.
                self.assertIn(self.refused(connect("a", level, flags=flags), level), (None, 0x81))
            whole = connect("a", level, user="u", password="p", flags=2)  # Both are there and not announced.
            self.assertIn(self.refused(whole, level), (None, 0x81))
            client = self.client(level=level, user="u", password=b"\xff\0", will=Will("w"))
            client.ping()

    def test_strings_that_are_no_utf8_are_refused(self):
        """[MQTT-3.1.3-4] [MQTT-3.1.3-10] [MQTT-3.1.3-11] [MQTT5-3.1.3-4] [MQTT5-3.1.3-11] [MQTT5-3.1.3-12]
        [MQTT-1.5.3-1] [MQTT-1.5.3-2] [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT5-1.5.7-1]"""
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"a\0b", b"\xf5\x80\x80\x80"):
            for level in self.LEVELS:
                for data in (connect(bad, level), connect("a", level, user=bad), connect("a", level, will=Will(bad))):
                    with self.subTest(bad=bad, data=data):
                        self.assertIn(self.refused(data, level), (None, 0x81, 0x82, 0x90))
            for pair in ((bad, "v"), ("k", bad)):
                data = connect("a", 5, props=[(mqtt.USER_PROPERTY, pair)])
                self.assertIn(self.refused(data, 5), (0x81, 0x82))

    def test_client_ids_of_every_length_and_character_are_taken(self):
        """[MQTT-3.1.3-2] [MQTT-3.1.3-3] [MQTT-3.1.3-5] [MQTT5-3.1.3-2] [MQTT5-3.1.3-3] [MQTT5-3.1.3-5]"""
        for level in self.LEVELS:
            for name in ("0", "Z" * 23, "0123456789abcdefghijklm", "NOPQRSTUVWXYZ", "nopqrstuvwxyz", "x" * 200, "ü/+#.."):
                self.client(name, level).leave()

    def test_a_client_without_an_id_gets_one_that_nobody_has(self):
        """[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.1.3-9] [MQTT5-3.1.3-6] [MQTT5-3.1.3-7] [MQTT5-3.1.3-8]
        [MQTT5-3.2.2-16]"""
        names = [self.client("", 5, clean=clean).connack.value(mqtt.ASSIGNED_CLIENT_ID) for clean in (True, False)]
        self.assertEqual(len({*names, None, ""}), 4)
        self.client("", 4).ping()
        self.assertEqual(self.refused(connect("", 4, clean=False), 4), 2)

    def test_a_clean_start_has_no_session(self):
        """[MQTT-3.1.2-6] [MQTT5-3.1.2-4] [MQTT-3.2.2-1] [MQTT5-3.2.2-2] [MQTT5-3.1.4-4] [MQTT5-3.1.4-5] [MQTT5-3.2.2-1]
        [MQTT-3.1.4-4]"""
        for level in self.LEVELS:
            for _ in range(2):
                client = self.client(f"clean-{level}", level)
                self.assertEqual(client.connack.body[:2], b"\0\0")
                client.leave()

    def test_without_a_stored_session_session_present_is_0(self):
        """[MQTT-3.2.2-3] [MQTT5-3.1.2-6] [MQTT5-3.2.2-3]"""
        for level in self.LEVELS:
            self.assertEqual(self.client(level=level, clean=False).connack.session_present, 0)

    def test_a_refusing_connack_has_no_session_and_is_the_last_packet(self):
        """[MQTT-3.2.2-4] [MQTT-3.2.2-5] [MQTT-3.2.2-6] [MQTT5-3.2.2-6] [MQTT5-3.2.2-7] [MQTT5-3.2.2-8] [MQTT5-3.1.4-2]
        [MQTT-3.1.4-5] [MQTT5-3.1.4-6]"""
        watcher = self.client()
        topic = self.topic()
        watcher.subscribe(topic)
        for level, bad in ((4, connect("", 4, clean=False)), (5, connect("a", 5, props=[(mqtt.AUTH_METHOD, "x")]))):
            # What comes behind a refused CONNECT is not processed.
            self.assertIn(self.refused(bad + mqtt.publish(topic, "no", level=level), level), (2, 0x8C))
        self.client().publish(topic, "yes", 1)
        self.assertEqual(watcher.heard().payload, b"yes")

    def test_a_second_connection_with_the_id_ends_the_first(self):
        """[MQTT-3.1.4-2] [MQTT5-3.1.4-3]"""
        for level in self.LEVELS:
            first = self.client(f"twin-{level}", level)
            second = self.client(f"twin-{level}", level)
            self.assert_refused(first, 0x8E)
            second.ping()

    def test_packets_that_come_with_the_connect_are_answered_behind_the_connack(self):
        """[MQTT-3.2.0-1] [MQTT5-3.2.0-1] [MQTT-3.12.4-1] [MQTT5-3.12.4-1]"""
        for level in self.LEVELS:
            wire = self.wire(level)
            wire.send(connect(f"hasty-{level}", level) + packet(PINGREQ) + mqtt.publish(self.topic(), "x", 1, 7, level))
            self.assertEqual([wire.read().type for _ in range(3)], [CONNACK, PINGRESP, PUBACK])

    def test_the_keep_alive_is_the_clients_unless_the_server_tells_another(self):
        """[MQTT5-3.2.2-22] [MQTT5-3.2.2-21]"""
        self.assertIsNone(self.client(keep_alive=30).connack.value(mqtt.SERVER_KEEP_ALIVE))
        for keep_alive in (0, 65535):
            self.assertEqual(self.client(keep_alive=keep_alive).connack.value(mqtt.SERVER_KEEP_ALIVE), 3600)

    def test_silence_for_longer_than_the_keep_alive_ends_the_connection(self):
        """[MQTT-3.1.2-24] [MQTT5-3.1.2-22]"""
        silent = [self.client(level=level, keep_alive=1) for level in self.LEVELS]
        for client in silent:
            self.assert_refused(client, 0x8D)

    def test_a_disconnect_is_the_last_packet_of_both_sides(self):
        """[MQTT-3.14.4-1] [MQTT-3.14.4-2] [MQTT5-3.14.4-1] [MQTT5-3.14.4-2] [MQTT-3.14.1-1] [MQTT5-3.14.1-1]
        [MQTT5-3.14.2-2]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            client.send(mqtt.disconnect(level=level) + packet(PINGREQ) + mqtt.publish("x", "x", 1, level=level))
            self.assertEqual(client.rest(), [])
            for flags in (1, 2, 4, 8):
                client = self.client(level=level)
                client.send(packet(DISCONNECT, b"", flags))
                self.assert_refused(client, 0x81)
        raised = self.client()
        raised.send(mqtt.disconnect(0, props=[(mqtt.SESSION_EXPIRY, 10)]))  # It was 0 at CONNECT.
        self.assert_refused(raised, 0x82)

    def test_a_disconnect_takes_the_reasons_of_clients_only(self):
        """[MQTT5-3.14.2-1]"""
        for reason in (0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99):
            self.assertEqual(self.client().leave(reason), [])
        for reason in (0x01, 0x10, 0x11, 0x18, 0x85, 0x91, 0xFF):
            client = self.client()
            client.send(mqtt.disconnect(reason))
            self.assert_refused(client, 0x82)

    def test_pings_are_answered(self):
        """[MQTT-3.12.4-1] [MQTT5-3.12.4-1]"""
        for level in self.LEVELS:
            client = self.client(level=level)
            for _ in range(100):
                self.assertEqual(client.ping().body, b"")

    def test_unknown_authentication_methods_are_refused(self):
        """[MQTT5-4.12.0-1] [MQTT5-4.12.0-4] [MQTT5-4.12.0-5] [MQTT5-4.12.0-6]"""
        data = connect("a", 5, props=[(mqtt.AUTH_METHOD, "SCRAM-SHA-1"), (mqtt.AUTH_DATA, b"x")])
        self.assertEqual(self.refused(data, 5), 0x8C)
        self.assertEqual(self.client().connack.values(mqtt.AUTH_METHOD), [])

    def test_an_auth_that_nobody_asked_for_ends_the_connection(self):
        """[MQTT5-4.12.0-7] [MQTT5-3.15.1-1] [MQTT5-4.12.1-2]"""
        method = mqtt.properties([(mqtt.AUTH_METHOD, "x")])
        for data in (packet(mqtt.AUTH, b"\x18" + method), packet(mqtt.AUTH, b"\x19" + method), packet(mqtt.AUTH),
                     packet(mqtt.AUTH, b"\x18" + method, 1)):
            client = self.client()
            client.send(data)
            self.assert_refused(client)
        client = self.client(level=4)
        client.send(packet(mqtt.AUTH, b""))
        self.assert_refused(client)

    def test_the_connack_names_only_what_the_standard_knows_and_hides_what_was_not_asked_for(self):
        """[MQTT5-3.1.2-28] [MQTT5-2.2.2-1] [MQTT5-3.2.2-9] [MQTT5-3.2.2-10] [MQTT5-3.2.2-12] [MQTT5-3.2.2-13]"""
        for asked in (0, 1):
            connack = self.client(props=[(mqtt.REQUEST_RESPONSE, asked)]).connack
            self.assertEqual(connack.values(mqtt.SERVER_REFERENCE), [])
            self.assertNotIn(0, connack.values(mqtt.RECEIVE_MAXIMUM) + connack.values(mqtt.MAXIMUM_PACKET_SIZE))
            self.assertEqual(connack.values(mqtt.MAXIMUM_QOS) + connack.values(mqtt.RETAIN_AVAILABLE), [])
            if asked == 0:
                self.assertEqual(connack.values(mqtt.RESPONSE_INFORMATION), [])
        self.client(will=Will("w", qos=2, retain=True)).leave()


if __name__ == "__main__":
    unittest.main()
