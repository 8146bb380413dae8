#!/usr/bin/env python3
"""Checks that includes follow the layers of docs/ARCHITECTURE.md. Run by ctest as "layers".

A folder may include itself and the folders listed for it, nothing else of ours; a third-party library may be included
only where it is listed. Prints one line per violation; exits 1 if any.
"""
import pathlib
import re
import sys

ENGINE = ["engine/base", "engine/model", "engine/columnar", "engine/json", "engine/wire", "engine/routing", "engine/telemetry",
          "engine/net", "engine/http"]
LAYERS = {  # folder: our folders that it may include
    "engine/base": [],
    "engine/model": ["engine/base"],
    "engine/columnar": ["engine/base", "engine/model"],
    "engine/json": ["engine/base"],
    "engine/wire": ["engine/base"],
    "engine/routing": ["engine/base"],
    "engine/telemetry": ["engine/base", "engine/model", "engine/columnar", "engine/json"],
    "engine/net": ["engine/base"],
    "engine/http": ["engine/base", "engine/json", "engine/net"],
    "storage": ["engine/base", "engine/model", "engine/columnar"],
    "actors": [*ENGINE, "storage"],
    "api": [*ENGINE, "storage", "actors"],
    "cli": ENGINE,
    "node": [*ENGINE, "storage", "actors", "api", "cli"],
    "loadgen/base": ENGINE,
    "loadgen/load": [*ENGINE, "loadgen/base"],
    "loadgen/proof": [*ENGINE, "loadgen/base", "loadgen/load"],
    "loadgen/fleet": [*ENGINE, "loadgen/base", "loadgen/load", "loadgen/proof"],
    "loadgen/agents": [*ENGINE, "loadgen"],
    "loadgen/receive": [*ENGINE, "loadgen/base", "loadgen/load", "loadgen/fleet", "loadgen/proof"],
    "loadgen/scenario": [*ENGINE, "loadgen/base", "loadgen/load"],
    "loadgen/report": [*ENGINE, "loadgen/base", "loadgen/load", "loadgen/fleet", "loadgen/scenario", "loadgen/commands"],
    "loadgen/commands": [*ENGINE, "loadgen/base", "loadgen/load", "loadgen/fleet"],
    "loadgen/servers": [*ENGINE, "loadgen/base"],
    "loadgen": ENGINE,
    "bench": [*ENGINE, "storage", "actors", "loadgen"],
    "tests": [*ENGINE, "storage", "actors", "api", "cli", "node", "loadgen"],
}
LIBRARIES = {  # header prefix: our folders where it may appear
    "uv.h": ["engine/net"],
    "openssl/": ["engine/net", "engine/base", "loadgen/fleet"],
    "simdjson": ["engine/json"],
    "rapidjson/": ["engine/json"],
    "nlohmann/": ["tests", "bench", "loadgen"],
    "boost/": ["engine/http", "engine/routing"],
    "rocksdb/": ["storage", "tests/storage", "bench"],
    "caf/": ["actors", "node", "tests/actors"],
    "spdlog/": ["engine/base"],
    "toml": ["node", "loadgen/scenario"],
    "CLI/": ["cli", "node", "loadgen", "bench"],
    "prometheus/": ["api"],
    "curl/": ["cli", "loadgen", "tests"],
    "systemd/": ["node"],
    "benchmark/": ["bench"],
    "doctest/": ["tests"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')


def inside(path: str, folders: list[str]) -> bool:
    return any(path == f or path.startswith(f + "/") for f in folders)


def violations(root: pathlib.Path):
    for source in sorted(p for p in root.rglob("*.[hc]pp") if "build" not in p.relative_to(root).parts):
        name = source.relative_to(root).as_posix()
        layer = max((f for f in LAYERS if inside(name, [f])), key=len, default=None)
        if layer is None:
            yield f"{name}: lies in no layer; add its folder to LAYERS"
            continue
        for number, line in enumerate(source.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            header = match[1]
            if inside(header, list(LAYERS)) and not inside(header, [layer, *LAYERS[layer]]):
                yield f"{name}:{number}: {layer} must not include {header}"
            for prefix, allowed in LIBRARIES.items():
                if header.startswith(prefix) and not inside(name, allowed):
                    yield f"{name}:{number}: {prefix} belongs in {', '.join(allowed)}"


if __name__ == "__main__":
    found = list(violations(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print(*found, sep="\n") if found else print("layers: ok")
    sys.exit(bool(found))
