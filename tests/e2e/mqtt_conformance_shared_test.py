"""Shared subscriptions."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBLISH, subscribe, unsubscribe


class Shared(MqttCase):
    def test_each_message_goes_to_one_member_of_each_group(self):
        """[MQTT5-4.8.2-1] [MQTT5-4.8.2-2]"""
        for level in self.LEVELS:  # 3.1.1 does not know them, but no other meaning of the name is of use there.
            topic = self.topic()
            members = [self.client(level=level) for _ in range(3)]
            for member in members:
                member.subscribe(f"$share/one/{topic}")
            alone, plain, publisher = self.client(level=level), self.client(level=level), self.client()
            alone.subscribe(f"$share/two/{topic}")
            plain.subscribe(topic)
            for number in range(90):
                publisher.publish(topic, f"{number}", 1)
            everything = [str(number).encode() for number in range(90)]
            self.assertEqual([alone.heard().payload for _ in range(90)], everything)
            self.assertEqual([plain.heard().payload for _ in range(90)], everything)
            got = []
            for member in members:  # A last message of its own tells a member that it has all of the others.
                member.subscribe(f"{topic}/{member.client_id}")
                publisher.publish(f"{topic}/{member.client_id}", "last", 1)
                mine = self.payloads_until(member, b"last")
                self.assertGreater(len(mine), 0)
                got += mine
            self.assertEqual(sorted(got, key=int), everything)

    def test_a_member_gets_the_qos_that_it_was_granted_and_its_own_ids(self):
        """[MQTT5-4.8.2-3]"""
        topic = self.topic()
        for granted in range(3):
            member, publisher = self.client(), self.client()
            reasons = member.subscribe((f"$share/g{granted}/{topic}", granted), props=[(mqtt.SUBSCRIPTION_ID, 5)]).reasons
            self.assertEqual(reasons, [granted])
            publisher.publish(topic, "x", 2)
            message = member.heard()
            self.assertEqual((message.qos, message.values(mqtt.SUBSCRIPTION_ID)), (granted, [5]))

    def test_a_refused_message_goes_to_nobody_else(self):
        """[MQTT5-4.8.2-6]"""
        topic = self.topic()
        members = [self.client(), self.client()]
        for member in members:
            member.subscribe(f"$share/g/{topic}", f"{topic}/end", qos=1)
        publisher = self.client()
        publisher.publish(topic, "refused", 1)
        publisher.publish(f"{topic}/end", "last", 1)
        seen = []
        for member in members:
            message = member.expect(PUBLISH)
            if message.payload == b"refused":
                seen.append(message.payload)
                member.ack(mqtt.PUBACK, message.packet_id, 0x97)
                message = member.expect(PUBLISH)
            self.assertEqual(message.payload, b"last")
            member.ack(mqtt.PUBACK, message.packet_id)
        publisher.publish(f"{topic}/end", "last", 1)
        for member in members:
            self.assertEqual(self.payloads_until(member, b"last"), [])
        self.assertEqual(seen, [b"refused"])

    def test_what_one_member_was_sent_is_not_sent_to_another_when_its_session_ends(self):
        """[MQTT5-4.8.2-5]"""
        topic = self.topic()
        first = self.client()
        first.subscribe(f"$share/g/{topic}", qos=2)
        publisher = self.client()
        publisher.publish(topic, "begun", 2)
        self.assertEqual(first.expect(PUBLISH).payload, b"begun")
        second = self.client()
        second.subscribe(f"$share/g/{topic}", f"{topic}/end", qos=2)
        first.leave()
        publisher.publish(f"{topic}/end", "last", 2)
        self.assertEqual(self.payloads_until(second, b"last"), [])

    def test_members_leave_by_unsubscribing_and_by_going_away(self):
        """[MQTT5-3.10.4-1]"""
        topic = self.topic()
        staying, leaving, gone = self.client(), self.client(), self.client()
        for member in (staying, leaving, gone):
            member.subscribe(f"$share/g/{topic}")
        self.assertEqual(leaving.unsubscribe(f"$share/g/{topic}", topic).reasons, [0, 0x11])
        gone.leave()
        publisher = self.client()
        for number in range(20):
            publisher.publish(topic, str(number), 1)
        self.assertEqual([int(staying.heard().payload) for _ in range(20)], [*range(20)])

    def test_shared_filters_that_are_none_are_refused(self):
        """[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] [MQTT5-3.8.3-4]"""
        for bad in ("$share/", "$share//a", "$share/g", "$share/g/", "$share/g+/a", "$share/#/a", "$share/g/a#", "$share/g/+b"):
            for data in (subscribe([(bad, 0)]), unsubscribe([bad])):
                with self.subTest(data=data):
                    client = self.client()
                    client.send(data)
                    self.assert_refused(client)
        client = self.client()
        client.send(subscribe([("$share/g/a", 4)]))  # No Local.
        self.assert_refused(client, 0x82)


if __name__ == "__main__":
    unittest.main()
