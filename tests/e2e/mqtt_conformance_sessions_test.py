"""Sessions that outlive their connection: what they keep, what is sent again, and when they end."""
import unittest

import mqtt_wire as mqtt
from mqtt_case import MqttCase
from mqtt_wire import PUBACK, PUBCOMP, PUBLISH, PUBREC, PUBREL, Will, publish

FOR_LONG = 3600


class Sessions(MqttCase):
    def keeper(self, name, level=5, clean=False, expiry=FOR_LONG, present=None, props=(), **more):
        """A client whose session is kept."""
        props = [*props, (mqtt.SESSION_EXPIRY, expiry)] if level == 5 else []
        client = self.client(name, level, clean=clean, props=props, **more)
        if present is not None:
            self.assertEqual(client.connack.session_present, present)
        return client


    def wait_a_second(self):
        """By the server's clock: it closes a silent client after 1.5 s."""
        self.assertEqual(self.client(keep_alive=1, level=4).rest(), [])

    def test_messages_for_an_absent_client_wait_for_it_in_order(self):
        """[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.2.2-2] [MQTT-4.1.0-1] [MQTT-3.1.4-3] [MQTT5-3.1.2-5] [MQTT5-3.1.2-23]
        [MQTT5-3.2.2-3] [MQTT5-4.1.0-1]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"absent-{level}"
            keeper = self.keeper(name, level, present=0)
            keeper.subscribe(topic, qos=2)
            keeper.leave()
            publisher = self.client(level=level)
            for number in range(100):
                publisher.publish(topic, str(number), number % 2 + 1, number + 1)
            keeper = self.keeper(name, level, present=1)
            messages = [keeper.heard() for _ in range(100)]
            self.assertEqual([int(each.payload) for each in messages], [*range(100)])
            self.assertEqual([each.qos for each in messages], [number % 2 + 1 for number in range(100)])
            self.assertFalse(any(each.dup for each in messages))
            publisher.publish(topic, "now", 1)  # The subscription is there as before.
            self.assertEqual(keeper.heard().payload, b"now")
            keeper.leave()
            self.keeper(name, level, present=1).ping()  # Nothing is left.

    def test_a_clean_start_ends_the_session_before(self):
        """[MQTT-3.1.2-6] [MQTT-3.2.2-1] [MQTT5-3.1.2-4] [MQTT5-3.2.2-2] [MQTT-3.1.4-3]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"clean-start-{level}"
            keeper = self.keeper(name, level)
            keeper.subscribe(topic, qos=1)
            keeper.leave()
            publisher = self.client()
            publisher.publish(topic, "for the old session", 1)
            keeper = self.keeper(name, level, clean=True, present=0)
            publisher.publish(topic, "no subscription takes it", 1)
            keeper.subscribe(topic, qos=1)
            publisher.publish(topic, "last", 1)
            self.assertEqual(self.payloads_until(keeper, b"last"), [])

    def test_what_was_not_acknowledged_comes_again_with_its_id_and_in_order(self):
        """[MQTT-3.3.1-1] [MQTT-4.4.0-1] [MQTT-4.6.0-1] [MQTT-4.1.0-2] [MQTT5-3.3.1-1] [MQTT5-4.4.0-1] [MQTT5-4.6.0-1]
        [MQTT-2.3.1-4]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"again-{level}"
            keeper, publisher = self.keeper(name, level), self.client()
            keeper.subscribe(topic, qos=2)
            for number in range(6):
                publisher.publish(topic, str(number), number % 2 + 1)
            first = [keeper.expect(PUBLISH) for _ in range(6)]
            keeper.ack(PUBACK, first[2].packet_id)
            keeper.ping()
            keeper.close()
            keeper = self.keeper(name, level, present=1)
            again = [keeper.expect(PUBLISH) for _ in range(5)]
            self.assertEqual([(each.packet_id, each.payload, each.qos) for each in again],
                             [(each.packet_id, each.payload, each.qos) for each in first if each is not first[2]])
            self.assertTrue(all(each.dup for each in again))
            keeper.leave()

    def test_a_pubrel_that_was_not_answered_comes_again_without_its_publish(self):
        """[MQTT-4.4.0-1] [MQTT-4.3.3-1] [MQTT5-4.4.0-1] [MQTT5-4.3.3-5] [MQTT5-4.3.3-6]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"pubrel-{level}"
            keeper, publisher = self.keeper(name, level), self.client()
            keeper.subscribe(topic, qos=2)
            publisher.publish(topic, "x", 2)
            message = keeper.expect(PUBLISH)
            keeper.ack(PUBREC, message.packet_id)
            keeper.expect(PUBREL)
            keeper.close()
            keeper = self.keeper(name, level, present=1)
            self.assertEqual(keeper.expect(PUBREL).packet_id, message.packet_id)
            keeper.ack(PUBCOMP, message.packet_id)
            keeper.ping()
            keeper.leave()
            self.keeper(name, level, present=1).ping()

    def test_a_qos_2_message_is_one_though_its_publisher_comes_back_between(self):
        """[MQTT-4.3.3-2] [MQTT5-4.3.3-10] [MQTT5-4.1.0-1] [MQTT-4.1.0-1]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"publisher-{level}"
            subscriber, publisher = self.client(), self.keeper(name, level)
            subscriber.subscribe(topic, qos=2)
            publisher.send(publish(topic, "once", 2, 7, level))
            publisher.expect(PUBREC)
            publisher.close()
            publisher = self.keeper(name, level, present=1)
            publisher.send(publish(topic, "once", 2, 7, level, dup=True))
            self.assertEqual(publisher.expect(PUBREC).packet_id, 7)
            publisher.ack(PUBREL, 7)
            self.assertEqual(publisher.expect(PUBCOMP).packet_id, 7)
            publisher.publish(topic, "last", 2, 7)
            self.assertEqual(self.payloads_until(subscriber, b"last"), [b"once"])

    def test_a_client_that_takes_its_session_over_goes_on_with_it(self):
        """[MQTT-3.1.4-2] [MQTT5-3.1.4-3] [MQTT5-4.1.0-1] [MQTT-4.4.0-1]"""
        for level in self.LEVELS:
            topic, name = self.topic(), f"over-{level}"
            first, publisher = self.keeper(name, level), self.client()
            first.subscribe(topic, qos=1)
            publisher.publish(topic, "x", 1)
            message = first.expect(PUBLISH)
            second = self.keeper(name, level, present=1)
            self.assert_refused(first, 0x8E)
            again = second.expect(PUBLISH)
            self.assertEqual((again.packet_id, again.payload, again.dup), (message.packet_id, b"x", True))
            second.ack(PUBACK, again.packet_id)
            publisher.publish(topic, "new", 1)
            self.assertEqual(second.heard().payload, b"new")

    def test_a_session_ends_with_its_expiry(self):
        """[MQTT5-4.1.0-2] [MQTT5-3.1.2-23]"""
        for name, expiry in (("expiry-none", 0), ("expiry-short", 1)):
            self.keeper(name, expiry=expiry).leave()
        shortened = self.keeper("expiry-shortened")
        shortened.send(mqtt.disconnect(0, props=[(mqtt.SESSION_EXPIRY, 0)]))
        shortened.rest()
        lengthened = self.keeper("expiry-lengthened", expiry=1)
        lengthened.send(mqtt.disconnect(0, props=[(mqtt.SESSION_EXPIRY, FOR_LONG)]))
        lengthened.rest()
        self.wait_a_second()
        for name, present in (("expiry-none", 0), ("expiry-short", 0), ("expiry-shortened", 0), ("expiry-lengthened", 1)):
            self.keeper(name, present=present).leave()

    def test_messages_that_expire_while_their_client_is_away_do_not_come(self):
        """[MQTT5-3.3.2-5] [MQTT5-3.3.2-6]"""
        topic = self.topic()
        keeper = self.keeper("away")
        keeper.subscribe(topic, qos=1)
        keeper.leave()
        publisher = self.client()
        publisher.publish(topic, "short", 1, props=[(mqtt.MESSAGE_EXPIRY, 1)])
        publisher.publish(topic, "long", 1, props=[(mqtt.MESSAGE_EXPIRY, 1000)])
        self.wait_a_second()
        message = self.keeper("away", present=1).heard()
        self.assertEqual(message.payload, b"long")
        self.assertLess(message.value(mqtt.MESSAGE_EXPIRY), 1000)

    def test_a_queue_comes_within_the_receive_maximum_of_the_new_connection(self):
        """[MQTT5-3.3.4-9] [MQTT5-4.9.0-1]"""
        topic = self.topic()
        keeper = self.keeper("window")
        keeper.subscribe(topic, qos=1)
        keeper.leave()
        publisher = self.client()
        for number in range(20):
            publisher.publish(topic, str(number), 1)
        keeper = self.keeper("window", present=1, props=[(mqtt.RECEIVE_MAXIMUM, 2)])
        for number in range(0, 20, 2):
            pair = [keeper.expect(PUBLISH), keeper.expect(PUBLISH)]
            self.assertEqual([int(each.payload) for each in pair], [number, number + 1])
            keeper.ping()
            for each in pair:
                keeper.ack(PUBACK, each.packet_id)

    def test_qos_2_that_was_begun_with_a_member_of_a_group_is_finished_with_it(self):
        """[MQTT5-4.8.2-4]"""
        topic = self.topic()
        first, publisher = self.keeper("member"), self.client()
        first.subscribe(f"$share/g/{topic}", qos=2)
        publisher.publish(topic, "begun", 2)
        message = first.expect(PUBLISH)
        second = self.client()
        second.subscribe(f"$share/g/{topic}", f"{topic}/end", qos=2)
        first.close()
        first = self.keeper("member", present=1)
        self.assertEqual(first.heard().packet_id, message.packet_id)
        publisher.publish(f"{topic}/end", "last", 2)
        self.assertEqual(self.payloads_until(second, b"last"), [])

    def test_a_will_waits_for_its_delay_and_goes_if_the_client_comes_back(self):
        """[MQTT5-3.1.3-9] [MQTT5-3.1.2-8] [MQTT5-3.1.2-10]"""
        topic = self.topic()
        watcher = self.client()
        watcher.subscribe(topic, qos=1)
        delayed = [(mqtt.WILL_DELAY, 2)]
        self.keeper("delay", will=Will(topic, "not sent", props=delayed)).close()
        self.keeper("delay", present=1, will=Will(topic, "sent", props=delayed)).close()
        self.assertEqual(watcher.heard().payload, b"sent")

    def test_a_will_waits_no_longer_than_its_session(self):
        """[MQTT5-3.1.2-8]"""
        topic = self.topic()
        watcher = self.client()
        watcher.subscribe(topic, qos=1)
        for_long = [(mqtt.WILL_DELAY, FOR_LONG)]
        self.keeper("ends", expiry=1, will=Will(topic, "expired", props=for_long)).close()
        self.assertEqual(watcher.heard().payload, b"expired")
        self.keeper("ends", will=Will(topic, "started anew", props=for_long)).close()
        self.keeper("ends", clean=True).leave()
        self.assertEqual(watcher.heard().payload, b"started anew")


if __name__ == "__main__":
    unittest.main()
