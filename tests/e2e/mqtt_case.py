"""What the tests of MQTT conformance share: one node for a class, and clients that are closed behind each test."""
import itertools
import pathlib
import unittest

from mqtt_wire import Client, DISCONNECT, Wire
from spate_node import Directory, Node


class MqttCase(unittest.TestCase):
    LEVELS = (4, 5)
    CONFIG = ""
    _topics = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        cls.directory = Directory()
        folder = pathlib.Path(cls.directory.__enter__())
        options = []
        if cls.CONFIG:
            (folder / "spate.toml").write_text(cls.CONFIG)
            options = ["--config", folder / "spate.toml"]
        # A build with AddressSanitizer would otherwise hold back 256 MiB of what is freed.
        cls.node = Node(folder / "data", *options, env={"ASAN_OPTIONS": "quarantine_size_mb=1"}).wait_ready()

    @classmethod
    def tearDownClass(cls):
        ledger = cls.node.ledger()
        status = cls.node.terminate()
        cls.directory.__exit__()
        assert status == 0 and ledger["imbalance"] == 0, (status, ledger)

    def wire(self, level=5):
        """A connection without a CONNECT yet."""
        out = Wire(self.node.mqtt, level)
        self.addCleanup(out.close)
        return out

    def client(self, client_id=None, level=5, **options):
        out = Client(self.node.mqtt, client_id, level, **options)
        self.addCleanup(out.close)
        self.assertEqual(out.connack.reason, 0, out.connack)
        return out

    def topic(self, end=""):
        """One that no other test uses."""
        return f"conformance/{next(self._topics)}{end}"

    def pair(self, *filters, level=5, qos=2, props=()):
        """A subscriber, and a client to publish to it."""
        subscriber = self.client(level=level)
        subscriber.subscribe(*filters, qos=qos, props=props)
        return subscriber, self.client(level=level)

    def payloads_until(self, subscriber, last):
        """Of all PUBLISH packets up to the one with this payload. Messages of one publisher keep their order, so that
        what has not come by then does not come."""
        out = []
        while not out or out[-1] != last:
            out.append(subscriber.heard().payload)
        return out[:-1]

    def assert_refused(self, wire, reason=None, before=()):
        """The server says why in MQTT 5, and closes. `before`: types that may come first."""
        answers = [each for each in wire.rest() if each.type not in before]
        if wire.level < 5:
            self.assertEqual(answers, [])
            return
        self.assertEqual([each.type for each in answers], [DISCONNECT])
        self.assertGreaterEqual(answers[0].reason, 0x80)
        if reason is not None:
            self.assertEqual(answers[0].reason, reason)
