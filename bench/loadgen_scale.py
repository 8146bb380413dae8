#!/usr/bin/env python3
"""Large fleets on one machine, and what the generator costs there.

    bench/loadgen_scale.py sockets     # 204,000 connections: 12 agents of 17,000, each against a node of its own (about 3 minutes)
    bench/loadgen_scale.py gateways    # 500,000 devices behind 1,000 connections, against one node (about 2 minutes)

All processes share this machine. Prints what the generator says, and memory and CPU of its processes from /proc while the load runs.
Exit status: that of the run.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from harness import ROOT, free_port

NODES = {"sockets": 12, "gateways": 1}
FILES = {"sockets": "scale.toml", "gateways": "scale-gateways.toml"}
DEVICES = {"sockets": 204_000, "gateways": 500_000}


def processes(name):
    """(RSS in bytes, CPU seconds) of all processes of this name."""
    rss = cpu = 0
    for entry in pathlib.Path("/proc").iterdir():
        try:
            # By the file: agents are started from /proc/self/exe, which their name says.
            if entry.name.isdigit() and pathlib.Path(os.readlink(entry / "exe")).name == name:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                cpu += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                rss += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue  # It has ended.
    return rss, cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=NODES)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="loadgen-scale-"))
    nodes, targets = [], []
    try:
        for number in range(NODES[args.what]):
            port = free_port()
            targets.append(f"mqtt://127.0.0.1:{port}")
            nodes.append(subprocess.Popen([args.build / "bin" / "spate", "serve", "--data-dir", folder / str(number), "--mqtt", f"127.0.0.1:{port}",
                                           "--http", f"127.0.0.1:{free_port()}", "--log-level", "error"]))
        time.sleep(3)
        words = [args.build / "bin" / "spate-loadgen", "run", ROOT / "bench" / FILES[args.what], "--target", ",".join(targets)]
        if len(nodes) > 1:
            words += ["--agents", f"local:{len(nodes)}"]
        run = subprocess.Popen(words)
        largest = (0, 0)
        while run.poll() is None:
            largest = max(largest, processes("spate-loadgen"))
            servers = processes("spate")
            time.sleep(1)
        rss, cpu = largest
        count = DEVICES[args.what]
        print(f"\ngenerator  {rss / 1e6:,.0f} MB resident ({rss / count:,.0f} bytes a device), {cpu:.1f} CPU s with connecting")
        print(f"nodes      {servers[0] / 1e6:,.0f} MB resident ({servers[0] / count:,.0f} bytes a device), {servers[1]:.1f} CPU s")
        return run.returncode
    finally:
        for node in nodes:
            node.terminate()
        for node in nodes:
            node.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
