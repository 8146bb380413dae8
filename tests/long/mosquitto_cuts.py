#!/usr/bin/env python3
"""What mosquitto loses of what it acknowledged (QoS 1, one persistent subscriber that is away), at a kill and at a power cut.

Persistence on, autosave as packaged (1800 s) and every 5 s. Needs root, mosquitto, mosquitto_sub and mosquitto_pub.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fault_disk import LoopDisk, needs_root  # noqa: E402

PORT = 18831
CONFIG = """listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {path}/
autosave_interval {autosave}
max_queued_messages 0
user root
log_type none
"""


def start(disk, autosave):
    config = disk.directory / "mosquitto.conf"
    config.write_text(CONFIG.format(port=PORT, path=disk.path, autosave=autosave))
    server = subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", str(config)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        if subprocess.run(["mosquitto_pub", "-p", str(PORT), "-t", "probe", "-n"], capture_output=True).returncode == 0:
            return server
        time.sleep(0.02)
    raise SystemExit("mosquitto did not start")


def subscriber(*words):
    return subprocess.run(["mosquitto_sub", "-p", str(PORT), "-i", "away", "-c", "-q", "1", "-t", "t", *words],
                          capture_output=True, text=True)


def publish(seconds):
    """Messages that were acknowledged: mosquitto_pub -q 1 ends when all of its lines are."""
    sent = 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        lines = "".join(f"{sent + i}\n" for i in range(1000))
        done = subprocess.run(["mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", "t", "-l"], input=lines, text=True)
        if done.returncode != 0:
            raise SystemExit("mosquitto_pub failed")
        sent += 1000
    return sent


def cycle(power, autosave, seconds):
    with LoopDisk() as disk:
        server = start(disk, autosave)
        subscriber("-E")  # Subscribes and leaves.
        acknowledged = publish(seconds)
        if power:
            disk.cut()
        server.kill()
        server.wait()
        if power:
            disk.power_on()
        server = start(disk, autosave)
        received = len(set(subscriber("-W", "3").stdout.split()))
        server.terminate()
        server.wait()
        return acknowledged, received


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=3)
    options = parser.parse_args()
    try:
        needs_root("a power cut of mosquitto")
    except Exception as notice:  # unittest.SkipTest
        print(notice)
        return 0
    if shutil.which("mosquitto_sub") is None:
        print("mosquitto is not installed: nothing to compare with")
        return 0
    print(f"{'mosquitto, persistence on':44}{'acknowledged':>14}{'lost':>12}")
    for power, autosave, seconds in ((False, 1800, 3), (True, 1800, 3), (False, 5, 8), (True, 5, 8)):
        acknowledged = lost = 0
        for _ in range(options.cycles):
            sent, received = cycle(power, autosave, seconds)
            acknowledged += sent
            lost += sent - received
        what = f"{'power cut' if power else 'kill -9'}, autosave every {autosave} s"
        print(f"{what:44}{acknowledged:>14,}{lost:>12,}  ({100 * lost / acknowledged:.1f} %)", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
