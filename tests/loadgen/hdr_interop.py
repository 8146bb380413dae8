#!/usr/bin/env python3
"""Interval logs of spate-loadgen against HdrHistogram's own tools, in both directions.

Java's (Debian: libhdrhistogram-java and a JDK) and JavaScript's (npm: hdr-histogram-js, found by node, so set NODE_PATH).
What is not installed is skipped with a notice; exit code 77 if none is.
"""
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]
PERCENTILES = [50, 90, 99, 99.9, 100]
JAVA = """
import org.HdrHistogram.*;
import java.util.*;
public class Interop {
  public static void main(String[] args) throws Exception {
    if (args[0].equals("read")) {
      HistogramLogReader reader = new HistogramLogReader(args[1]);
      EncodableHistogram next;
      while ((next = reader.nextIntervalHistogram()) != null) {
        Histogram h = (Histogram) next;
        String line = "" + h.getTotalCount();
        for (double p : new double[] {50, 90, 99, 99.9, 100}) line += " " + h.getValueAtPercentile(p);
        System.out.println(line);
      }
      return;
    }
    Histogram h = new Histogram(1, (1L << 42) - 1, 2);
    Scanner in = new Scanner(System.in);
    while (in.hasNextLong()) h.recordValue(in.nextLong());
    HistogramLogWriter writer = new HistogramLogWriter(args[1]);
    writer.outputLogFormatVersion();
    writer.outputLegend();
    writer.outputIntervalHistogram(0, 1, h);
    writer.close();
  }
}
"""
NODE = """
const hdr = require('hdr-histogram-js');
const fs = require('fs');
if (process.argv[2] === 'read') {
  for (const line of fs.readFileSync(process.argv[3], 'utf8').split('\\n')) {
    if (!/^[0-9T]/.test(line)) continue;
    const h = hdr.decodeFromCompressedBase64(line.split(',').pop());
    console.log([h.totalCount, ...[50, 90, 99, 99.9, 100].map(p => h.getValueAtPercentile(p))].join(' '));
  }
} else {
  const h = hdr.build({lowestDiscernibleValue: 1, highestTrackableValue: 2 ** 42 - 1, numberOfSignificantValueDigits: 2});
  for (const word of fs.readFileSync(0, 'utf8').split('\\n')) if (word) h.recordValue(Number(word));
  fs.writeFileSync(process.argv[3], '0.000,1.000,1.000,' + hdr.encodeIntoCompressedBase64(h) + '\\n');
}
"""


def run(command, text="", env=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, env=env)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


def others(folder):
    """Name and command of each tool that is there."""
    jars = glob.glob("/usr/share/java/hdrhistogram.jar")
    if jars and shutil.which("javac"):
        source = os.path.join(folder, "Interop.java")
        with open(source, "w") as file:
            file.write(JAVA)
        run(["javac", "-cp", jars[0], "-d", folder, source])
        yield "Java", ["java", "-cp", f"{jars[0]}:{folder}", "Interop"]
    else:
        print("skipped: Java's HdrHistogram is not installed")
    script = os.path.join(folder, "interop.js")
    with open(script, "w") as file:
        file.write(NODE)
    if shutil.which("node") and subprocess.run(["node", "-e", "require('hdr-histogram-js')"],
                                               capture_output=True).returncode == 0:
        yield "JavaScript", ["node", script]
    else:
        print("skipped: hdr-histogram-js is not installed")


def figures(text):
    return [[int(word) for word in line.split()] for line in text.splitlines()]


def compare(name, command, folder, values):
    text = "\n".join(map(str, values)) + "\n"
    ours, theirs = os.path.join(folder, "ours.hlog"), os.path.join(folder, "theirs.hlog")
    with open(ours, "w") as file:
        file.write(run([TOOL, "write"], text))
    run([*command, "write", theirs], text)
    read = {}
    for log in (ours, theirs):
        read["they", log] = figures(run([*command, "read", log]))
        with open(log) as file:
            read["we", log] = figures(run([TOOL, "read"], file.read()))
    expected = read["they", theirs]
    assert len(expected) == 1 and expected[0][0] == len(values), expected
    for (reader, log), found in read.items():
        assert found == expected, f"{name}: {reader} read {found} from {log}, not {expected}"
    # And both are right: within a bucket of the sorted values.
    ordered = sorted(values)
    for percentile, value in zip(PERCENTILES, expected[0][1:]):
        exact = ordered[max(0, -(-int(len(values) * percentile * 10) // 1000) - 1)]
        assert exact <= value <= exact * 129 / 128 + 1, (name, percentile, value, exact)


def main():
    rng = random.Random(6)
    series = [[rng.randrange(1 << rng.randrange(1, 42)) for _ in range(20_000)],
              [int(rng.lognormvariate(14, 1)) for _ in range(20_000)], [0], [255, 256, (1 << 42) - 1]]
    with tempfile.TemporaryDirectory() as folder:
        found = 0
        for name, command in others(folder):
            found += 1
            for values in series:
                compare(name, command, folder, values)
            print(f"{name}: {len(series)} histograms equal in both directions")
    return 0 if found else 77


if __name__ == "__main__":
    sys.exit(main())
