#!/usr/bin/env python3
"""What the benchmarks of the store decide, and how they read and write records, without a server."""
import contextlib
import gzip
import http.server
import io
import json
import pathlib
import socket
import tempfile
import threading
import types
import unittest

import at_rest
import ingest_under_queries
import reads
import store_harness
from compare import print_table
from harness import Trouble


def recording(*lines: str) -> at_rest.Recording:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "set-1.ndjson.gz"
        with gzip.open(path, "wb") as file:
            file.write("\n".join(lines).encode() + b"\n")
        made = at_rest.Recording(path)
        made.kept = list(made.lines())
    made.lines = lambda: iter(made.kept)
    return made


class Recordings(unittest.TestCase):
    LINES = ('{"d":"a","t":1000,"p":{"x":22.50,"on":true}}', '{"d":"b","t":1001,"p":{"x":1e3,"s":"p"}}',
             '{"d":"a","t":2000,"p":{"x":-0,"n":null,"o":{"k":[1,2]}}}')

    def test_messages_and_readings_are_counted(self):
        made = recording(*self.LINES)
        self.assertEqual((made.name, made.messages, made.readings), ("set-1", 3, 2 + 2 + 3))

    def test_numbers_keep_their_text_and_each_device_its_order(self):
        bodies = list(recording(*self.LINES).bodies(1))
        self.assertEqual(bodies, [
            ("a", b'{"ts":1000,"values":{"x":22.50,"on":true}}\n{"ts":2000,"values":{"x":-0,"n":null,"o":{"k":[1,2]}}}\n'),
            ("b", b'{"ts":1001,"values":{"x":1e3,"s":"p"}}\n')])

    def test_each_copy_has_devices_of_its_own(self):
        self.assertEqual([device for device, _ in recording(*self.LINES).bodies(3)], ["a", "b", "a-2", "b-2", "a-3", "b-3"])

    def test_a_long_set_is_cut_into_bodies(self):
        lines = [f'{{"d":"a","t":{i},"p":{{"x":{i}}}}}' for i in range(store_harness.RECORDS_A_BODY + 1)]
        bodies = list(recording(*lines).bodies(1))
        self.assertEqual([body.count(b"\n") for _, body in bodies], [store_harness.RECORDS_A_BODY, 1])
        self.assertEqual(bodies[1][1], b'{"ts":2000,"values":{"x":2000}}\n')

    def test_a_line_that_is_no_record_is_an_error(self):
        with self.assertRaisesRegex(Trouble, "set-1.ndjson.gz:2: is no record"):
            recording(self.LINES[0], '{"t":1}')


class InfluxLines(unittest.TestCase):
    def test_types_and_texts_are_written_as_its_protocol_wants_them(self):
        fields = at_rest.influx_fields(b'{"a b":22.50,"on":true,"s":"say \\"x\\\\y\\"","n":null}', {})
        self.assertEqual(fields, r'a\ b=22.50,on=true,s="say \"x\\y\""')

    def test_a_field_that_changes_its_type_gets_another_name(self):
        types_seen: dict = {}
        self.assertEqual(at_rest.influx_fields(b'{"x":1}', types_seen), "x=1")
        self.assertEqual(at_rest.influx_fields(b'{"x":""}', types_seen), 'x_string=""')
        self.assertEqual(at_rest.influx_fields(b'{"x":2}', types_seen), "x=2")


class Marginal(unittest.TestCase):
    def test_what_a_directory_has_in_any_case_is_not_counted(self):
        made = recording(*Recordings.LINES)
        taken = {1: 5000 + 70, 4: 5000 + 4 * 70}
        original = at_rest.spate_bytes
        at_rest.spate_bytes = lambda args, what, copies: taken[copies]
        try:
            result = at_rest.measure(types.SimpleNamespace(influx=False), made)
        finally:
            at_rest.spate_bytes = original
        self.assertEqual(result["spate"]["bytes_a_reading"], 10)
        self.assertAlmostEqual(result["spate"]["bytes_a_message"], 70 / 3)

    def test_bytes_of_a_directory_are_those_of_its_files(self):
        with tempfile.TemporaryDirectory() as folder:
            (pathlib.Path(folder) / "in").mkdir()
            (pathlib.Path(folder) / "a").write_bytes(b"x" * 10)
            (pathlib.Path(folder) / "in" / "b").write_bytes(b"x" * 5)
            self.assertEqual(store_harness.directory_bytes(folder), 15)


