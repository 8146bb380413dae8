#!/usr/bin/env python3
"""Checks docs/conformance.md against the standards' numbering and the sources of the tests.

    tools/check_conformance.py ROOT

Each clause stands there once, as a row or in a list of those that are not for this server; each test that a row names
exists, and names the clause if it is one of those with clauses in its docstring; and each clause that such a test names
is in the page.
"""
import ast
import pathlib
import re
import sys

# How many clauses each section has. MQTT-2.2.1 of 5.0 begins with 2, and 3.1.1 spells one number otherwise.
COUNTS = {
    "MQTT-": "1.5.3:3 2.2.2:2 2.3.1:7 3.1.0:2 3.1.2:24 3.1.3:11 3.1.4:5 3.2.0:1 3.2.2:6 3.3.1:12 3.3.2:3 3.3.4:1 3.3.5:2 "
             "3.6.1:1 3.8.1:1 3.8.3:3 3.8.4:6 3.9.3:2 3.10.1:1 3.10.3:2 3.10.4:6 3.12.4:1 3.14.1:1 3.14.4:3 4.1.0:2 4.2.0:1 "
             "4.3.1:1 4.3.2:2 4.3.3:2 4.4.0:1 4.5.0:2 4.6.0:6 4.7.1:3 4.7.2:1 4.7.3:4 4.8.0:2 6.0.0:4 7.0.0:2",
    "MQTT5-": "1.5.4:3 1.5.5:1 1.5.7:1 2.1.3:1 2.2.1:6 2.2.2:1 3.1.0:2 3.1.2:30 3.1.3:12 3.1.4:6 3.2.0:2 3.2.2:22 3.3.1:13 "
              "3.3.2:20 3.3.4:10 3.4.2:3 3.5.2:3 3.6.1:1 3.6.2:3 3.7.2:3 3.8.1:1 3.8.3:5 3.8.4:8 3.9.2:2 3.9.3:2 3.10.1:1 "
              "3.10.3:2 3.10.4:6 3.11.2:2 3.11.3:2 3.12.4:1 3.14.0:1 3.14.1:1 3.14.2:4 3.14.4:3 3.15.1:1 3.15.2:3 4.1.0:2 "
              "4.2.0:1 4.3.1:1 4.3.2:5 4.3.3:13 4.4.0:2 4.5.0:2 4.6.0:6 4.7.0:1 4.7.1:2 4.7.2:1 4.7.3:4 4.8.2:6 4.9.0:3 "
              "4.12.0:7 4.12.1:2 4.13.1:1 4.13.2:1 6.0.0:4",
}
NUMBER = r"\d+[.-]\d+\.\d+-\d+"


def all_clauses():
    out = {"MQTT-3-8.3-4"}
    for prefix, sections in COUNTS.items():
        for each in sections.split():
            section, count = each.split(":")
            out |= {f"{prefix}{section}-{number}" for number in range(1, int(count) + 1)}
    return out - {"MQTT5-2.2.1-1"}


def python_tests(path, group):
    """{"group: sentence": clauses of its docstring}"""
    out = {}
    for each in ast.walk(ast.parse(path.read_text())):
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
            clauses = re.findall(rf"\[(MQTT5?-{NUMBER})\]", ast.get_docstring(each) or "")
            out[f"{group}: {each.name[5:].replace('_', ' ')}"] = {*clauses}
    return out


def cpp_tests(path, group):
    sentences = re.findall(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)', path.read_text())
    joined = ("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', each)) for each in sentences)
    without_clause = (re.sub(r" *\[MQTT.*", "", each) for each in joined)
    return {f"{group}: {each}": None for each in without_clause}


def all_tests(root):
    out = {}
    for path in sorted((root / "tests/e2e").glob("mqtt_conformance_*_test.py")):
        out |= python_tests(path, "e2e " + path.stem.removeprefix("mqtt_conformance_").removesuffix("_test"))
    for path, group in (("tests/e2e/mqtt_hostile_test.py", "e2e mqtt_hostile"), ("tests/interop/matrix_test.py", "interop")):
        out |= {name: None for name in python_tests(root / path, group)}
    for layer in ("wire", "actors", "routing"):
        for path in sorted((root / "tests" / layer).glob("*_test.cpp")):
            out |= cpp_tests(path, f"{layer} {path.stem.removesuffix('_test')}")
    return out


def check(page, tests):
    """Everything that is wrong."""
    rows, listed, faults = {}, [], []
    prefix, attacks = None, False
    for line in page.splitlines():
        if line.startswith("## "):
            prefix = "MQTT5-" if "5.0" in line else "MQTT-"
            attacks = "Attacks" in line
        elif row := re.fullmatch(rf"\| (MQTT5?-{NUMBER}) \| ([^|]+) \| ([^|]*) \|", line):
            listed.append(row[1])
            rows[row[1]] = [each.strip() for each in row[3].split("<br>") if each.strip()]
        elif line.startswith(("For clients only", "Not for this server")):
            listed += [prefix + number for number in re.findall(NUMBER, line)]
        elif attacks and (row := re.fullmatch(r"\| ([a-z][^|]+) \| ([^|]+) \|", line)) and row[1] != "class":
            faults += [f"{row[1]}: there is no test '{each}'" for each in row[2].split("<br>") if each.strip() not in tests]
        elif line.startswith("| MQTT"):
            faults.append(f"a row that can not be read: {line}")
    faults += [f"{each} stands there {listed.count(each)} times" for each in sorted({*listed}) if listed.count(each) > 1]
    faults += [f"{each} is missing" for each in sorted(all_clauses() - {*listed})]
    faults += [f"{each} is no clause of the standard" for each in sorted({*listed} - all_clauses())]
    for clause, names in rows.items():
        for name in names:
            if name not in tests:
                faults.append(f"{clause}: there is no test '{name}'")
            elif tests[name] and clause not in tests[name]:
                faults.append(f"{clause}: '{name}' does not name it")
    for name, clauses in tests.items():
        faults += [f"'{name}' names {each}, which is no clause of the page" for each in sorted((clauses or set()) - {*listed})]
    return faults, sum(1 for names in rows.values() if not names), len(rows)


def main():
    root = pathlib.Path(sys.argv[1])
    faults, open_rows, rows = check((root / "docs/conformance.md").read_text(), all_tests(root))
    for fault in faults:
        print(f"docs/conformance.md: {fault}", file=sys.stderr)
    print(f"{rows} clauses for a server, {rows - open_rows} with a test")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
