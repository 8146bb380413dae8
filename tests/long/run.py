#!/usr/bin/env python3
"""The long forms of the fault tests: the same code as the short ones, with larger numbers.

  tests/long/run.py r1 [--cycles 1000]    kill -9 of the node under load
  tests/long/run.py r2 [--cycles 1000]    power cuts of the node on a real ext4 (root); then mosquitto beside it
  tests/long/run.py r3 [--cycles 20000]   power cuts of the store by seed, torn writes
  tests/long/run.py r4 [--cycles 5000]    the n-th write or sync fails, for every n
  tests/long/run.py r5 [--cycles 200]     disk full and back (root)
  tests/long/run.py r11 [--cycles 10000]  changed bits in files
  tests/long/run.py all

Build first: cmake --build --preset release. Each has a control that must fail, in the same run. Exit status: 0 all held,
1 something did not (its output, with the seed to repeat it, is printed), 2 usage.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Cycles of the long form, and of the short one, which SPATE_FAULTS_TIMES multiplies.
TESTS = {
    "r1": ("kill -9 under load", 1000, ["crash_test.py"], "SPATE_CRASH_CYCLES"),
    "r2": ("power cuts, ext4", 1000, ["power_cut_test.py"], "SPATE_POWER_CYCLES"),
    "r3": ("power cuts by seed", 20000, ["-ts=power cuts"], 60),
    "r4": ("n-th write fails", 5000, ["-tc=whichever write or sync fails*"], 24),
    "r5": ("disk full and back", 200, ["disk_full_test.py"], "SPATE_FULL_CYCLES"),
    "r11": ("changed bits", 10000, ["-ts=damage"], 50),
}


def command_of(name, cycles, bin_dir, seed):
    _, _, words, scale = TESTS[name]
    env = {**os.environ, "SPATE_BIN_DIR": str(bin_dir), "SPATE_FAULTS_TIMES": "1", "SPATE_FAULTS_SEED": str(seed),
           "SPATE_CRASH_SEED": str(seed)}
    if isinstance(scale, str):
        env[scale] = str(cycles)
        return [sys.executable, str(ROOT / "tests" / "e2e" / words[0])], env
    env["SPATE_FAULTS_TIMES"] = str(max(1, -(-cycles // scale)))
    return [str(bin_dir / "spate_tests_storage"), *words], env


def run(name, cycles, bin_dir, seed):
    """(held, seconds, what it said)."""
    command, env = command_of(name, cycles, bin_dir, seed)
    title = TESTS[name][0]
    begin = time.monotonic()
    with open(bin_dir.parent / f"long-{name}.log", "w+b") as log:
        # The e2e tests count their cycles on the standard error themselves.
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        while True:
            try:
                process.wait(1)
                break
            except subprocess.TimeoutExpired:
                tail = last_progress(log.name)
                print(f"\r{name} {title}: {time.monotonic() - begin:.0f} s {tail}".ljust(79), end="", flush=True,
                      file=sys.stderr)
        log.seek(0)
        said = log.read().decode(errors="replace")
    print(file=sys.stderr)
    return process.returncode == 0, time.monotonic() - begin, said


def last_progress(path):
    with open(path, "rb") as log:
        log.seek(max(0, os.path.getsize(path) - 200))
        parts = log.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((p.strip() for p in reversed(parts) if p.startswith("cycle ")), "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("test", choices=[*TESTS, "all"])
    parser.add_argument("--cycles", type=int, help="instead of the long form's number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--preset", default="release")
    parser.add_argument("--without-mosquitto", action="store_true", help="r2: the node only")
    options = parser.parse_args()
    bin_dir = ROOT / "build" / options.preset / "bin"
    if not (bin_dir / "spate").exists():
        parser.error(f"{bin_dir / 'spate'} is not built: cmake --build --preset {options.preset}")
    failed = False
    rows = []
    for name in TESTS if options.test == "all" else [options.test]:
        cycles = options.cycles or TESTS[name][1]
        held, seconds, said = run(name, cycles, bin_dir, options.seed)
        rows.append((name, TESTS[name][0], f"{cycles:,}", f"{seconds:.0f} s", "held" if held else "FAILED"))
        # What they say in a sentence: numbers to publish.
        for line in said.replace("\r", "\n").split("\n"):
            if any(word in line for word in ("records", "flips", "Skip", "skipped", "control")) and "ERROR" not in line:
                print("  " + line.split("MESSAGE: ")[-1].strip(". "))
        if not held:
            failed = True
            print(f"seed {options.seed}; the end of what it said:\n" + "\n".join(said.split("\n")[-40:]))
        if name == "r2" and not options.without_mosquitto:
            subprocess.run([sys.executable, str(ROOT / "tests" / "long" / "mosquitto_cuts.py"), "--cycles", str(min(cycles, 5))],
                           env={**os.environ, "SPATE_BIN_DIR": str(bin_dir)}, check=False)
    print(f"\n{'test':6}{'what':24}{'cycles':>10}{'time':>10}  result")
    for row in rows:
        print(f"{row[0]:6}{row[1]:24}{row[2]:>10}{row[3]:>10}  {row[4]}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