class Goals(unittest.TestCase):
    def test_a_limit_is_an_upper_or_a_lower_one_and_no_data_is_a_miss(self):
        met = lambda *args, **more: store_harness.goal("g", *args, **more)["met"]
        self.assertTrue(met([1, 2, 9], 2))
        self.assertFalse(met([1, 2.1, 9], 2))
        self.assertTrue(met([5, 6, 7], 6, least=True))
        self.assertFalse(met([5, 5.9, 7], 6, least=True))
        self.assertFalse(met([], 6))
        self.assertFalse(met([], 6, least=True))

    def test_sets_are_held_against_their_own_goals(self):
        results = {"ampds": {"spate": {"bytes_a_reading": 0.11}, "ratio": 0.45},
                   "env-mqtt": {"spate": {"bytes_a_reading": 1.3}, "ratio": 0.46},
                   "mine": {"spate": {"bytes_a_reading": 9}}}
        self.assertEqual([(g["goal"], g["met"]) for g in at_rest.goals(results)],
                         [("ampds: bytes a reading", False), ("ampds: x InfluxDB", True),
                          ("env-mqtt: bytes a reading", True), ("env-mqtt: x InfluxDB", False)])

    def test_growth_and_times_faster_are_taken_within_a_repetition(self):
        results = {"no queries": [{"k": 2.0}, None, {"k": 4.0}], "queries": [{"k": 3.0}, {"k": 1.0}, {"k": 4.0}]}
        self.assertEqual(ingest_under_queries.growth(results, "k"), [1.5, 1.0])
        self.assertEqual(reads.ratios({"spate": {"day": [1.0, 2.0]}, "influx": {"day": [6.0, 8.0]}}, "day"), [6.0, 4.0])
        self.assertEqual(reads.ratios({"spate": {"day": [1.0]}}, "day"), [])

    def test_goals_are_printed_beside_what_was_measured(self):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            store_harness.print_goals([store_harness.goal("a", [2], 1), store_harness.goal("b", [2], 1, least=True)], False,
                                      print_table)
        self.assertRegex(out.getvalue(), r"a +<= 1 +2\.000 +MISS\n +b +>= 1 +2\.000 +pass")


class FakeNode:
    """Answers requests with what a test gives for (method, path), the next one each time; the last one stays."""

    def __init__(self, answers):
        self.answers = answers = {key: list(value) for key, value in answers.items()}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                left = answers.get((self.command, self.path), [(404, "{}")])
                status, body = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http = self.port = self.server.server_port
        self.name = "fake"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class RawAnswers:
    """Gives each connection's requests the same bytes, cut where it is told to."""

    def __init__(self, *parts: bytes, close: bool = False):
        self.parts, self.close = parts, close
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(65536):
                for part in self.parts:
                    connection.sendall(part)
                if self.close:
                    return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(10)
        self.listener.close()


