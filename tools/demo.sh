#!/usr/bin/env bash
# ./dev demo: builds only what the demo runs, without tests, then shows the main job.
set -euo pipefail
cd "$(dirname "$0")/.."
BUILD=${HANSE_BUILD:-build}
[ -f "$BUILD/build.ninja" ] || cmake --preset dev >"/tmp/hanse-configure.$$" 2>&1 ||
  { cat "/tmp/hanse-configure.$$" >&2; exit 1; }
rm -f "/tmp/hanse-configure.$$"
[ -f examples/digits/data/model.hml ] || python3 examples/digits/make.py >&2
ninja -C "$BUILD" hanse hansed hanse-worker hanse-verify wasm tensor >&2
exec python3 tools/demo.py "$BUILD/bin"
