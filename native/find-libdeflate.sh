#!/bin/sh
# Prints the path of libdeflate.a when the compiler finds both it and libdeflate.h; else nothing.
# binding.gyp asks at configure time; the C compiler is asked so that CC, CPATH and LIBRARY_PATH count.
compiler=${CC:-cc}
echo '#include <libdeflate.h>' | $compiler -E -x c - >/dev/null 2>&1 || exit 0
library=$($compiler -print-file-name=libdeflate.a)
case $library in
  /*) echo "$library" ;;
esac
