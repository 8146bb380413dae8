"""Runs clients of other projects against the node, and prints what each can do with it.

    SPATE_BIN_DIR=build/release/bin tests/interop/matrix_test.py

A client that is not installed is left out and named; with SPATE_INTEROP_ALL=1 that is a failure.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from features import FEATURES  # noqa: E402
from spate_node import BIN, Directory, Node  # noqa: E402

VERSIONS = {"4": "3.1.1", "5": "5.0"}
TIMEOUT_S = 250
NODE_MODULES = "/usr/share/nodejs"  # Where Debian keeps them; other builds of node do not look there.


def python_has(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0


def node_has(module):
    return shutil.which("node") and subprocess.run(["node", "-e", f"require('{module}')"], capture_output=True,
                                                   env=environment()).returncode == 0


def environment():
    return {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, [os.environ.get("NODE_PATH"), NODE_MODULES]))}


def clients():
    """{name: its command, or None where it is not installed}"""
    here = {
        "mosquitto": shutil.which("mosquitto_sub") and [sys.executable, HERE / "mosquitto.py"],
        "Paho Python": python_has("paho.mqtt.client") and [sys.executable, HERE / "paho_python.py"],
        "Paho C": (BIN / "spate_interop_paho_c").exists() and [BIN / "spate_interop_paho_c"],
        "Paho C++": (BIN / "spate_interop_paho_cpp").exists() and [BIN / "spate_interop_paho_cpp"],
        "MQTT.js": node_has("mqtt") and ["node", HERE / "mqtt_js.js"],
    }
    return {name: [str(part) for part in command] if command else None for name, command in here.items()}


def wanted(version):
    return [each for each in FEATURES if each != "properties" or version == "5"]


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = Directory()
        cls.node = Node(cls.directory.__enter__()).wait_ready()
        cls.rows = []

    @classmethod
    def tearDownClass(cls):
        status = cls.node.terminate()
        cls.directory.__exit__()
        print("\n| client | MQTT | " + " | ".join(FEATURES) + " |\n|---|---|" + "---|" * len(FEATURES))
        print("\n".join(cls.rows))
        assert status == 0, status

    def results(self, command, version):
        """{feature: "ok" or why not}"""
        done = subprocess.run([*command, self.node.mqtt[0], str(self.node.mqtt[1]), version], text=True, capture_output=True,
                              env=environment(), timeout=TIMEOUT_S)
        found = dict(line.split(" ", 1) for line in done.stdout.splitlines() if line.split(" ", 1)[0] in FEATURES)
        return {each: found.get(each, f"no answer, status {done.returncode}: {done.stderr[-500:]}") for each in wanted(version)}

    def test_every_client_does_what_it_can_with_the_node(self):
        with concurrent.futures.ThreadPoolExecutor() as pool:  # They mostly wait.
            runs = {(name, version): command and pool.submit(self.results, command, version)
                    for name, command in clients().items() for version in VERSIONS}
        for (name, version), run in runs.items():
            spelled = VERSIONS[version]
            if run is None:
                self.rows.append(f"| {name} | {spelled} |" + " not installed |" * len(FEATURES))
                self.assertNotEqual(os.environ.get("SPATE_INTEROP_ALL"), "1", f"{name} is not installed")
                continue
            results = run.result()
            cells = ["–" if each not in results else "yes" if results[each] == "ok" else "**no**" for each in FEATURES]
            self.rows.append(f"| {name} | {spelled} | " + " | ".join(cells) + " |")
            for feature, result in results.items():
                with self.subTest(client=name, version=spelled, feature=feature):
                    self.assertEqual(result, "ok")


if __name__ == "__main__":
    unittest.main()
