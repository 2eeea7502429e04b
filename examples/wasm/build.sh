#!/bin/sh
# build.sh [OUT]: compiles every example to OUT (default: this folder). The committed .wasm files came from clang 19.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
clang=${CLANG:-clang-19}
for source in "$here"/*.c; do
  name=$(basename "$source" .c)
  (cd "$here" && "$clang" --target=wasm32 -std=c11 -O2 -mbulk-memory -msign-ext -mnontrapping-fptoint \
    -Wall -Wextra -nostdlib \
    -fno-ident -ffile-prefix-map="$here"=. \
    -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 -Wl,--initial-memory=2097152 \
    "$name.c" -o "$out/$name.wasm")
done
