#!/usr/bin/env python3
"""The benchmark that a CI job runs: one command, a stored baseline, and gates that hold on noisy machines.

    bench/ci.py [--build build/release] [--out build/bench-ci] [--repetitions 3]

1. Instructions a message takes, stage by stage (bench/instructions.py): counted, not timed, so the same on any machine.
2. Spate beside mosquitto under bench/ci.toml (spate-loadgen compare-servers), in turn in one run: what is gated is the ratio of
   the CPU time that a message costs, which a busy machine changes for both. The gate is the ratio of bench/ci.json times what it
   allows, and only a difference that is no noise (95 %) breaks it. Never a time.

Reports of all runs (JSON, HTML, JUnit XML, .hlog) go to --out, for the job's artifacts. Exit status: 0 held, 1 a run failed,
2 something is missing, 3 a gate broke.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def gates(path):
    for metric, limit in json.loads(path.read_text()).items():
        yield f"{limit['ratio'] * limit['allowed']:.3f}:{metric}"


def worst(codes):
    """One exit status of several: a failure hides a broken gate. A child that a signal killed (a negative one) failed."""
    codes = [code if code in (0, 1, 2, 3) else 1 for code in codes]
    return next(code for code in (1, 2, 3, 0) if code in codes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "bench-ci")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--baseline", type=pathlib.Path, default=ROOT / "bench" / "ci.json")
    options = parser.parse_args()
    loadgen = options.build / "bin" / "spate-loadgen"
    if not loadgen.exists():
        parser.error(f"{loadgen} is not built: cmake --build --preset release")
    if not shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
        parser.error("mosquitto is not installed: tools/install-deps bench")
    codes = [subprocess.run([sys.executable, ROOT / "bench" / "instructions.py", "--build", options.build], check=False).returncode]
    print("\nBeside mosquitto, in turn:", flush=True)
    broken = [word for gate in gates(options.baseline) for word in ("--fail-above", gate)]
    codes.append(subprocess.run([loadgen, "compare-servers", ROOT / "bench" / "ci.toml", "mosquitto", "spate", "--repetitions",
                                 str(options.repetitions), "--out", options.out, *broken], check=False).returncode)
    if codes[0] == 1:
        codes[0] = 3  # A stage became dearer: its gate.
    print(f"\nbench: {'ok' if not any(codes) else 'FAILED'}")
    return worst(codes)


if __name__ == "__main__":
    sys.exit(main())
