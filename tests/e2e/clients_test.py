"""Real MQTT clients against the real node: mosquitto's (libmosquitto) and paho, every version and QoS."""
import itertools
import subprocess
import threading
import time
import unittest

import paho.mqtt.client as paho

from spate_node import Directory, Node


SESSION_TAKEN_OVER = 0x8E
PATIENCE_S = 60


def paho_client(client_id, protocol):
    # Without reconnect_on_failure=False a client that was taken over would take the session back at once.
    if hasattr(paho, "CallbackAPIVersion"):  # paho 2
        return paho.Client(paho.CallbackAPIVersion.VERSION1, client_id=client_id, protocol=protocol,
                           reconnect_on_failure=False)
    return paho.Client(client_id=client_id, protocol=protocol, reconnect_on_failure=False)


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Directory()
        cls.node = Node(cls.directory.__enter__()).wait_ready()

    @classmethod
    def tearDownClass(cls):
        balance = cls.node.ledger()["imbalance"]
        status = cls.node.terminate()
        cls.directory.__exit__()
        assert (status, balance) == (0, 0)

    def records(self, device):
        return self.node.get(f"/api/v1/devices/{device}/telemetry")[1]["records"]

    def await_stored(self, records):
        until = time.monotonic() + PATIENCE_S
        while (stored := self.node.ledger()["stored"]) < records:
            self.assertLess(time.monotonic(), until, f"{stored} of {records} records are stored")
            time.sleep(0.01)  # Asks no more often than that.

    def test_mosquitto_pub_is_stored_with_every_version_and_qos(self):
        for version, qos in itertools.product(("mqttv311", "mqttv5"), "012"):
            device = f"mosquitto-{version}-{qos}"
            stored = self.node.ledger()["stored"]
            lines = "".join(f'{{"ts":{1700000000000 + i},"temp":{i}.50}}\n' for i in range(50))
            subprocess.run(["mosquitto_pub", "-h", self.node.mqtt[0], "-p", str(self.node.mqtt[1]), "-V", version, "-q", qos,
                            "-t", f"devices/{device}/telemetry", "-l"], input=lines, text=True, check=True, timeout=60)
            self.await_stored(stored + 50)  # Nothing tells a QoS 0 sender when it is stored.
            found = self.records(device)
            self.assertEqual([r["ts"] for r in found], [1700000000000 + i for i in range(50)])
            self.assertEqual(found[7]["values"], {"temp": 7.5})

    def test_mosquitto_sub_is_granted_its_subscription(self):
        sub = subprocess.run(["mosquitto_sub", "-h", self.node.mqtt[0], "-p", str(self.node.mqtt[1]), "-V", "mqttv5",
                              "-q", "1", "-t", "devices/x/commands/#", "-E"], timeout=60)
        self.assertEqual(sub.returncode, 0)  # -E: leave once all subscriptions are acknowledged.

    def test_paho_gets_its_acknowledgements(self):
        for protocol, qos in itertools.product((paho.MQTTv311, paho.MQTTv5), (1, 2)):
            device = f"paho-{protocol}-{qos}"
            client = paho_client(device, protocol)
            client.connect(*self.node.mqtt)
            client.loop_start()
            sent = [client.publish(f"devices/{device}/telemetry", f'{{"ts":{1700000000000 + i},"on":true}}', qos)
                    for i in range(100)]
            for message in sent:
                message.wait_for_publish(30)
                self.assertTrue(message.is_published())
            client.disconnect()
            client.loop_stop()
            self.assertEqual(len(self.records(device)), 100)

    def test_a_second_connection_with_the_same_client_id_takes_the_session_over(self):
        gone = threading.Event()
        first = paho_client("twin", paho.MQTTv5)
        reasons = []
        first.on_disconnect = lambda _c, _u, reason, *_p: (reasons.append(reason), gone.set())
        first.connect(*self.node.mqtt)
        connected = threading.Event()
        first.on_connect = lambda *_: connected.set()
        first.loop_start()
        self.assertTrue(connected.wait(30))
        second = paho_client("twin", paho.MQTTv5)
        second.connect(*self.node.mqtt)
        second.loop_start()
        self.assertTrue(gone.wait(30))
        first.loop_stop()
        self.assertEqual([getattr(reason, "value", reason) for reason in reasons], [SESSION_TAKEN_OVER])
        second.publish("devices/twin/telemetry", '{"a":1}', 1).wait_for_publish(30)
        self.assertEqual(len(self.records("twin")), 1)
        second.disconnect()
        second.loop_stop()


if __name__ == "__main__":
    unittest.main()
