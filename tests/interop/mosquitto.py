"""mosquitto_pub and mosquitto_sub against the node; see features.py."""
import os
import subprocess
import sys
import threading

from features import PATIENCE_S, SHARED, expect, run

HOST, PORT, VERSION = sys.argv[1:4]
BASE = ["-h", HOST, "-p", PORT, "-V", "mqttv5" if VERSION == "5" else "mqttv311"]
ROOT = f"interop/mosquitto/{VERSION}/{os.getpid()}"


class Sub:
    """A mosquitto_sub that has its SUBACK. Its messages come as lines."""

    def __init__(self, *args):
        command = ["stdbuf", "-oL", "mosquitto_sub", *BASE, "-d", "-F", "=%q|%r|%t|%p", *args]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.timer = threading.Timer(PATIENCE_S, self.process.kill)
        self.timer.start()
        while not self._line().startswith("Subscribed"):
            pass

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("mosquitto_sub ended")
        return line.rstrip("\n")

    def message(self):
        """(QoS, RETAIN, topic, payload)"""
        while not (line := self._line()).startswith("="):
            pass
        qos, retain, topic, payload = line[1:].split("|", 3)
        return int(qos), int(retain), topic, payload

    def kill(self):
        self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def pub(topic, payload, qos=1, *more):
    subprocess.run(["mosquitto_pub", *BASE, "-t", topic, "-m", payload, "-q", str(qos), *more], check=True, timeout=PATIENCE_S)


def round_trip(qos):
    sub = Sub("-t", f"{ROOT}/q{qos}/+", "-q", str(qos))
    pub(f"{ROOT}/q{qos}/a", "hello", qos)
    expect(sub.message(), (qos, 0, f"{ROOT}/q{qos}/a", "hello"))
    sub.kill()


def retained():
    pub(f"{ROOT}/kept", "kept", 1, "-r")
    sub = Sub("-t", f"{ROOT}/kept", "-q", "1")
    expect(sub.message(), (1, 1, f"{ROOT}/kept", "kept"))
    sub.kill()
    subprocess.run(["mosquitto_pub", *BASE, "-t", f"{ROOT}/kept", "-n", "-r", "-q", "1"], check=True, timeout=PATIENCE_S)


def will():
    sub = Sub("-t", f"{ROOT}/will", "-q", "1")
    dying = Sub("-t", f"{ROOT}/none", "--will-topic", f"{ROOT}/will", "--will-payload", "gone", "--will-qos", "1")
    dying.kill()
    expect(sub.message(), (1, 0, f"{ROOT}/will", "gone"))
    sub.kill()


def shared():
    members = [Sub("-t", f"$share/g/{ROOT}/s", "-t", f"{ROOT}/end", "-q", "1") for _ in range(2)]
    for number in range(SHARED):
        pub(f"{ROOT}/s", str(number))
    pub(f"{ROOT}/end", "end")
    got = []
    for member in members:
        while (message := member.message())[3] != "end":
            got.append(message[3])
        member.kill()
    expect(sorted(got), [str(number) for number in range(SHARED)])


def properties():
    sub = Sub("-t", f"{ROOT}/p", "-F", "=1|0|%P %R %D|%p")
    pub(f"{ROOT}/p", "x", 1, "-D", "publish", "user-property", "key", "value", "-D", "publish", "response-topic", "a/b",
        "-D", "publish", "correlation-data", "7")
    expect(sub.message()[2], "key:value a/b 7")
    sub.kill()


TRIES = {"qos0": lambda: round_trip(0), "qos1": lambda: round_trip(1), "qos2": lambda: round_trip(2), "retained": retained,
         "will": will, "shared": shared}
if VERSION == "5":
    TRIES["properties"] = properties
run(TRIES)
