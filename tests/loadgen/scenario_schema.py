#!/usr/bin/env python3
"""Holds the scenarios that come along, and wrong ones, against the published schema with an independent validator.

Usage: scenario_schema.py SPATE_LOADGEN EXAMPLES_FOLDER
"""
import copy
import json
import pathlib
import subprocess
import sys

import jsonschema

try:
    import tomllib
except ImportError:
    print("this Python has no tomllib: skipped")
    sys.exit(77)

program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
schema = json.loads(subprocess.run([program, "schema"], check=True, capture_output=True, timeout=60).stdout)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

files = sorted(folder.glob("*.toml"))
assert len(files) >= 10, files
for file in files:
    read = tomllib.loads(file.read_text())
    for error in validator.iter_errors(read):
        sys.exit(f"{file.name}: {'/'.join(map(str, error.path))}: {error.message}")
    # As the program writes it, too.
    printed = subprocess.run([program, "check", str(file), "--print"], check=True, capture_output=True, timeout=60).stdout
    validator.validate(tomllib.loads(printed.decode()))

steady = tomllib.loads((folder / "steady.toml").read_text())


def broken(change):
    changed = copy.deepcopy(steady)
    change(changed)
    return changed


WRONG = {
    "an unknown key": lambda s: s.update(colour="red"),
    "an unknown key of a cohort": lambda s: s["cohort"][0].update(devcies=5),
    "a duration that is a number": lambda s: s["cohort"][0].update(every=5),
    "a duration of another unit": lambda s: s["cohort"][0].update(every="5 days"),
    "too many devices": lambda s: s["cohort"][0].update(devices=10_000_001),
    "a stage without a duration": lambda s: s["stage"][0].pop("duration"),
    "a load of three": lambda s: s["stage"][0].update(load=[1, 2, 3]),
    "an unknown kind of fault": lambda s: s.update(fault=[{"kind": "earthquake", "at": "1s"}]),
    "a field of an unknown type": lambda s: s["payload"]["weather"]["fields"].update(x={"type": "colour"}),
    "a field that is a number": lambda s: s["payload"]["weather"]["fields"].update(x=5),
    "an unknown key of a field": lambda s: s["payload"]["weather"]["fields"]["rain"].update(wet=1),
    "a payload's name with a space": lambda s: s["payload"].update({"a b": {"fields": {"x": {"type": "flag"}}}}),
}
for what, change in WRONG.items():
    if validator.is_valid(broken(change)):
        sys.exit(f"the schema takes {what}")

print(f"schema: {len(files)} scenarios right, {len(WRONG)} kinds of wrong ones refused")
