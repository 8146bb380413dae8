#!/usr/bin/env python3
"""`spate cmd` against a pretended API: what it asks, what it prints, and the exit code of every outcome."""
import http.server
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import urllib.parse

SPATE = str(pathlib.Path(os.environ["SPATE_BIN_DIR"]) / "spate")
ID = "01977f2e-6d5b-7c3a-9f10-3b2f6a1d9e44"
FINAL = {"SUCCEEDED", "FAILED", "REJECTED", "TIMED_OUT", "EXPIRED", "CANCELED"}


def command(state, number=0, **more):
    sent = state not in ("QUEUED", "EXPIRED", "CANCELED")
    final = state in FINAL
    return {"id": ID[:-2] + f"{number + 0x44:02x}", "device": "lamp 1", "name": "set-interval", "args": {"seconds": 10},
            "priority": "normal", "if_offline": "fail", "complete_on": "response", "state": state, "final": final,
            "expires_ts": 1594598485000, "result": None, "reason": None,
            "timings": {"created_ts": 1594598480002, "sent_ts": 1594598480004 if sent else None, "delivered_ts": None,
                        "completed_ts": 1594598480021 if final else None, "total_us": 19120 if final else None}, **more}


def problem(status, code, detail, **more):
    return status, {"type": "/api/v1/problems/" + code, "title": code, "status": status, "code": code, "detail": detail,
                    "trace_id": "0" * 32, **more}


