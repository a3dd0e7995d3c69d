#!/usr/bin/env bash
# Writes the functions of a library that the emulation hasn't: each answers an error, and says its name where
# EMULATED_CUDA_MISSING=1.
#
#   stubs.sh PREFIX ERROR HEADERS… -- OBJECTS…
#
# PREFIX is that of the library's functions, which are looked for in the headers; what the objects define is left out.
set -euo pipefail
prefix=$1 error=$2
shift 2
headers=() objects=()
while [ "$1" != -- ]; do headers+=("$1"); shift; done
shift
objects=("$@")
defined=
[ ${#objects[@]} = 0 ] || defined=$(nm --defined-only --extern-only "${objects[@]}" | { grep -oE "\b$prefix[A-Za-z0-9_]+$" || true; } | sort -u)
echo '#include <stdio.h>'
echo '#include <stdlib.h>'
echo 'static int missing(const char *name) {'
echo '    const char *wanted = getenv("EMULATED_CUDA_MISSING");'
echo '    if (wanted && *wanted == 49) fprintf(stderr, "emulated CUDA: no %s\n", name);'
echo "    return $error;"
echo '}'
grep -ohE "\b$prefix[A-Za-z0-9_]+" "${headers[@]}" | sort -u | comm -23 - <(echo "$defined") | grep -v '_t$' |
  sed 's/.*/int &(void) { return missing("&"); }/'
