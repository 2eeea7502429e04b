#!/usr/bin/env python3
"""Draws a small data set of digits, trains a two-layer int8 network on it and writes what the digits job needs.

Python 3 standard library only. All arithmetic is on integers, random numbers come from SplitMix64 with fixed seeds, and
nothing depends on hashing or dictionaries: every machine writes the same bytes.

  make.py [--out DIR] [--train N] [--test N] [--epochs N]

writes into DIR (default: the folder of this script, sub-folder data):
  model.hml      the int8 model                     (proto/records/tensor.md, "model")
  test.htn       the test digits, int8 N x 64       (proto/records/tensor.md, "matrix")
  labels.txt     the N true labels, one a line; the job never sees them
  expected.htn   int32 N x 10 scores by this script's own integer arithmetic

The test digits come from another seed than the training digits, so the job classifies digits the network never saw.
"""
import argparse
import os
import struct

TRAIN_SEED, TEST_SEED, WEIGHT_SEED, ORDER_SEED = 1001, 2002, 3003, 4004
SIDE, HIDDEN, CLASSES = 8, 24, 10
PIXELS = SIDE * SIDE

GLYPHS = [
    "..##.. .#..#. .#..#. .#..#. .#..#. .#..#. ..##..",
    "..#... .##... ..#... ..#... ..#... ..#... .###..",
    "..##.. .#..#. ....#. ...#.. ..#... .#.... .####.",
    "..##.. .#..#. ....#. ..##.. ....#. .#..#. ..##..",
    "...#.. ..##.. .#.#.. .####. ...#.. ...#.. ...#..",
    ".####. .#.... .###.. ....#. ....#. .#..#. ..##..",
    "..##.. .#.... .###.. .#..#. .#..#. .#..#. ..##..",
    ".####. ....#. ...#.. ...#.. ..#... ..#... ..#...",
    "..##.. .#..#. .#..#. ..##.. .#..#. .#..#. ..##..",
    "..##.. .#..#. .#..#. ..###. ....#. ....#. ..##..",
]


