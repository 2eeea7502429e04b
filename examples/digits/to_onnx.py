#!/usr/bin/env python3
"""Writes the int8 model of make.py as an ONNX model of floats: data/model.hml becomes data/model.onnx.

  to_onnx.py [MODEL.hml [MODEL.onnx]]

The graph is Cast, then for each layer MatMul and Add, and Relu between them. What the int8 model rescales by a
multiplier and a shift is in the weights here; it rounds, floats do not, so scores differ a little. Python 3 standard
library only: an ONNX model is a protobuf, of which this writes the few fields that are needed (onnx.proto3, IR version
9, opset 19).
"""
import os
import struct
import sys

FLOAT, INT8 = 1, 3  # onnx.TensorProto.DataType


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def text(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def node(op, inputs, output, attributes=b""):
    return text(1, b"".join(text(1, name) for name in inputs) + text(2, output) + text(4, op) + attributes)


def constant(name, dims, values):
    cells = struct.pack("<%df" % len(values), *values)
    return text(5, b"".join(number(1, d) for d in dims) + number(2, FLOAT) + text(8, name) + text(9, cells))


def port(field, name, element, dims):
    """A graph input or output; a dimension without a size has a name instead."""
    shape = b"".join(text(1, number(1, d) if isinstance(d, int) else text(2, d)) for d in dims)
    return text(field, text(1, name) + text(2, text(1, number(1, element) + text(2, shape))))


def read_layers(data):
    """Layers of a model (proto/records/tensor.md): (in, out, scale, relu, bias, weights row-major in x out)."""
    if data[:4] != b"HML1":
        sys.exit("found no model (HML1)")
    layers, at = [], 8
    for _ in range(struct.unpack_from("<H", data, 4)[0]):
        ins, outs, multiplier, shift, flags = struct.unpack_from("<IIIBB", data, at)
        bias = struct.unpack_from("<%di" % outs, data, at + 16)
        weights = struct.unpack_from("<%db" % (ins * outs), data, at + 16 + 4 * outs)
        layers.append((ins, outs, multiplier / (1 << shift), flags & 1, bias, weights))
        at += 16 + 4 * outs + ins * outs
    return layers


def to_onnx(layers):
    graph, value = node("Cast", ["x"], "v", text(5, text(1, "to") + number(3, FLOAT) + number(20, 2))), "v"
    for i, (ins, outs, scale, relu, bias, weights) in enumerate(layers):
        last = i + 1 == len(layers)
        graph += constant("w%d" % i, [ins, outs], [w * scale for w in weights])
        graph += constant("b%d" % i, [outs], [b * scale for b in bias])
        graph += node("MatMul", [value, "w%d" % i], "p%d" % i)
        value = "scores" if last and not relu else "s%d" % i
        graph += node("Add", ["p%d" % i, "b%d" % i], value)
        if relu:
            graph += node("Relu", [value], "scores" if last else "h%d" % i)
            value = "h%d" % i
    graph += text(2, "digits")
    graph += port(11, "x", INT8, ["rows", layers[0][0]]) + port(12, "scores", FLOAT, ["rows", layers[-1][1]])
    return number(1, 9) + text(7, graph) + text(8, text(1, "") + number(2, 19))


def main():
    data = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    source, target = (sys.argv[1:] + [None, None])[:2]
    with open(source or os.path.join(data, "model.hml"), "rb") as f:
        model = to_onnx(read_layers(f.read()))
    with open(target or os.path.join(data, "model.onnx"), "wb") as f:
        f.write(model)


if __name__ == "__main__":
    main()
