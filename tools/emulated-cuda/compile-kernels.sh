#!/usr/bin/env bash
# Compiles a source of CUDA kernels into a shared library that the emulated driver loads.
#
#   compile-kernels.sh SOURCE LIBRARY EMULATION TOOLCHAIN [options of the compiler…]
#
# EMULATION is the folder with the emulated libcuda.so.1, TOOLCHAIN the one of cuda-toolchain.sh, for the toolkit's headers.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$(realpath "$1") library=$2 emulation=$3 include=$4/nvidia/cu13/include
shift 4
work=$(mktemp -d "$library.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Shared memory whose size a launch says is asked for by name.
{
  echo "#line 1 \"$source\""
  sed -E 's/extern[[:space:]]+__shared__([^;]*[[:space:]*])([A-Za-z_0-9]+)\[\]/\1 *\2 = (\1 *)emulated_dynamic_shared()/g' "$source"
} > "$work/kernels.cu"
compile=("${CXX:-g++}" -std=c++17 -x c++ -O2 -march=native -ffp-contract=off -fno-strict-aliasing -fno-exceptions -w
  -fPIC -fvisibility=hidden -I "$here/device" -I "$(dirname "$source")" -I "$include" -I "$include/cccl" "$@" -include emulated.h)

# The kernels are what the preprocessed text declares with __global__, save templates, which have no name. Each with the most
# threads of a block.
bounds='( +emulated_bounds *\(([^()]|\([^()]*\))*\))?'
"${compile[@]}" -DEMULATED_LISTING -E -P "$work/kernels.cu" | tr '\n' ' ' | sed -E 's/(template *<[^<>]*> *)emulated_global/\1/g' |
  grep -oE "emulated_global$bounds +void$bounds +[A-Za-z_0-9]+" |
  sed -E 's/emulated_global|void//g' | sed -E 's/ *emulated_bounds *\((.*)\) *([A-Za-z_0-9]+)/\2, \1/; t; s/$/, 1024/' | sort -u > "$work/names"
{
  echo '#include "kernels.cu"'
  echo '#include "registry.h"'
  echo 'extern "C" __attribute__((visibility("default"))) const EmulatedKernel emulated_kernels[] = {'
  sed 's/.*/EMULATED_ENTRY(&)/' "$work/names"
  echo '{nullptr, nullptr, 0}};'
} > "$work/library.cpp"
"${compile[@]}" -shared "$work/library.cpp" -x none -o "$work/library.so" -L "$emulation" -l:libcuda.so.1
mv "$work/library.so" "$library"
