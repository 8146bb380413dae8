#!/usr/bin/env python3
"""Instructions a message takes, counted by valgrind and compared with bench/instructions.json.

    bench/instructions.py              exits 1 if a stage got dearer by more than the tolerance, or computes
                                       something else than it did
    bench/instructions.py --update     writes what was counted as the new baseline

Counts depend on compiler and libraries, not on the machine's speed or load. Each stage runs twice with different numbers
of messages, and the difference is divided, so that starting up costs nothing. A system without a baseline of its own
passes with a note. The messages are those of examples/data.
"""
import argparse
import concurrent.futures
import gzip
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASELINE = ROOT / "bench/instructions.json"
SAMPLES = ("env-mqtt", "beijing-air", "room-occupancy")
STAGES = ("decode", "route", "parse", "log", "puback", "message", "session", "commit")
WARM, MEASURED = 2_160, 8_640  # once and four times through all messages; the difference is what counts
TOLERANCE = 0.03


def publish_packet(device: str, payload: str, packet_id: int) -> bytes:
    topic = f"devices/{device}/telemetry".encode()
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", packet_id) + payload.encode()
    length, left = b"", len(body)
    while True:
        length += bytes((left % 128 | (128 if left >= 128 else 0),))
        left //= 128
        if not left:
            return b"\x32" + length + body


def frames() -> bytes:
    """All sample messages as PUBLISH packets, the data sets in turn."""
    lines = [gzip.decompress((ROOT / f"examples/data/{name}.ndjson.gz").read_bytes()).decode().splitlines()
             for name in SAMPLES]
    packets = bytearray()
    for number in range(min(map(len, lines))):
        for position, data_set in enumerate(lines):
            # The text of the payload is kept as it is: numbers must not be printed again.
            device, ts, fields = re.fullmatch(r'\{"d":"([^"]+)","t":(\d+),"p":\{(.*)\}\}', data_set[number]).groups()
            packets += publish_packet(device, f'{{"ts":{ts},{fields}}}', (number * 3 + position) % 65535 + 1)
    return bytes(packets)


def run(program: str, input_file: str, stage: str, count: int, folder: str) -> tuple[int, list[str]]:
    """Instructions of the whole process, and what it printed."""
    out = os.path.join(folder, f"{stage}-{count}")
    # One kernel of simdjson whatever the machine has, and no address that depends on the environment's size.
    environment = {"PATH": os.environ["PATH"], "SIMDJSON_FORCE_IMPLEMENTATION": "westmere", "LC_ALL": "C"}
    done = subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "-q", program, input_file,
                           stage, str(count)], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {stage} failed:\n{done.stderr}")
    totals = re.search(r"^(?:summary|totals): (\d+)", pathlib.Path(out).read_text(), re.MULTILINE)
    return int(totals[1]), done.stdout.splitlines()


def count_stage(program: str, input_file: str, stage: str, folder: str) -> tuple[str, dict]:
    """The compiler; instructions a message, and the checksum of what was computed."""
    few, _ = run(program, input_file, stage, WARM, folder)
    many, printed = run(program, input_file, stage, MEASURED, folder)
    said = dict(line.split() for line in printed)
    return "g++ " + said["compiler"], {"instructions": round((many - few) / (MEASURED - WARM), 1),
                                       "checksum": int(said["checksum"])}


def count_all(program: str) -> tuple[str, dict[str, dict]]:
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        input_file = os.path.join(folder, "frames")
        pathlib.Path(input_file).write_bytes(frames())
        counted = list(workers.map(lambda stage: count_stage(program, input_file, stage, folder), STAGES))
    return counted[0][0], {stage: count for stage, (_, count) in zip(STAGES, counted)}


def compare(counted: dict[str, dict], before: dict[str, dict]) -> list[str]:
    """Prints a line a stage; gives what is wrong."""
    faults = []
    for stage, now in counted.items():
        line = f"  {stage:<8} {now['instructions']:>9,.1f}"
        if stage in before:
            base = before[stage]["instructions"]
            change = now["instructions"] / base - 1
            line += (f"   baseline {base:>9,.1f}   {change:+7.1%}  "
                     + ("DEARER" if change > TOLERANCE else "cheaper" if change < -TOLERANCE else "")).rstrip()
            if change > TOLERANCE:
                faults.append(f"{stage}: more than {TOLERANCE:.0%} above the baseline")
            if now["checksum"] != before[stage]["checksum"]:
                line += "   ANOTHER RESULT"
                faults.append(f"{stage}: its checksum is {now['checksum']}, not {before[stage]['checksum']}")
        print(line)
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=str(ROOT / "build/release"), help="build folder (default build/release)")
    parser.add_argument("--update", action="store_true", help="write the baseline")
    args = parser.parse_args()
    program = os.path.join(args.build, "bin/spate_bench_instructions")
    if not os.access(program, os.X_OK):
        parser.error(f"{program} is not there: cmake --preset release && cmake --build --preset release")
    if not shutil.which("valgrind"):
        parser.error("valgrind is not installed: tools/install-deps bench")

    compiler, counted = count_all(program)
    baselines = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    print(f"instructions a message, {compiler}, {len(SAMPLES)} data sets in turn")
    faults = compare(counted, baselines.get(compiler, {}))
    if args.update:
        baselines[compiler] = counted
        BASELINE.write_text(json.dumps(baselines, indent=2, sort_keys=True) + "\n")
        print(f"written to {BASELINE.relative_to(ROOT)}: commit it and say why it changed")
        return 0
    if compiler not in baselines:
        print(f"no baseline for {compiler}: bench/instructions.py --update makes one")
    if faults:
        print(*faults, sep="\n")
        print("If it is meant and worth it, run bench/instructions.py --update and commit the file with the reason.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
