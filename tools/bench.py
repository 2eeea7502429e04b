#!/usr/bin/env python3
"""Builds and runs the rooms' benchmarks and prints their figures beside their floors.

usage: bench.py --build DIR [--json | --page] [ROOM ...]
--json prints one object a line, --page also rewrites the rows of these rooms in docs/performance.md.
Each ROOM_bench program prints one JSON object a line: room, name, value, unit, floor, floor_what, ratio.
The room `chain` is a network of four validators, driven by `hanse-bench chain`; it takes some minutes.
"""
import argparse
import json
import os
import subprocess
import sys

CHAIN = "chain_bench"
PROGRAMS = ("hanse", "hansed", "hanse-worker", "hanse-verify", "hanse-bench")
FIELDS = ("room", "name", "value", "unit", "floor", "floor_what", "ratio")


def targets(build):
    out = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], capture_output=True, text=True,
                         check=True).stdout
    names = (line.split(":")[0] for line in out.splitlines())
    made = (n for n in names if n.endswith("_bench") and "/" not in n and not n.startswith("cmake_"))
    return sorted([CHAIN, *made])


def command(build, name):
    if name == CHAIN:
        return [os.path.join(build, "bin", "hanse-bench"), "chain", "--json", "--dir", build]
    return [os.path.join(build, "bin", name)]


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} x {model}"


def page_line(row):
    return (f"| {row['room']} | {row['name']} | {row['value']:,.4g} | {row['unit']} | {row['floor_what']} |"
            f" {row['floor']:,.4g} | {row['ratio']:.3g} |\n")


def write_page(path, where, rows):
    """The rows of rooms that were not measured now stay as they are."""
    measured = {row["room"] for row in rows}
    with open(path, encoding="utf-8") as f:
        table = [line for line in f if line.startswith("| ")][1:]
    lines = [line for line in table if line.split("|")[1].strip() not in measured]
    lines += [page_line(row) for row in rows]
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Performance\n\n"
                "Made by `./dev bench --page`; `./dev bench ROOM` repeats one room. Every figure stands beside a\n"
                "floor or a peer measured in the same run: read the ratio first, because the machine is shared and\n"
                "its disk answers an fdatasync in 0.1 ms in one minute and in 4 ms in the next. Rooms were\n"
                "measured in runs of their own.\n\n"
                f"Machine: {where}.\n\n"
                "| room | what | value | unit | compared with | its value | ratio |\n|---|---|---|---|---|---|---|\n")
        f.writelines(sorted(lines, key=lambda line: line.split("|")[1].strip()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--page", action="store_true")
    parser.add_argument("rooms", nargs="*")
    args = parser.parse_args()
    known = targets(args.build)
    wanted = [f"{room}_bench" for room in args.rooms] or known
    for name in wanted:
        if name not in known:
            rooms = ", ".join(n[:-6] for n in known)
            print(f"bench: found room '{name[:-6]}', expected one of {rooms}", file=sys.stderr)
            return 2
    made = [name for name in wanted if name != CHAIN]
    subprocess.run(["ninja", "-C", args.build, *made, *PROGRAMS], check=True, stdout=sys.stderr)
    bad, rows, where = 0, [], machine()
    for name in wanted:
        env = dict(os.environ, HANSE_BIN_DIR=os.path.abspath(os.path.join(args.build, "bin")))
        run = subprocess.Popen(command(args.build, name), stdout=subprocess.PIPE, text=True, env=env)
        for line in run.stdout:
            row = json.loads(line)
            rows.append(row)
            missing = [f for f in FIELDS if f not in row]
            if missing:
                print(f"bench: {name} left out {missing} in {line.strip()}", file=sys.stderr)
                bad = 1
            if args.json:
                print(json.dumps(row), flush=True)
            else:
                print(f"{row['room']:<9} {row['name']:<44} {row['value']:>14,.3f} {row['unit']:<12}"
                      f" {row['ratio']:>8.3f} x {row['floor_what']} ({row['floor']:,.3f})", flush=True)
        if run.wait() != 0:
            print(f"bench: {name} ended with {run.returncode}", file=sys.stderr)
            bad = 1
    if args.page and not bad:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        write_page(os.path.join(root, "docs/performance.md"), where, rows)
    return bad


if __name__ == "__main__":
    sys.exit(main())
