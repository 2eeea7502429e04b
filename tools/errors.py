#!/usr/bin/env python3
"""Every error id of the sources has a row in docs/reference/errors.md and a test that provokes it.

usage: errors.py [ROOT] [--list | --page]
An id is the string after a Kind in fail(Kind::kX, "room.what", ...) or Error(Kind::kX, "room.what", ...), the first
argument of fail_here("room.what", ...), or the first string of a fail() or Error() whose kind or id is computed.
--list prints id, kind and place. Exit 1 when a row or a test is missing, when a row names an id that is gone, has
another form or place than it should, or when an id does not begin with the word of a room. --page leaves out the
tests.
"""
import os
import re
import sys

CALL = re.compile(r'Kind::k(\w+),\s*"([a-z0-9]+\.[a-z0-9_]+)"')
HERE = re.compile(r'fail_here\(\s*"([a-z0-9]+\.[a-z0-9_]+)"')
COMPUTED = re.compile(r'\b(?:fail|Error)\(([^";]{1,120}?)"([a-z0-9]+\.[a-z0-9_]+)"')
ROW = re.compile(r"^\| `([a-z0-9]+\.[a-z0-9_]+)` \|")


def snake(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def collect(root):
    ids, tested = {}, set()
    for base in ("src", "tests"):
        for folder, _, files in os.walk(os.path.join(root, base)):
            for file in files:
                if not file.endswith((".cc", ".h", ".py")):
                    continue
                path = os.path.join(folder, file)
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                if base == "tests" or re.search(r"_test\.cc$", file):
                    tested.update(word for literal in re.findall(r'"([^"\n]*)"', text) for word in literal.split())
                    continue
                # Benchmarks, fuzz targets and what exists for tests only raise nothing that a user meets.
                if re.search(r"_(bench|fuzz)\.cc$|^plugin_echo", file) or "tests" in "".join(text.splitlines()[:3]):
                    continue
                text = re.sub(r"//[^\n]*", "", text)
                where = os.path.relpath(path, root)
                for kind, name in CALL.findall(text):
                    ids.setdefault(name, (snake(kind), where))
                for name in HERE.findall(text):
                    ids.setdefault(name, ("invalid", where))
                for before, name in COMPUTED.findall(text):
                    kind = re.search(r"Kind::k(\w+)", before)
                    ids.setdefault(name, (snake(kind.group(1)) if kind else "varies", where))
    return ids, tested


def rooms_of(root):
    with open(os.path.join(root, "src/rooms.cmake"), encoding="utf-8") as f:
        return {m.split("/")[1] for m in re.findall(r"^room\((\S+)", f.read(), re.M)}


def documented(root):
    try:
        with open(os.path.join(root, "docs/reference/errors.md"), encoding="utf-8") as f:
            return {m.group(1) for m in map(ROW.match, f) if m}
    except FileNotFoundError:
        return set()


def page_form(root, kinds):
    """Rows that `hanse explain` cannot show: four cells, one kind of the sources, sorted by id."""
    before = ""
    with open(os.path.join(root, "docs/reference/errors.md"), encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            row = ROW.match(line)
            if not row:
                continue
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            place = f"docs/reference/errors.md:{number}: {row.group(1)}"
            if len(cells) != 4 or not all(cells):
                yield f"{place} has {len(cells)} cells, expected 4 that are not empty"
            elif cells[1] not in kinds:
                yield f"{place} has kind '{cells[1]}', expected one of {', '.join(sorted(kinds))}"
            if row.group(1) <= before:
                yield f"{place} stands after {before}, expected sorted ids"
            before = row.group(1)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = args[0] if args else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    ids, tested = collect(root)
    if "--list" in sys.argv:
        for name in sorted(ids):
            print(name, *ids[name], "" if name in tested else "UNTESTED")
        return 0
    rows, rooms = documented(root), rooms_of(root) | {"cli"}
    findings = [f"{ids[i][1]}: {i} has no row in docs/reference/errors.md" for i in sorted(ids) if i not in rows]
    findings += [f"docs/reference/errors.md: {i} is raised nowhere" for i in sorted(rows - set(ids)) if
                 not i.startswith("gxf.")]
    findings += page_form(root, {kind for kind, _ in ids.values()} - {"varies"})
    if "--page" not in sys.argv:
        findings += [f"{ids[i][1]}: {i} is provoked by no test" for i in sorted(ids) if i not in tested]
    findings += [f"{ids[i][1]}: {i} does not begin with a room's word" for i in sorted(ids)
                 if i.split(".")[0] not in rooms]
    for finding in findings:
        print(finding)
    print(f"errors: {len(ids)} ids, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
