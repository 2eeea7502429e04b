#!/usr/bin/env python3
"""Checks that every #include between rooms follows the floor plan in src/rooms.cmake.

usage: rooms.py [ROOT] [--graph]
A file may include its own room, `core`, and the rooms that its room names under USES (tests also TEST_USES).
A program (main_*.cc) or plug-in (plugin_*.cc) may include the rooms its own line in rooms.cmake names.
Prints file:line, both rooms with their floors and the missing USES; exit 1 when anything is wrong.
--graph prints the arrows as a Mermaid graph.
"""
import os
import re
import sys

STATEMENT = re.compile(r"\b(room|program|plugin)\s*\(([^()]*)\)", re.S)
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')
KEYWORD = re.compile(r"[A-Z_]{4,}")


def parse_plan(text):
    """Returns ({name: room}, {source: set(rooms)}, [errors])."""
    rooms, sources, errors = {}, {}, []
    text = re.sub(r"#[^\n]*", "", text)
    for kind, body in STATEMENT.findall(text):
        head, groups, group = [], {}, None
        for token in body.split():
            if KEYWORD.fullmatch(token):
                group = token
            elif group is None:
                head.append(token)
            else:
                groups.setdefault(group, []).append(token)
        if kind == "room":
            path, floor = head[0], int(head[1])
            name = path.split("/")[-1]
            if name in rooms:
                errors.append(f"rooms.cmake: room {name} is declared twice")
            for used in groups.get("USES", []) + groups.get("TEST_USES", []):
                if used not in rooms:
                    errors.append(f"rooms.cmake: room {name} uses {used}, which is not declared above it")
                elif rooms[used]["floor"] > floor:
                    errors.append(f"rooms.cmake: room {name} (floor {floor}) uses {used} "
                                  f"(floor {rooms[used]['floor']}): arrows never rise")
            rooms[name] = {"path": path, "floor": floor, "uses": set(groups.get("USES", [])),
                           "test_uses": set(groups.get("TEST_USES", []))}
        else:
            files = groups.get("SOURCES", []) if kind == "plugin" else head[1:2]
            for source in files:
                sources[source] = set(groups.get("ROOMS", []))
    return rooms, sources, errors


def check(root):
    with open(os.path.join(root, "src/rooms.cmake"), encoding="utf-8") as f:
        rooms, sources, errors = parse_plan(f.read())
    by_path = {room["path"]: name for name, room in rooms.items()}

    def room_of(path):
        parts = path.split("/")
        for n in range(len(parts) - 1, 0, -1):
            if "/".join(parts[:n]) in by_path:
                return by_path["/".join(parts[:n])]
        return None

    for folder, _, files in os.walk(os.path.join(root, "src")):
        for file in sorted(files):
            if not file.endswith((".h", ".cc")):
                continue
            full = os.path.join(folder, file)
            path = os.path.relpath(full, os.path.join(root, "src"))
            mine = room_of(path)
            if mine is None:
                errors.append(f"src/{path}:1: belongs to no room; name its folder in src/rooms.cmake")
                continue
            allowed = {mine, "core"} | rooms[mine]["uses"] | sources.get(path, set())
            if re.search(r"_(test|bench|fuzz|world)\.(cc|h)$|^test_", file):
                allowed |= rooms[mine]["test_uses"]
            with open(full, encoding="utf-8") as f:
                for number, line in enumerate(f, 1):
                    match = INCLUDE.match(line)
                    if not match:
                        continue
                    target = match.group(1)
                    theirs = room_of(target)
                    here = f"src/{path}:{number}"
                    if target.startswith("."):
                        errors.append(f'{here}: "{target}": includes are written from src/')
                    elif theirs is None:
                        continue  # generated or foreign
                    elif "/detail/" in target and theirs != mine:
                        errors.append(f"{here}: room {mine} includes {target}, private to room {theirs}")
                    elif theirs not in allowed:
                        a, b = rooms[mine]["floor"], rooms[theirs]["floor"]
                        why = ("arrows never rise" if b > a else f"missing: room({rooms[mine]['path']} {a} USES "
                               f"... {theirs})")
                        errors.append(f"{here}: room {mine} (floor {a}) includes {target} of room {theirs} "
                                      f"(floor {b}): {why}")
    return rooms, errors


def graph(rooms):
    print("graph BT")
    for name, room in rooms.items():
        print(f"  {name}[{room['path']}]")
        for used in sorted(room["uses"]):
            print(f"  {name} --> {used}")


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = args[0] if args else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    rooms, errors = check(root)
    if "--graph" in sys.argv:
        graph(rooms)
    for error in errors:
        print(error)
    print(f"rooms: {len(rooms)} rooms, {len(errors)} broken arrows", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