class SplitMix64:
    """Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        mask = (1 << 64) - 1
        self.state = (self.state + 0x9E3779B97F4A7C15) & mask
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        return z ^ (z >> 31)

    def below(self, n):
        return (self.next() >> 16) % n


def draw_digit(label, rng):
    """An 8x8 picture of int8 pixels in -40..87: the glyph shifted by up to one pixel, strokes of uneven ink, noise."""
    pixels = [rng.below(28) for _ in range(PIXELS)]
    dx, dy = rng.below(3) - 1, rng.below(2)
    for y, row in enumerate(GLYPHS[label].split()):
        for x, mark in enumerate(row):
            px, py = x + 1 + dx, y + dy
            if mark == "#" and 0 <= px < SIDE and 0 <= py < SIDE:
                pixels[py * SIDE + px] = 70 + rng.below(58)
    for _ in range(4):  # specks, and holes in strokes
        pixels[rng.below(PIXELS)] = rng.below(128)
    return [p - 40 for p in pixels]


def draw_set(seed, count):
    rng = SplitMix64(seed)
    labels = [rng.below(CLASSES) for _ in range(count)]
    return [draw_digit(label, rng) for label in labels], labels


# Training keeps weights as integers in units of 2^-12. One step, for each class whose score comes within a margin of
# the true class's score, moves both apart (multi-class hinge loss; Crammer and Singer, JMLR 2, 2001), through the ReLU
# layer by the chain rule. Divisions are floor shifts, so training is exact and repeatable.
UNIT = 12
MARGIN = 200 << UNIT


def train(pictures, labels, epochs):
    rng = SplitMix64(WEIGHT_SEED)
    w1 = [[(rng.below(2001) - 1000) for _ in range(PIXELS)] for _ in range(HIDDEN)]
    b1 = [0] * HIDDEN
    w2 = [[(rng.below(2001) - 1000) for _ in range(HIDDEN)] for _ in range(CLASSES)]
    b2 = [0] * CLASSES
    order_rng = SplitMix64(ORDER_SEED)
    order = list(range(len(pictures)))
    for epoch in range(epochs):
        for i in range(len(order) - 1, 0, -1):
            j = order_rng.below(i + 1)
            order[i], order[j] = order[j], order[i]
        slow = 0 if epoch * 2 < epochs else 1  # half the step in the second half
        for i in order:
            x, label = pictures[i], labels[i]
            pre = [sum(map(int.__mul__, row, x)) + b for row, b in zip(w1, b1)]
            h = [(p >> UNIT) if p > 0 else 0 for p in pre]
            s = [sum(map(int.__mul__, row, h)) + b for row, b in zip(w2, b2)]
            wrong = [c for c in range(CLASSES) if c != label and s[c] + MARGIN > s[label]]
            if not wrong:
                continue
            back = [len(wrong) * w2[label][k] - sum(w2[c][k] for c in wrong) for k in range(HIDDEN)]
            shift2, shift1 = 3 + slow, 12 + slow
            w2[label] = [w + ((len(wrong) * a) >> shift2) for w, a in zip(w2[label], h)]
            b2[label] += len(wrong) << (UNIT - 4)
            for c in wrong:
                w2[c] = [w - (a >> shift2) for w, a in zip(w2[c], h)]
                b2[c] -= 1 << (UNIT - 4)
            for k in range(HIDDEN):
                if pre[k] > 0 and back[k] != 0:
                    g = back[k]
                    w1[k] = [w + ((g * v) >> shift1) for w, v in zip(w1[k], x)]
                    b1[k] += g >> 4
    return w1, b1, w2, b2


def quantise(w1, b1, w2, b2, pictures):
    """Scales both layers to int8 weights and the hidden layer to int8 by a multiplier and a shift."""
    largest1 = max(abs(w) for row in w1 for w in row)
    largest2 = max(abs(w) for row in w2 for w in row)
    q1 = [[(w * 127 * 2 + largest1) // (2 * largest1) for w in row] for row in w1]
    qb1 = [(b * 127) // largest1 for b in b1]
    # The hidden activations of the training digits decide the scale: the largest of them becomes 127.
    top = 1
    for x in pictures:
        top = max(top, max(sum(map(int.__mul__, row, x)) + b for row, b in zip(q1, qb1)))
    shift = 30
    multiplier = min((127 << shift) // top, 0x7FFFFFFF)
    # A hidden value q stands for q * top * largest1 / (127 * 127) units of 2^-12: h = that >> 12.
    q2 = [[(w * 127 * 2 + largest2) // (2 * largest2) for w in row] for row in w2]
    qb2 = [(b * 127 * 127 * 127 << UNIT) // (largest2 * top * largest1) for b in b2]
    return {"w1": q1, "b1": qb1, "multiplier": multiplier, "shift": shift, "w2": q2, "b2": qb2}


def requantise(acc, multiplier, shift):
    """round(acc * multiplier / 2^shift), halves away from zero, ReLU, saturated to int8."""
    scaled = acc * multiplier
    size = (abs(scaled) + (1 << (shift - 1))) >> shift
    return max(0, min(127, size if scaled >= 0 else -size))


def scores(model, x):
    h = [requantise(sum(map(int.__mul__, row, x)) + b, model["multiplier"], model["shift"])
         for row, b in zip(model["w1"], model["b1"])]
    return [sum(map(int.__mul__, row, h)) + b for row, b in zip(model["w2"], model["b2"])]


def encode_layer(weights, bias, multiplier, shift, flags):
    """weights[out][in] here; the record holds them in x out, row-major."""
    outs, ins = len(weights), len(weights[0])
    head = struct.pack("<IIIBBH", ins, outs, multiplier, shift, flags, 0)
    cells = [weights[o][i] for i in range(ins) for o in range(outs)]
    return head + struct.pack("<%di" % outs, *bias) + struct.pack("<%db" % len(cells), *cells)


def encode_model(model):
    return (struct.pack("<4sHH", b"HML1", 2, 0)
            + encode_layer(model["w1"], model["b1"], model["multiplier"], model["shift"], 1)
            + encode_layer(model["w2"], model["b2"], 1, 0, 2))


def encode_matrix(rows, element, code):
    cells = [v for row in rows for v in row]
    return (struct.pack("<4sBBHII", b"HTN1", element, 2, 0, len(rows), len(rows[0]))
            + struct.pack("<%d%s" % (len(cells), code), *cells))


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default=os.path.join(here, "data"))
    ap.add_argument("--train", type=int, default=3000)
    ap.add_argument("--test", type=int, default=256)
    ap.add_argument("--epochs", type=int, default=5)
    args = ap.parse_args()
    pictures, labels = draw_set(TRAIN_SEED, args.train)
    model = quantise(*train(pictures, labels, args.epochs), pictures)
    test, test_labels = draw_set(TEST_SEED, args.test)
    expected = [scores(model, x) for x in test]
    os.makedirs(args.out, exist_ok=True)
    write(args.out, "model.hml", encode_model(model))
    write(args.out, "test.htn", encode_matrix(test, 1, "b"))
    write(args.out, "labels.txt", "".join("%d\n" % v for v in test_labels).encode())
    write(args.out, "expected.htn", encode_matrix(expected, 2, "i"))
    right = sum(1 for s, v in zip(expected, test_labels) if s.index(max(s)) == v)
    print("%s: %d of %d test digits right" % (args.out, right, args.test))


if __name__ == "__main__":
    main()
