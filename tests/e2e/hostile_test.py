"""Hostile and broken clients: each is answered or closed, counted, and nobody else suffers."""
import itertools
import re
import socket
import threading
import unittest

from spate_node import Directory, Node, connect, field, packet, publish, read_packet


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Directory()
        cls.node = Node(cls.directory.__enter__()).wait_ready()

    @classmethod
    def tearDownClass(cls):
        ledger = cls.node.ledger()
        status = cls.node.terminate()
        cls.directory.__exit__()
        assert status == 0 and ledger["imbalance"] == 0, (status, ledger)

    numbers = itertools.count()

    def session(self, level=4):
        connection = self.node.connect()
        connection.sendall(connect(f"hostile-{next(self.numbers)}", level))
        first, body = read_packet(connection)
        self.assertEqual((first, body[1]), (0x20, 0))
        return connection

    def closed(self, connection):
        """Reads until the server closes; what came before."""
        packets = []
        try:
            while (found := read_packet(connection)) is not None:
                packets.append(found)
        except ConnectionResetError:
            pass
        connection.close()
        return packets

    def test_malformed_packets_end_only_their_own_connection(self):
        good = self.session()
        broken = [
            b"\x00\x00",                                 # type 0
            b"\x32\xff\xff\xff\xff\x01",                 # a length of five bytes
            b"\x36\x05\x00\x01a\x00\x01",                # QoS 3
            publish("a\0b", "{}"),                       # NUL in a topic
            publish("devices/+/telemetry", "{}"),        # a wildcard
            publish("", "{}"),                           # no topic
            publish(b"devices/\xff\xfe/telemetry", "{}"),  # not UTF-8
            publish("devices/x/telemetry", "{}", 0),     # packet id 0
            packet(0x80, b"\0\1" + field("a") + b"\1"),  # SUBSCRIBE with wrong flags
            packet(0x82, b"\0\1"),                       # SUBSCRIBE without a filter
            packet(0x20, b"\0\0"),                       # a server's packet
            packet(0xC0, b"x"),                          # PINGREQ with a body
            connect("again"),                            # a second CONNECT
        ]
        for data in broken:
            for level in (4, 5):
                if level == 5 and data[0] == 0x10:
                    data = connect("again", 5)
                with self.subTest(data=data, level=level):
                    bad = self.session(level)
                    bad.sendall(data)
                    answers = self.closed(bad)
                    if level == 5:
                        self.assertEqual(answers[-1][0], 0xE0)  # DISCONNECT with a reason
                        self.assertGreaterEqual(answers[-1][1][0], 0x80)
                    else:
                        self.assertEqual(answers, [])
        good.sendall(publish("devices/good/telemetry", '{"a":1}', 7))
        self.assertEqual(read_packet(good), (0x40, b"\0\7"))
        good.close()

    def test_bytes_before_a_connect_get_no_answer(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", publish("a", "b"), b"\x10\xff\xff\x7f", b"\xff" * 100):
            with self.subTest(data=data):
                stranger = self.node.connect()
                stranger.sendall(data)
                self.assertEqual(self.closed(stranger), [])

    def test_bad_payloads_are_acknowledged_and_can_be_asked_for(self):
        device = "bad-payloads"
        payloads = {
            "payload-not-json": ['{"temp":NaN}', '{"a":1', "", '{"a":01}', '{"a":1}}', "[1,", '{"a":"\x01"}', "ON"],
            "depth-exceeded": ["[" * 200 + "]" * 200, '{"a":' * 100 + "1" + "}" * 100],
            "invalid-utf8": [b'{"a":"\xff\xfe"}'],
            "number-out-of-range": ['{"a":1e999}', '{"a":' + "9" * 1000 + "}"],
            "no-values": ["{}", "[]", '{"a":null}'],
            "timestamp-invalid": ['{"ts":"yesterday","a":1}', '{"ts":-5,"a":1}'],
            "timestamp-in-future": ['{"ts":4102444800000,"a":1}'],
        }
        for level in (4, 5):
            client = self.session(level)
            number = 0
            for reason, texts in payloads.items():
                for text in texts:
                    number += 1
                    client.sendall(publish(f"devices/{device}/telemetry", text, number, 1, level))
                    first, body = read_packet(client)
                    self.assertEqual((first, body[:2]), (0x40, number.to_bytes(2, "big")), (reason, text))
                    if level == 5:
                        self.assertGreaterEqual(body[2], 0x80, (reason, text))
            client.close()
        for reason, texts in payloads.items():
            items = self.node.get(f"/api/v1/rejections?device={device}&reason={reason}")[1]["items"]
            self.assertEqual(len(items), 2 * len(texts), (reason, [i["detail"] for i in items]))
            self.assertTrue(all(i["detail"] for i in items))

    def test_a_packet_may_come_byte_by_byte(self):
        slow = self.node.connect()
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in connect("slow") + publish("devices/slow/telemetry", '{"a":1}', 3):
            slow.sendall(bytes([byte]))
        self.assertEqual(read_packet(slow)[0], 0x20)
        self.assertEqual(read_packet(slow), (0x40, b"\0\3"))
        slow.close()

    def test_half_a_packet_and_gone_leaves_nothing(self):
        before = self.node.ledger()["received"]
        data = publish("devices/half/telemetry", '{"a":1}', 3)
        for cut in range(1, len(data)):
            half = self.session()
            half.sendall(data[:cut])
            half.close()
        self.assertEqual(self.node.ledger()["received"], before)
        self.assertEqual(self.node.get("/api/v1/devices/half/telemetry")[0], 404)

    def test_a_client_that_never_reads_its_acknowledgements_is_no_longer_read(self):
        mute = self.session()
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        data = b"".join(publish("devices/mute/telemetry", '{"a":%d}' % i, i % 65535 + 1) for i in range(2000))
        mute.settimeout(3)
        sent = 0
        try:
            for _ in range(2000):  # 4 million messages, if nothing stopped it
                sent += mute.send(data)
        except socket.timeout:
            pass
        self.assertLess(sent, 1900 * len(data))
        mute.close()
        while self.node.ledger()["in_flight"]:
            pass
        self.assertEqual(self.node.ledger()["imbalance"], 0)

    def test_device_ids_are_checked_and_need_not_be_client_ids(self):
        client = self.session(5)
        client.sendall(publish("devices/../telemetry", '{"a":1}', 1, 1, 5))
        answer = read_packet(client)[1]
        self.assertEqual(answer[:3], b"\0\1\x90")
        self.assertTrue(answer.endswith(b"invalid-device-id"))
        client.sendall(publish("devices/urn:dev:ow:10e2073a01080063/telemetry", '{"a":1}', 2, 1, 5))
        self.assertEqual(read_packet(client), (0x40, b"\0\2"))
        self.assertEqual(self.node.get("/api/v1/devices/urn%3Adev%3Aow%3A10e2073a01080063/telemetry")[0], 200)
        client.close()


class SmallMemory(unittest.TestCase):
    """A node with 256 MiB; what strangers and clients make it hold stays well below."""

    LIMIT = 256 << 20

    def setUp(self):
        self.directory = Directory()
        # A build with AddressSanitizer would otherwise hold back 256 MiB of what is freed.
        self.node = Node(self.directory.__enter__(), "--memory-limit", str(self.LIMIT),
                         env={"ASAN_OPTIONS": "quarantine_size_mb=1"}).wait_ready()
        self.largest = 0

    def tearDown(self):
        self.assertEqual(self.node.terminate(), 0)
        self.directory.__exit__()

    def session(self, number):
        connection = self.node.connect()
        connection.sendall(connect(f"memory-{number}"))
        self.assertEqual(read_packet(connection)[0], 0x20)
        return connection

    def look(self):
        self.largest = max(self.largest, self.node.rss_bytes())

    def settled(self):
        while (ledger := self.node.ledger())["in_flight"]:
            self.look()
        self.look()
        self.assertEqual(ledger["imbalance"], 0)
        self.assertLess(self.largest, self.LIMIT)

    def test_large_messages_of_many_clients(self):
        payload = '{"s":"' + "z" * 900_000 + '"}'
        clients = [self.session(number) for number in range(24)]

        def flood(client, number):
            for _ in range(25):
                client.sendall(publish(f"devices/m{number}/telemetry", payload, 0, 0))

        senders = [threading.Thread(target=flood, args=each) for each in zip(clients, itertools.count())]
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            self.look()
        for client in clients:
            client.sendall(b"\xc0\0")  # All of it was read once the PINGRESP is there.
        for client in clients:
            self.assertEqual(read_packet(client)[0], 0xD0)
            client.close()
        self.settled()
        self.assertEqual(self.node.ledger()["received"], 600)

    def test_packets_that_never_end(self):
        half = publish("devices/half/telemetry", '{"s":"' + "z" * 1_000_000 + '"}')[:1_000_000]
        clients = [self.session(number) for number in range(300)]
        for client in clients:
            try:
                client.sendall(half)
            except ConnectionError:
                pass  # One of those that are one too many.
            self.look()
        good = self.session("good")
        good.sendall(publish("devices/good/telemetry", '{"a":1}', 7))
        self.assertEqual(read_packet(good), (0x40, b"\0\7"))
        self.settled()
        metrics = self.node.text("/metrics")
        closed = re.search(r'spate_mqtt_closed_total{cause="input buffers full"} (\d+)', metrics)
        self.assertGreater(int(closed[1]), 100)
        for client in [*clients, good]:
            client.close()


if __name__ == "__main__":
    unittest.main()