class Api(http.server.ThreadingHTTPServer):
    """Gives the prepared answers one after the other, the last one for ever, and keeps what was asked."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock, self.answers, self.asked = threading.Lock(), [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next(self, asked):
        with self.lock:
            self.asked.append(asked)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def tell(self, *answers):
        with self.lock:
            self.answers, self.asked = list(answers), []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status, document = self.server.next((self.command, self.path, dict(self.headers), body))
        content = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


API = Api()


def run(*args, expect, stdin="", url=None, more={}):
    environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    environment |= {"SPATE_URL": url or API.url, **more}
    done = subprocess.run([SPATE, "cmd", *args], input=stdin, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == expect, f"{args}: exit {done.returncode}, expected {expect}\n{done.stdout}\n{done.stderr}"
    if done.returncode in (0,):
        assert not done.stderr, done.stderr
    return done


def sends_what_was_asked_for():
    API.tell((202, command("QUEUED")))
    done = run("send", "lamp 1", "set-interval", ' {"seconds":1.50} ', "--ttl", "24h", "--queue", "--urgent",
               "--idempotency-key", "k-1", "--complete-on", "delivery", expect=0)
    method, path, headers, body = API.asked[0]
    assert (method, path) == ("POST", "/api/v1/devices/lamp%201/commands"), path
    assert headers["Content-Type"] == "application/json" and headers["Idempotency-Key"] == "k-1"
    assert "Prefer" not in headers
    assert '"args":{"seconds":1.50}' in body, body
    assert json.loads(body) == {"name": "set-interval", "args": {"seconds": 1.5}, "ttl_ms": 86400000, "if_offline": "queue",
                                "priority": "urgent", "complete_on": "delivery"}
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["ID", "CREATED", "NAME", "STATE", "TOTAL", "RESULT"] and len(lines) == 2
    assert ID in lines[1] and "QUEUED" in lines[1], lines
    run("send", "lamp 1", "reboot", expect=0)
    assert json.loads(API.asked[1][3]) == {"name": "reboot"}


def takes_arguments_from_files_and_the_standard_input():
    API.tell((202, command("QUEUED")))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write('[1,\n "x"]\n')
        file.flush()
        run("send", "d", "n", "@" + file.name, expect=0)
    run("send", "d", "n", "-", stdin='{"big":12345678901234567890123}', expect=0)
    run("send", "d", "n", "--", "-5", expect=0)
    assert [asked[3] for asked in API.asked] == ['{"name":"n","args":[1,\n "x"]}',
                                                 '{"name":"n","args":{"big":12345678901234567890123}}',
                                                 '{"name":"n","args":-5}']


def waits_and_tells_every_final_state_by_its_exit_code():
    for state in sorted(FINAL):
        API.tell((200, command(state, result={"seconds": 10}, reason="why\x1b[2J")))
        done = run("send", "d", "n", "--wait", expect=0 if state == "SUCCEEDED" else 1)
        assert API.asked[0][2]["Prefer"] == "wait=10"
        assert state in done.stdout and '{"seconds": 10}' in done.stdout and "19.1 ms" in done.stdout, done.stdout
        assert "\x1b" not in done.stdout
    run("send", "d", "n", "{}", "--wait=60", expect=1)
    assert API.asked[-1][2]["Prefer"] == "wait=60"


def json_is_the_document_of_the_api():
    text = json.dumps(command("SUCCEEDED", result=1)).replace('"result": 1', '"result":   1.500')
    API.tell((200, text))
    assert run("send", "d", "n", "--wait", "-o", "json", expect=0).stdout == text + "\n"
    assert run("get", "d", ID, "-o", "json", expect=0).stdout == text + "\n"


def a_wait_that_ends_first_is_3_and_shows_the_state():
    API.tell(problem(504, "command-wait-timeout", "No answer within 10 s; it was sent and may have run.",
                     command=command("SENT")))
    done = run("send", "d", "n", "--wait", expect=3)
    assert "SENT" in done.stdout
    assert done.stderr == ("spate: No answer within 10 s; it was sent and may have run. Follow it with: spate cmd watch d "
                           + ID + "\n"), done.stderr
    assert json.loads(run("send", "d", "n", "--wait", "-o", "json", expect=3).stdout)["state"] == "SENT"


def a_wait_that_the_stop_of_the_node_ends_is_3_and_is_not_sent_again():
    API.tell(problem(503, "draining", "The node stops.", command=command("SENT"), retry_after_s=2))
    done = run("send", "d", "n", "--wait", expect=3)
    assert "SENT" in done.stdout and done.stderr == "spate: The node stops. Follow it with: spate cmd watch d " + ID + "\n"
    API.tell(problem(503, "draining", "The node stops.", retry_after_s=2))  # Nothing was created, or not canceled.
    for verb in (("send", "d", "n", "--wait"), ("cancel", "d", ID)):
        assert run(*verb, expect=1).stderr == "spate: The node stops. Try again in 2 s.\n"


def a_number_behind_a_bare_wait_is_not_guessed_at():
    API.tell((200, command("SUCCEEDED")))
    for args in (("lamp-1", "dim", "--wait", "30"), ("lamp-1", "--wait", "30s"), ("--wait", "30", "lamp-1"),
                 ("lamp-1", "dim", "--queue", "--wait", "1.5", "--urgent")):
        done = run("send", *args, expect=2)
        word = args[args.index("--wait") + 1]
        assert f"--wait=SECONDS (1 to 60) if {word} is" in done.stderr and f"--wait=10 {word} if" in done.stderr, done.stderr
    assert API.asked == []
    for args, wait, value in ((("--wait=10", "30"), 10, 30), (("--wait=30",), 30, None), (("30", "--wait"), 10, 30),
                              (("--wait", "--queue", "30"), 10, 30), (("--wait", "[30]"), 10, [30]), (("30",), None, 30)):
        run("send", "lamp-1", "dim", *args, expect=0)
        assert API.asked[-1][2].get("Prefer") == (f"wait={wait}" if wait else None), args
        assert json.loads(API.asked[-1][3]).get("args") == value, args


def a_proxy_is_for_other_machines():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound and not listening: nobody answers there.
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
        API.tell((200, command("SUCCEEDED")))
        for url in (API.url, API.url.replace("127.0.0.1", "localhost")):
            run("get", "d", ID, url=url, more={"http_proxy": dead, "all_proxy": dead}, expect=0)
    run("get", "d", ID, url="http://node.example", more={"http_proxy": API.url}, expect=0)
    assert API.asked[-1][1].startswith("http://node.example/api/"), API.asked[-1]


def refusals_say_what_to_do_next():
    for answer, code, part in (
            (problem(409, "device-offline", "'d' is not connected."), 1, "Add --queue"),
            (problem(404, "device-not-found", "No device 'd' is known."), 1, "/api/v1/devices"),
            (problem(404, "command-not-found", "'d' has no such command."), 1, "spate cmd ls d"),
            (problem(429, "command-queue-full", "1000 are open."), 1, "spate cmd ls d --state"),
            (problem(409, "idempotency-in-progress", "Still running.", retry_after_s=1), 1, "Try again in 1 s."),
            (problem(422, "idempotency-key-reused", "Used for another request; take a new one."), 1, "take a new one"),
            (problem(507, "storage-full", "No space.", retry_after_s=5), 1, "Try again in 5 s."),
            (problem(503, "overloaded", "Too many.", retry_after_s=2), 1, "Try again in 2 s."),
            (problem(422, "validation-failed", "name must be.",
                     errors=[{"pointer": "/name", "code": "validation-failed", "detail": "name must be."},
                             {"pointer": "/ttl_ms", "code": "validation-failed", "detail": "ttl_ms must be."}]),
             2, "name must be. ttl_ms must be."),
            (problem(400, "invalid-device-id", "The device id is too long."), 2, "too long"),
            ((404, "<html>nginx</html>"), 1, "is --url right?"),
            ((200, "{}"), 1, "no command")):
        API.tell(answer)
        done = run("send", "d", "n", expect=code)
        assert done.stdout == "" and part in done.stderr and done.stderr.startswith("spate: "), done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def a_node_that_is_not_there_is_1():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound and not listening: nobody answers there.
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for verb in (("send", "d", "n"), ("ls", "d"), ("get", "d", ID), ("cancel", "d", ID), ("watch", "d"),
                     ("watch", "d", ID)):
            done = run(*verb, "--url", url, expect=1)
            assert "is the node running there?" in done.stderr, done.stderr


def a_wrong_command_line_is_2_and_asks_nobody():
    API.tell((202, command("QUEUED")))
    for args in ((), ("send",), ("send", "d"), ("send", "d", "n", "{bad"), ("send", "d", "n", "@/nowhere"),
                 ("send", "d", "n", "--wait=0"), ("send", "d", "n", "--wait=soon"), ("send", "d", "n", "--ttl", "5"),
                 ("send", "d", "n", "--complete-on", "never"), ("send", "d", "n", "1", "2"), ("ls", "d", "--state", "X"),
                 ("ls", "d", "--limit", "0"), ("get", "d"), ("nope",), ("send", "d", "n", "-o", "xml"),
                 ("send", "d", "n", "--url", "localhost:8080")):
        done = run(*args, expect=2)
        assert done.stderr and done.stdout == "", args
    assert API.asked == []
    assert "byte 1" in run("send", "d", "n", "{bad", expect=2).stderr
    for verb in ("send", "watch", "ls", "get", "cancel"):
        text = run(verb, "--help", expect=0).stdout
        assert "Exit status" in text, verb
        assert ("3 the wait ended" in text) == (verb == "send"), verb  # The others do not wait for an end.


def lists_follow_the_pages():
    API.tell((200, {"items": [command("SUCCEEDED", 2, result="x"), command("SENT", 1)], "next_cursor": "c/1"}),
             (200, {"items": [command("QUEUED", 0)], "next_cursor": None}))
    done = run("ls", "lamp 1", "--state", "sent,QUEUED", "--state", "SUCCEEDED", expect=0)
    assert [line.split()[3] for line in done.stdout.splitlines()] == ["STATE", "SUCCEEDED", "SENT", "QUEUED"]
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(API.asked[1][1]).query)
    assert query == {"limit": ["18"], "state": ["SENT", "QUEUED", "SUCCEEDED"], "cursor": ["c/1"]}, query
    for limit, pages in ((3, [2, 1]), (2500, [1000, 1000, 500])):
        API.tell(*((200, {"items": [command("SENT")] * count, "next_cursor": "more"}) for count in pages))
        done = run("ls", "d", "--limit", str(limit), "-o", "json", expect=0)
        assert [len(json.loads(line)["items"]) for line in done.stdout.splitlines()] == pages
        limits = [urllib.parse.parse_qs(urllib.parse.urlsplit(asked[1]).query)["limit"] for asked in API.asked]
        assert limits == [[str(min(1000, limit - sum(pages[:i])))] for i in range(len(pages))], limits
    API.tell((200, {"items": [], "next_cursor": None}))
    assert run("ls", "d", expect=0).stdout == "No commands.\n"


def cancels():
    API.tell((200, command("CANCELED")))
    assert "CANCELED" in run("cancel", "lamp 1", ID, expect=0).stdout
    assert API.asked[0][:2] == ("DELETE", f"/api/v1/devices/lamp%201/commands/{ID}")
    API.tell(problem(409, "command-already-sent", "It was sent 210 ms ago.", command=command("SENT")))
    assert "spate cmd watch d" in run("cancel", "d", ID, expect=1).stderr


def watches_one_command_to_its_end():
    API.tell((200, command("QUEUED")), (200, command("SENT")), (200, command("SENT")),
             problem(503, "overloaded", "Too many.", retry_after_s=1), (200, command("SUCCEEDED", result={"ok": True})))
    done = run_with_noise("watch", "d", ID, expect=0)
    lines = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert lines == [["2020-07-13T00:01:20.002Z", "QUEUED"], ["2020-07-13T00:01:20.004Z", "SENT"],
                     ["2020-07-13T00:01:20.021Z", "SUCCEEDED", "19.1 ms", '{"ok": true}']], lines
    assert "Prefer" not in API.asked[0][2] and API.asked[1][2]["Prefer"] == "wait=2"
    assert done.stderr.count("Too many.") == 1
    API.tell((200, command("TIMED_OUT")))
    assert run("watch", "d", ID, expect=1).stdout.splitlines()[1].endswith("SENT")
    API.tell(problem(404, "command-not-found", "No such command."))
    run("watch", "d", ID, expect=1)


def run_with_noise(*args, expect):
    done = subprocess.run([SPATE, "cmd", *args], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "SPATE_URL": API.url})
    assert done.returncode == expect, done.stderr
    return done


def watches_a_device():
    first = command("SENT", 1)
    API.tell((200, {"items": [first, command("FAILED", 0, reason="stuck")], "next_cursor": None}),
             (200, {"items": [command("QUEUED", 2), first], "next_cursor": None}),
             (200, {"items": [command("SUCCEEDED", 2)], "next_cursor": None}),  # The first has left the page.
             (200, command("SUCCEEDED", 1)),
             problem(404, "device-not-found", "Ends the test."))
    done = run("watch", "lamp 1", expect=1)
    got = [(line.split("  ")[1][-2:], line.split("  ")[3]) for line in done.stdout.splitlines()]
    assert got == [("44", "FAILED"), ("45", "SENT"), ("46", "QUEUED"), ("46", "SENT"), ("46", "SUCCEEDED"),
                   ("45", "SUCCEEDED")], got
    assert API.asked[3][1].endswith(ID[:-2] + "45")


if __name__ == "__main__":
    for test in (sends_what_was_asked_for, takes_arguments_from_files_and_the_standard_input,
                 waits_and_tells_every_final_state_by_its_exit_code, json_is_the_document_of_the_api,
                 a_wait_that_ends_first_is_3_and_shows_the_state,
                 a_wait_that_the_stop_of_the_node_ends_is_3_and_is_not_sent_again,
                 a_number_behind_a_bare_wait_is_not_guessed_at, a_proxy_is_for_other_machines, refusals_say_what_to_do_next,
                 a_node_that_is_not_there_is_1, a_wrong_command_line_is_2_and_asks_nobody, lists_follow_the_pages, cancels,
                 watches_one_command_to_its_end, watches_a_device):
        test()
        print("ok", test.__name__.replace("_", " "))
