"""Commands to devices, end to end: the real node, real clients as devices, kill -9 in every state."""
import itertools
import json
import os
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.request

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from clients_test import paho_client
from spate_node import Directory, Node, connect, field, packet, publish, read_packet

PATIENCE_S = 60
SUBACK, PUBLISH, PUBACK = 0x90, 0x30, 0x40


class CommandNode(Node):
    def call(self, method, path, body=None, headers=None):
        """(status, JSON, headers) of a request, whatever its status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=90) as answer:
                return answer.status, json.load(answer), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.load(error), error.headers

    def send(self, device, name="set", wait=None, key=None, **members):
        headers = {}
        if wait is not None:
            headers["Prefer"] = f"wait={wait}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.call("POST", f"/api/v1/devices/{device}/commands", {"name": name, **members}, headers)

    def command(self, device, command_id):
        return self.call("GET", f"/api/v1/devices/{device}/commands/{command_id}")[1]

    def await_state(self, device, command_id, *states):
        until = time.monotonic() + PATIENCE_S
        while (state := self.command(device, command_id)["state"]) not in states:
            assert time.monotonic() < until, f"{command_id} is {state}, not {states}"
            time.sleep(0.005)  # Asks no more often than that.
        return state

    def await_ready(self, device):
        """Until the device takes commands: its SUBACK says that the session knows, not that the router does."""
        until = time.monotonic() + PATIENCE_S
        while (status := self.send(device, "probe", args={}, ttl_ms=1)[0]) == 409:
            assert time.monotonic() < until
        assert status == 202, status


class RawDevice:
    """A device that does nothing by itself."""

    def __init__(self, node, device, level=4, client_id=None, subscribe=True):
        self.device, self.level, self.early = device, level, []
        self.socket = node.connect()
        self.socket.sendall(connect(client_id or device, level))
        assert read_packet(self.socket)[0] == 0x20
        if subscribe:
            self.subscribe(f"devices/{device}/commands/#")

    def subscribe(self, topic_filter):
        properties = b"\0" if self.level == 5 else b""
        self.socket.sendall(packet(0x82, b"\0\1" + properties + field(topic_filter) + b"\1"))
        while (early := read_packet(self.socket))[0] != SUBACK:
            self.early.append(early)  # Commands may come before it.

    def command(self, skip=("probe",)):
        """(topic, packet id, payload) of the next command; those of await_ready() are acknowledged."""
        while True:
            first, body = self.early.pop(0) if self.early else read_packet(self.socket)
            if first & 0xF0 != PUBLISH:
                continue
            length = int.from_bytes(body[:2], "big")
            topic = body[2:2 + length].decode()
            packet_id = int.from_bytes(body[2 + length:4 + length], "big")
            if topic.split("/")[3] in skip:
                self.acknowledge(packet_id)
                continue
            return topic, packet_id, body[4 + length:]

    def acknowledge(self, packet_id):
        self.socket.sendall(packet(PUBACK, packet_id.to_bytes(2, "big")))

    def answer(self, command_id, document=None, device=None, packet_id=1, raw=None):
        payload = raw if raw is not None else json.dumps(document or {"status": "ok"})
        self.socket.sendall(publish(f"devices/{device or self.device}/responses/{command_id}", payload, packet_id,
                                    level=self.level))

    def puback(self):
        while True:
            first, body = read_packet(self.socket)
            if first & 0xF0 == PUBACK:
                return body

    def close(self):
        self.socket.close()


class Commands(unittest.TestCase):
    def setUp(self):
        self.directory = Directory()
        self.data = self.directory.__enter__() / "data"
        self.node = CommandNode(self.data).wait_ready()

    def tearDown(self):
        status = self.node.terminate()
        self.directory.__exit__()
        self.assertEqual(status, 0, "\n".join(self.node.log[-20:]))

    def restart(self):
        self.node.kill()
        self.node = CommandNode(self.data).wait_ready()

    def paho_device(self, name, protocol, answer):
        client = paho_client(name, protocol)
        ready = threading.Event()
        client.on_connect = lambda c, *_: c.subscribe(f"devices/{name}/commands/#", 1)
        client.on_subscribe = lambda *_: ready.set()
        client.on_message = answer
        client.connect(*self.node.mqtt)
        client.loop_start()
        self.assertTrue(ready.wait(30))
        self.node.await_ready(name)
        return client

    def test_paho_gets_a_command_and_its_answer_comes_back_in_one_request(self):
        def answer_v5(client, _user, message):
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.properties.CorrelationData
            client.publish(message.properties.ResponseTopic, json.dumps({"status": "ok", "result": json.loads(message.payload)}),
                           1, properties=properties)

        def answer_v311(client, _user, message):
            _, device, _, _, command_id = message.topic.split("/")
            client.publish(f"devices/{device}/responses/{command_id}",
                           json.dumps({"status": "ok", "result": json.loads(message.payload)}), 1)

        for protocol, answer in ((paho.MQTTv5, answer_v5), (paho.MQTTv311, answer_v311)):
            device = f"lamp-{protocol}"
            client = self.paho_device(device, protocol, answer)
            status, command, headers = self.node.send(device, "set", wait=30, args={"level": 0.50, "on": True})
            self.assertEqual((status, command["state"]), (200, "SUCCEEDED"), command)
            self.assertEqual(command["result"], {"level": 0.50, "on": True})
            self.assertEqual(headers["Location"], f"/api/v1/devices/{device}/commands/{command['id']}")
            times = command["timings"]
            self.assertLessEqual(times["created_ts"], times["sent_ts"])
            self.assertLessEqual(times["sent_ts"], times["completed_ts"])
            self.assertGreater(times["total_us"], 0)
            client.disconnect()
            client.loop_stop()

    def test_mosquitto_is_a_device(self):
        host, port = self.node.mqtt[0], str(self.node.mqtt[1])
        sub = subprocess.Popen(["mosquitto_sub", "-h", host, "-p", port, "-V", "mqttv5", "-q", "1", "-i", "pump-sub",
                                "-t", "devices/pump/commands/start", "-C", "1", "-F", "%R %p"], stdout=subprocess.PIPE, text=True)
        until = time.monotonic() + PATIENCE_S
        while (sent := self.node.send("pump", "start", args=[1, 2], ttl_ms=30000))[0] != 202:
            self.assertLess(time.monotonic(), until)
            self.assertIn(sent[0], (404, 409))
            time.sleep(0.01)
        topic, payload = sub.communicate(timeout=30)[0].split(" ", 1)
        self.assertEqual(json.loads(payload), [1, 2])
        subprocess.run(["mosquitto_pub", "-h", host, "-p", port, "-q", "1", "-i", "pump", "-t", topic,
                        "-m", '{"status":"failed","reason":"no water"}'], check=True, timeout=30)
        command = self.node.command("pump", sent[1]["id"])
        self.assertEqual((command["state"], command["reason"]), ("FAILED", "no water"))

    def test_a_device_that_was_never_seen_is_not_found_and_one_that_is_away_is_offline(self):
        self.assertEqual(self.node.send("ghost", if_offline="queue")[0], 404)
        device = RawDevice(self.node, "seen")
        self.node.await_ready("seen")
        device.close()
        until = time.monotonic() + PATIENCE_S
        while (answer := self.node.send("seen", "probe", ttl_ms=1))[0] == 202:
            self.assertLess(time.monotonic(), until)
        self.assertEqual((answer[0], answer[1]["code"]), (409, "device-offline"))
        self.restart()  # Seen, durably, though it never sent telemetry.
        self.assertEqual(self.node.send("seen")[0], 409)
        status, queued, _ = self.node.send("seen", if_offline="queue")
        self.assertEqual((status, queued["state"]), (202, "QUEUED"))

    def test_kill_9_in_every_state(self):
        device = RawDevice(self.node, "d")
        self.node.await_ready("d")
        ids = {}
        for name in ("answered", "delivered", "sent"):
            status, command, _ = self.node.send("d", name, ttl_ms=600_000, key=f"key-{name}")
            self.assertEqual(status, 202)
            ids[name] = command["id"]
            topic, packet_id, _ = device.command()
            self.assertEqual(topic, f"devices/d/commands/{name}/{command['id']}")
            if name != "sent":
                device.acknowledge(packet_id)
            if name == "answered":
                device.answer(command["id"], {"status": "ok", "result": 21.50})
                device.puback()
        self.node.await_state("d", ids["delivered"], "DELIVERED")
        self.node.await_state("d", ids["sent"], "SENT")
        device.close()
        ids["queued"] = self.node.send("d", "queued", if_offline="queue", key="key-queued")[1]["id"]
        self.restart()
        wanted = {"answered": "SUCCEEDED", "delivered": "DELIVERED", "sent": "SENT", "queued": "QUEUED"}
        self.assertEqual({name: self.node.command("d", i)["state"] for name, i in ids.items()}, wanted)
        self.assertEqual(self.node.command("d", ids["answered"])["result"], 21.50)
        for name in wanted:  # A repeated request finds its command, also after the crash.
            members = {"if_offline": "queue"} if name == "queued" else {"ttl_ms": 600_000}
            status, command, headers = self.node.send("d", name, key=f"key-{name}", **members)
            self.assertEqual((command["id"], headers["Idempotency-Replayed"]), (ids[name], "true"))
        self.assertEqual(self.node.send("d", "other", key="key-sent")[0], 422)

        device = RawDevice(self.node, "d")
        again = [device.command(), device.command()]
        self.assertEqual([topic.split("/")[3] for topic, _, _ in again], ["sent", "queued"])
        for topic, packet_id, _ in again:
            device.acknowledge(packet_id)
            device.answer(topic.split("/")[4], packet_id=packet_id)
        device.answer(ids["delivered"], packet_id=9)  # Of a connection and a node that are gone.
        for name, i in ids.items():
            self.node.await_state("d", i, "SUCCEEDED")
        device.close()

    def test_a_connection_that_drops_before_the_puback_gets_the_command_again_and_after_it_does_not(self):
        for level in (4, 5):
            name = f"flaky-{level}"
            device = RawDevice(self.node, name, level)
            self.node.await_ready(name)
            lost = self.node.send(name, "lost", ttl_ms=600_000)[1]["id"]
            device.command()
            device.close()
            device = RawDevice(self.node, name, level)
            _, packet_id, _ = device.command()
            device.acknowledge(packet_id)
            self.node.await_state(name, lost, "DELIVERED")
            device.close()
            device = RawDevice(self.node, name, level)
            marker = None
            until = time.monotonic() + PATIENCE_S
            while marker is None:  # The router may still know only of the session before.
                status, command, _ = self.node.send(name, "marker", ttl_ms=600_000)
                marker = command["id"] if status == 202 else None
                self.assertLess(time.monotonic(), until)
            topic, packet_id, _ = device.command()
            self.assertEqual(topic.split("/")[3], "marker")  # Not `lost` a third time.
            device.acknowledge(packet_id)
            device.answer(lost)
            self.node.await_state(name, lost, "SUCCEEDED")
            device.close()

    def test_a_second_connection_takes_over_in_the_middle_of_a_command(self):
        first = RawDevice(self.node, "twin")
        self.node.await_ready("twin")
        command = self.node.send("twin", "turn", ttl_ms=600_000)[1]["id"]
        first.command()
        second = RawDevice(self.node, "twin")  # The first is disconnected without having acknowledged.
        topic, packet_id, _ = second.command()
        self.assertEqual(topic.split("/")[4], command)
        second.acknowledge(packet_id)
        second.answer(command)
        self.node.await_state("twin", command, "SUCCEEDED")
        first.close()
        second.close()

    def test_a_hostile_device_changes_nothing(self):
        victim = RawDevice(self.node, "victim")
        rogue = RawDevice(self.node, "rogue", 5)
        for device in ("victim", "rogue"):
            self.node.await_ready(device)
        command = self.node.send("victim", "open", ttl_ms=600_000)[1]["id"]
        _, packet_id, _ = victim.command()
        victim.acknowledge(packet_id)
        attacks = [
            dict(command_id=command, device="victim"),               # Another device's, in its name,
            dict(command_id=command),                                # and in its own.
            dict(command_id="01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44"),  # Nobody's.
            dict(command_id="not-an-id"),
        ]
        for number, attack in enumerate(attacks, 1):
            rogue.answer(packet_id=number, document={"status": "ok", "result": "mine"}, **attack)
            body = rogue.puback()
            self.assertEqual(body[:2], number.to_bytes(2, "big"))
            self.assertGreaterEqual(body[2] if len(body) > 2 else 0, 0x80)
        self.node.await_state("victim", command, "DELIVERED")
        victim.answer(command, raw=json.dumps({"status": "ok", "result": "x" * 1_000_000}))
        victim.puback()
        state = self.node.command("victim", command)
        self.assertEqual(state["state"], "FAILED")
        self.assertIn("65536", state["reason"].replace(",", ""))
        victim.answer(command, {"status": "ok"}, packet_id=2)
        victim.puback()
        self.assertEqual(self.node.command("victim", command)["state"], "FAILED")
        reasons = {r["reason"] for r in self.node.get("/api/v1/rejections?device=rogue")[1]["items"]}
        self.assertTrue(reasons >= {"unknown-command"}, reasons)
        self.assertEqual(self.node.ledger()["imbalance"], 0)
        victim.close()
        rogue.close()

    def test_time_is_kept(self):
        device = RawDevice(self.node, "slow")
        self.node.await_ready("slow")
        status, problem, headers = self.node.send("slow", "think", wait=1)
        self.assertEqual((status, problem["code"]), (504, "command-wait-timeout"))
        self.assertIn(problem["command"]["state"], ("SENT", "DELIVERED"))
        path = headers["Location"]
        self.node.await_state("slow", path.rsplit("/", 1)[1], "TIMED_OUT")
        device.close()
        away = self.node.send("slow", "x", ttl_ms=1, if_offline="queue")[1]["id"]
        self.node.await_state("slow", away, "EXPIRED", "TIMED_OUT")

    def test_what_is_not_sent_can_be_cancelled(self):
        device = RawDevice(self.node, "c")
        self.node.await_ready("c")
        sent = self.node.send("c", "sent", ttl_ms=600_000)[1]["id"]
        device.command()
        self.node.await_state("c", sent, "SENT")
        self.assertEqual(self.node.call("DELETE", f"/api/v1/devices/c/commands/{sent}")[1]["code"], "command-already-sent")
        device.close()
        queued = self.node.send("c", "queued", if_offline="queue")[1]["id"]
        for _ in range(2):
            status, command, _ = self.node.call("DELETE", f"/api/v1/devices/c/commands/{queued}")
            self.assertEqual((status, command["state"]), (200, "CANCELED"))
        listed = self.node.call("GET", "/api/v1/devices/c/commands?state=CANCELED,SENT")[1]["items"]
        self.assertEqual([(c["id"], c["state"]) for c in listed], [(queued, "CANCELED"), (sent, "SENT")])


class Dialects(unittest.TestCase):
    def test_a_thingsboard_device_gets_its_rpc(self):
        with Directory() as directory:
            config = directory / "spate.toml"
            config.write_text("[commands]\nthingsboard_rpc = true\n")
            node = CommandNode(directory / "data", "--config", config).wait_ready()
            device = RawDevice(node, "tb-1", subscribe=False)
            device.subscribe("v1/devices/me/rpc/request/+")
            until = time.monotonic() + PATIENCE_S
            while (sent := node.send("tb-1", "setGpio", args={"pin": 7}, ttl_ms=600_000))[0] != 202:
                self.assertIn(sent[0], (404, 409))
                self.assertLess(time.monotonic(), until)
            topic, packet_id, payload = device.command(skip=())
            self.assertEqual(json.loads(payload), {"method": "setGpio", "params": {"pin": 7}})
            device.acknowledge(packet_id)
            number = topic.rsplit("/", 1)[1]
            device.socket.sendall(publish(f"v1/devices/me/rpc/response/{number}", '{"7":true}', 5))
            device.puback()
            command = node.command("tb-1", sent[1]["id"])
            self.assertEqual((command["state"], command["result"]), ("SUCCEEDED", {"7": True}))
            device.close()
            self.assertEqual(node.terminate(), 0)


class Storm(unittest.TestCase):
    """Queued commands for many devices, half of which lose their connection in the middle."""
    DEVICES = int(os.environ.get("SPATE_COMMAND_DEVICES", "200"))
    EACH = 10

    def test_every_command_ends_and_none_is_lost(self):
        with Directory() as directory:
            node = CommandNode(directory / "data").wait_ready()
            names = [f"s{i}" for i in range(self.DEVICES)]
            for name in names:
                status, _, _ = node.call("POST", f"/api/v1/devices/{name}/telemetry", {"a": 1})
                self.assertEqual(status, 200)
            ids = {name: [node.send(name, f"n{i}", if_offline="queue")[1]["id"] for i in range(self.EACH)] for name in names}
            devices = {name: RawDevice(node, name) for name in names}
            for name, device in devices.items():
                if int(name[1:]) % 2:
                    device.command()
                    device.close()  # Having been sent up to the window, acknowledged nothing.
            for name in names:
                if int(name[1:]) % 2:
                    devices[name] = RawDevice(node, name)
            for name, device in devices.items():
                got = []
                for number in range(1, self.EACH + 1):
                    topic, packet_id, _ = device.command()
                    got.append(topic.split("/")[4])
                    device.acknowledge(packet_id)
                    device.answer(got[-1], packet_id=number)
                self.assertEqual(got, ids[name])
            for name in names:
                for command_id in ids[name]:
                    node.await_state(name, command_id, "SUCCEEDED")
                devices[name].close()
            self.assertEqual(node.terminate(), 0)


if __name__ == "__main__":
    unittest.main()
