#!/bin/sh
# Compiler launcher: ccache, set up so that precompiled headers are cacheable and clones share results.
# A .gch is not reproducible, so beside each one stands a .sum of what went into it (flags and preprocessed header);
# ccache hashes that instead of the .gch.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_PCH_EXTSUM=1 CCACHE_NOHASHDIR=1 CCACHE_BASEDIR="${HANSE_ROOT:-$(dirname "$(dirname "$0")")}"
out=; prev=; for a in "$@"; do [ "$prev" = -o ] && out=$a; prev=$a; done
case $out in
  *.gch)
    ccache "$@" || exit
    flags=$(printf '%s\n' "$@" | grep -E '^-(f|O|D|W|std|m|g)' | grep -v -e '-map=' | sort)
    pre=$(mktemp) && skip= && set -- "$@"
    n=$#; i=0
    while [ $i -lt $n ]; do
      a=$1; shift; i=$((i + 1))
      if [ "$skip" ]; then skip=; continue; fi
      case $a in -o|-MF|-MT) skip=1 ;; -c|-MD|-MMD) ;; *) set -- "$@" "$a" ;; esac
    done
    "$@" -E -P -o "$pre" && { printf '%s\n' "$flags"; cat "$pre"; } | sha256sum | cut -d' ' -f1 >"$out.sum"
    rm -f "$pre" ;;
  *) exec ccache "$@" ;;
esac
