#!/usr/bin/env python3
"""Writes a new room: its line in src/rooms.cmake, its door header and a first test. usage: new_room.py FLOOR/NAME"""
import os
import re
import sys

FLOORS = {"base": 0, "store": 1, "mesh": 2, "chain": 3, "exchange": 4, "engines": 5, "node": 6, "sim": 7, "cli": 8}


def write(path, text):
    with open(path, "x", encoding="utf-8") as f:
        f.write(text)
    print(path)


def main():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    floor_name, name = sys.argv[1].split("/")
    if floor_name not in FLOORS:
        sys.exit(f"new-room: found floor '{floor_name}', expected one of {', '.join(FLOORS)}")
    floor = FLOORS[floor_name]
    plan = os.path.join(root, "src/rooms.cmake")
    with open(plan, encoding="utf-8") as f:
        lines = f.read().splitlines()
    last = -1
    for i, line in enumerate(lines):
        match = re.match(r"room\(([a-z]+)/([a-z]+) (\d+)", line)
        if not match:
            continue
        if match.group(2) == name:
            sys.exit(f"new-room: a room named {name} exists: {match.group(1)}/{name}")
        if int(match.group(3)) <= floor:
            last = i
    # After the last room of the same or a lower floor, past the end of its statement.
    while lines[last].count("(") > lines[last].count(")"):
        last += 1
    lines.insert(last + 1, f"room({floor_name}/{name} {floor})")
    with open(plan, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    folder = os.path.join(root, "src", floor_name, name)
    os.makedirs(folder)
    write(os.path.join(folder, f"{name}.h"),
          f"// {name}: what it is for, shapes and units, who owns what on which thread, every error id, sources.\n"
          f"#pragma once\n\nnamespace hanse::{name} {{}}\n")
    write(os.path.join(folder, f"{name}_test.cc"),
          f'#include "{floor_name}/{name}/{name}.h"\n\n#include <gtest/gtest.h>\n\nnamespace hanse::{name} {{\n'
          f"namespace {{\n\nTEST({name.capitalize()}, has_a_first_test) {{ FAIL() << \"write it\"; }}\n\n"
          f"}}  // namespace\n}}  // namespace hanse::{name}\n")


if __name__ == "__main__":
    main()
