#!/usr/bin/env python3
"""The house rules that a machine can check. usage: tidy.py [ROOT]. Prints file:line: rule; exit 1 on any finding.

Each rule is a function of (path, lines) or of the whole tree, and tools/tidy_test.py shows each one failing.
"""
import os
import re
import subprocess
import sys

# A foreign library has one door: the only places that may include its headers (and never from a .h).
DOORS = {
    r"rocksdb/": ["src/store/kv/"],
    r"openssl/": ["src/base/crypto/", "src/mesh/transport/", "src/mesh/gate/", "src/exchange/pilots/detail/"],
    r"botan/": ["src/base/crypto/"],
    r"blake3\.h": ["src/base/crypto/"],
    r"(grpcpp|grpc|google/protobuf)/": ["src/node/api/", "src/node/client/"],
    r"CLI/": ["src/cli/verbs/parse.cc"],
    r"boost/": ["src/node/api/"],
    r"ngtcp2/": ["src/mesh/transport/"],
    r"wasmedge/": ["src/exchange/wasm/plugin_"],
    r"onnxruntime/": ["src/exchange/onnx/plugin_"],
    r"yyjson\.h": ["src/base/codec/"],
    r"yaml-cpp/": ["src/base/codec/"],
    r"toml\+\+/": ["src/base/config/"],
    r"spdlog/": ["src/base/logging/"],
    r"prometheus/": ["src/base/telemetry/"],
    r"fmt/": ["src/base/core/"],
    r"curl/": ["src/store/archive/"],
    r"zstd\.h": ["src/store/archive/"],
    r"miniupnpc/": ["src/mesh/portmap/"],
    r"natpmp\.h": ["src/mesh/portmap/"],
    r"seccomp\.h": ["src/exchange/runtime/"],
}
BANNED_STD = {"format": "base/core/text.h", "regex": "a hand-written parser", "iostream": "std::fwrite or render",
              "print": "base/core/text.h", "sstream": "base/core/text.h"}
STATUS_WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK|placeholder|not (yet )?implemented|unimplemented)\b")
STATUS_NAMES = re.compile(r"(COMPLETE|VERIFIED|FINAL|PHASE|STATUS|SUMMARY|REPORT)", re.I)
ROOT_FILES = {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "STYLE.md"}
FILE_LINES_MAX, TEST_LINES_MAX, LINE_MAX, README_MAX, ROOM_SOURCES_MAX = 600, 800, 120, 120, 24
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]')


def tracked(root):
    out = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                         check=True).stdout
    return [p for p in out.splitlines() if os.path.isfile(os.path.join(root, p))]


def is_test(path):
    return re.search(r"_(test|bench|fuzz)\.(cc|h|py)$", path) is not None or path.startswith("tests/")


def check_includes(path, lines):
    if not path.startswith("src/"):
        return
    for n, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(1)
        if header in BANNED_STD and not is_test(path):
            yield n, f"<{header}> is slow to compile: use {BANNED_STD[header]}"
        if path.endswith(".h") and header == "chrono":
            yield n, "<chrono> in a header: durations are int64 with the unit in the name (base/core/units.h)"
        for pattern, places in DOORS.items():
            if not re.match(pattern, header):
                continue
            if not any(path.startswith(place) for place in places) and not path.endswith("_bench.cc"):
                yield n, f"{header} has its door in {', '.join(places)}"
            elif path.endswith(".h") and "/detail/" not in path and "/plugin_" not in path:
                yield n, f"{header} in a header: foreign types stay in .cc files"


def check_text(path, lines):
    code = path.endswith((".h", ".cc", ".c", ".py", ".sh", ".cmake")) or path == "dev"
    if not code and not path.endswith(".md"):
        return
    for n, line in enumerate(lines, 1):
        if code and len(line.rstrip("\n")) > LINE_MAX:
            yield n, f"found {len(line.rstrip())} columns, at most {LINE_MAX}"
        if path not in ("tools/tidy.py", "tools/tidy_test.py") and STATUS_WORDS.search(line):
            yield n, "a word of unfinished work: finish it, or open an issue and delete the line"
        if line.rstrip("\n") != line.rstrip("\n").rstrip(" \t"):
            yield n, "trailing blanks"


def check_tests(path, lines):
    if not is_test(path) or path.startswith("tools/"):
        return
    for n, line in enumerate(lines, 1):
        if re.search(r"\b(sleep_for|usleep|nanosleep)\s*\(|\bDISABLED_|EXPECT_TRUE\(true\)", line):
            yield n, "a test neither sleeps nor is switched off: wait for the event itself"


def check_size(path, lines):
    if not path.endswith((".h", ".cc")) or not path.startswith("src/"):
        return
    limit = TEST_LINES_MAX if is_test(path) else FILE_LINES_MAX
    if len(lines) > limit:
        yield 1, f"found {len(lines)} lines, at most {limit}: it is two nouns"


def check_shape(path, lines):
    if path.endswith(".h") and path.startswith("src/"):
        if not lines or not lines[0].startswith("//"):
            yield 1, "a header opens with what it is for"
        if not any(line.startswith("#pragma once") for line in lines[:80]):
            yield 1, "#pragma once is missing"
    if path == "README.md" and len(lines) > README_MAX:
        yield 1, f"found {len(lines)} lines, at most {README_MAX}"


def check_tree(root, paths):
    rooms = {}
    for path in paths:
        if "/" not in path and path.endswith(".md") and path not in ROOT_FILES:
            yield path, 1, f"Markdown in the root is one of {', '.join(sorted(ROOT_FILES))}"
        if path.endswith(".md") and STATUS_NAMES.search(os.path.basename(path)):
            yield path, 1, "a status report is not a document"
        if path.startswith("src/") and path.endswith(".cc") and not is_test(path) and "/detail/" not in path:
            rooms.setdefault(os.path.dirname(path), []).append(path)
    for room, files in rooms.items():
        if len(files) > ROOM_SOURCES_MAX:
            yield room, 1, f"found {len(files)} sources in a room, at most {ROOM_SOURCES_MAX}"


RULES = [check_includes, check_text, check_tests, check_size, check_shape]


def check(root):
    paths = tracked(root)
    findings = list(check_tree(root, paths))
    for path in paths:
        if not path.endswith((".h", ".cc", ".c", ".py", ".sh", ".cmake", ".md")) and path != "dev":
            continue
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            lines = f.readlines()
        for rule in RULES:
            findings.extend((path, n, what) for n, what in rule(path, lines))
    return paths, findings


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths, findings = check(root)
    for path, line, what in findings:
        print(f"{path}:{line}: {what}")
    print(f"tidy: {len(paths)} files, {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