class Clients(unittest.TestCase):
    HEAD = b"HTTP/1.1 200 OK\r\n"

    def answers(self, *parts: bytes, **options) -> list[bytes]:
        with RawAnswers(*parts, **options) as server:
            client = store_harness.Client(server.port)
            try:
                return [client.get("/"), client.get("/")]
            finally:
                client.close()

    def test_whole_answers_are_given_wherever_they_are_cut(self):
        plain = self.HEAD + b"content-length: 11\r\n\r\nhello\r\n\r\nab"
        for cut in range(1, len(plain), 7):
            self.assertEqual(self.answers(plain[:cut], plain[cut:]), [b"hello\r\n\r\nab"] * 2)
        chunked = self.HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"
        for cut in range(1, len(chunked), 7):
            self.assertEqual(self.answers(chunked[:cut], chunked[cut:]), [b"0\r\n\r\n0123456789"] * 2)

    def test_an_answer_larger_than_the_buffer_is_whole(self):
        body = bytes(range(256)) * 20_000
        self.assertEqual(self.answers(self.HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body), [body] * 2)

    def test_an_answer_that_is_cut_or_refused_does_not_count(self):
        with self.assertRaisesRegex(Trouble, "closed a connection"):
            self.answers(self.HEAD + b"Content-Length: 10\r\n\r\nhello", close=True)
        with self.assertRaisesRegex(Trouble, "answered with 404: b'no'"):
            self.answers(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")


class Arguments(unittest.TestCase):
    def test_a_missing_server_is_said_before_anything_is_measured(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()) as said:
            parser = store_harness.make_parser("x", loads=("fsync",))
            args = parser.parse_args(["--build", folder, "--work-dir", folder + "/data"])
            with self.assertRaises(SystemExit) as ended:
                store_harness.begin(parser, args, [store_harness.StoreNode])
            self.assertEqual(ended.exception.code, 2)
            self.assertIn(f"{folder}/bin/spate is not there", said.getvalue())

    def test_a_missed_goal_fails_the_gate_only_and_all_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/out.json"
            missed = [{"met": True}, {"met": False}]
            args = store_harness.make_parser("x").parse_args(["--gate", "--json", path])
            self.assertEqual(store_harness.conclude(args, missed, results={"a": 1}), 1)
            self.assertEqual(json.loads(pathlib.Path(path).read_text()), {"results": {"a": 1}, "goals": missed})
            self.assertEqual(store_harness.conclude(args, missed[:1], results={}), 0)
            args.gate = False
            self.assertEqual(store_harness.conclude(args, missed, results={}), 0)


class Nodes(unittest.TestCase):
    START = ("POST", "/api/v1/store:compact")
    LOOK = ("GET", "/api/v1/operations/o1")

    @staticmethod
    def operation(state: str) -> str:
        return json.dumps({"id": "o1", "type": "store.compact", "state": state})

    def test_a_compaction_is_waited_for(self):
        with FakeNode({self.START: [(202, self.operation("QUEUED"))],
                       self.LOOK: [(200, self.operation("RUNNING")), (200, self.operation("SUCCEEDED"))]}) as node:
            store_harness.StoreNode.compact(node)
            self.assertEqual(len(node.answers[self.LOOK]), 1)  # Both were asked for.

    def test_a_compaction_that_fails_or_is_not_begun_does_not_count(self):
        with FakeNode({self.START: [(202, self.operation("RUNNING"))], self.LOOK: [(200, self.operation("FAILED"))]}) as node:
            with self.assertRaisesRegex(Trouble, "the compaction failed"):
                store_harness.StoreNode.compact(node)
        with FakeNode({}) as node:
            with self.assertRaisesRegex(Trouble, "404"):
                store_harness.StoreNode.compact(node)
        with FakeNode({self.START: [(507, "{}")]}) as node:
            with self.assertRaisesRegex(Trouble, "507"):
                store_harness.StoreNode.compact(node)

    def test_only_metrics_without_labels_are_read(self):
        text = "# HELP a b\na_total 3\nb{x=\"y\"} 4\nc_bytes 1e+06\n"
        with FakeNode({("GET", "/metrics"): [(200, text)]}) as node:
            self.assertEqual(store_harness.StoreNode.metrics(node), {"a_total": 3, "c_bytes": 1e6})

    def test_all_pages_of_last_values_are_read(self):
        page = lambda count, cursor: json.dumps({"items": [{"device": "d", "values": {}}] * count, "next_cursor": cursor})
        first = f"/api/v1/telemetry/last?limit={reads.LASTS_PAGE}"
        with FakeNode({("GET", first): [(200, page(2, "c=1"))], ("GET", first + "&cursor=c%3D1"): [(200, page(1, None))]}) as node:
            side = types.SimpleNamespace(client=store_harness.Client(node.port),
                                         args=types.SimpleNamespace(devices=1, last_devices=2))
            answers = reads.SpateReads.lasts(side)
            side.client.close()
            self.assertEqual(len(answers), 2)
            reads.SpateReads.check_lasts(side, answers)
            side.args.last_devices = 3
            with self.assertRaises(Trouble):
                reads.SpateReads.check_lasts(side, answers)

    def test_queries_that_are_refused_do_not_count(self):
        with FakeNode({}) as node:
            queries = ingest_under_queries.Queries(node, 1000)
            queries.start()
            queries.join(10)
            with self.assertRaisesRegex(Trouble, "a query failed"):
                queries.stop()


class Reads(unittest.TestCase):
    def test_both_sides_get_the_same_records(self):
        spate = [json.loads(line) for line in reads.spate_body(3, range(5, 7)).splitlines()]
        influx = reads.influx_body(3, range(5, 7)).decode().splitlines()
        self.assertEqual(len(spate), len(influx))
        for record, line in zip(spate, influx):
            key, fields, time_ms = line.split(" ")
            self.assertEqual(key, "telemetry,device=device-100003")
            self.assertEqual(int(time_ms), record["ts"])
            self.assertEqual({k: float(v) for k, v in (f.split("=") for f in fields.split(","))}, record["values"])

    def test_a_wrong_mean_or_a_missing_bucket_does_not_count(self):
        args = types.SimpleNamespace(days=1)
        mean = sum(reads.reading(1, minute, 2) for minute in range(300, 360)) / 60
        reads.check_means("x", 24, mean, args, 1, 2)
        with self.assertRaises(Trouble):
            reads.check_means("x", 23, mean, args, 1, 2)
        with self.assertRaises(Trouble):
            reads.check_means("x", 24, mean + 0.1, args, 1, 2)

    def test_the_number_of_a_bucket_is_found_by_field_and_function(self):
        self.assertEqual(reads.number_in({"temp": {"avg": 19.04}}), 19.04)


if __name__ == "__main__":
    unittest.main()
