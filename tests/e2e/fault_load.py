"""A load whose acknowledgements are kept outside of the node, and their check."""
import json
import subprocess
import time

from spate_node import BIN

DEVICES = 40


class Load:
    """`spate-loadgen run` that reconnects and sends again what was not acknowledged."""

    def __init__(self, mqtt, directory, *args, name="acks"):
        self.acks = directory / name
        self.report_file = directory / f"{name}.report.json"
        self.process = subprocess.Popen(
            [str(BIN / "spate-loadgen"), "run", "--target", "mqtt://%s:%d" % mqtt, "--devices", str(DEVICES), "--window", "20",
             "--duration", "3600s", "--drain", "60s", "--qos", "1", "--reconnect", "--quiet", "--ledger", str(self.acks),
             "--report", str(self.report_file), *(args or ["--flood"])], stdout=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def await_stored(self, node, records, timeout_s=120):
        """Until the node has stored so many since it started."""
        deadline = time.monotonic() + timeout_s
        while node.ledger()["stored"] < records:
            if self.process.poll() is not None:
                raise AssertionError("the load generator stopped")
            if time.monotonic() > deadline:
                raise AssertionError(f"the node did not store {records} records in {timeout_s} s")
            time.sleep(0.005)  # Asks no more often than that.

    def finish(self):
        """Ends it; its report."""
        self.process.send_signal(2)
        if self.process.wait(120) != 0:
            raise AssertionError("the load generator lost messages")
        return json.loads(self.report_file.read_text())

    def kill(self):
        """What it was told until now is all that counts; --partial reads its file."""
        self.process.kill()
        self.process.wait()


def verify(acks, node, partial=False):
    """(exit code, report) of reading every acknowledged record back."""
    done = subprocess.run([str(BIN / "spate-loadgen"), "verify", "--ledger", str(acks), "--api", node.url, "--json", "-", "--quiet",
                           *(["--partial"] if partial else [])], capture_output=True, text=True, timeout=1800)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr
