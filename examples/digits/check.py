#!/usr/bin/env python3
"""Compares a digits job's output with the true labels and prints how many are right.

  check.py OUTPUT.htn [--labels FILE] [--least N]

OUTPUT.htn is the job's output 0: a matrix of N x 10 scores, int32, int8 or (of onnx.yaml) float. Exit code 0 when at
least --least digits (default: 1) are right, 1 when fewer are, 2 when the output is not such a matrix. Python 3 standard
library only.
"""
import argparse
import os
import struct
import sys


def read_scores(path):
    with open(path, "rb") as f:
        data = f.read()
    code = {b"HTN1\1\2": "b", b"HTN1\2\2": "i", b"HTN2\1\2": "f"}.get(data[:6])
    if len(data) < 16 or code is None:
        exit2("%s: found no matrix record" % path)
    rows, cols = struct.unpack_from("<II", data, 8)
    if len(data) != 16 + rows * cols * struct.calcsize(code):
        exit2("%s: found %d bytes, expected a matrix of %d x %d" % (path, len(data), rows, cols))
    cells = struct.unpack_from("<%d%s" % (rows * cols, code), data, 16)
    return [cells[r * cols:(r + 1) * cols] for r in range(rows)]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("output")
    ap.add_argument("--labels", default=os.path.join(here, "data", "labels.txt"))
    ap.add_argument("--least", type=int, default=1)
    args = ap.parse_args()
    scores = read_scores(args.output)
    with open(args.labels) as f:
        labels = [int(line) for line in f]
    if len(labels) != len(scores):
        exit2("%s: found %d rows, expected %d" % (args.output, len(scores), len(labels)))
    right = sum(1 for s, label in zip(scores, labels) if s.index(max(s)) == label)
    print("accuracy: %d of %d digits right (%.1f %%)" % (right, len(labels), 100.0 * right / len(labels)))
    return 0 if right >= args.least else 1


def exit2(message):
    print(message, file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
