#!/bin/sh
# Prints what to link into the addon for libdeflate: the path of libdeflate.a; or -ldeflate where that archive cannot
# go into a shared object (Debian 13 compiles it without -fPIC); nothing where the compiler finds neither.
# binding.gyp asks at configure time; the C compiler is asked so that CC, CPATH and LIBRARY_PATH count.
compiler=${CC:-cc}
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cat >"$folder/use.c" <<'END'
#include <libdeflate.h>
struct libdeflate_compressor *use(void) { return libdeflate_alloc_compressor(6); }
END
for library in "$($compiler -print-file-name=libdeflate.a 2>/dev/null)" -ldeflate; do
  if $compiler -shared -fPIC -o "$folder/use.so" "$folder/use.c" "$library" 2>/dev/null; then
    echo "$library"
    exit
  fi
done
