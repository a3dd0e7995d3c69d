#!/usr/bin/env bash
# Runs the tests of devices on a machine without a GPU: a driver that runs CUDA kernels on the CPU, thread by thread, stands for
# NVIDIA's. Says how to run other programs with it. x86-64 Linux with Python 3, GCC and make is needed.
#
#   scripts/cuda-emulated.sh TOOLCHAIN FOLDER [test…]
#
# TOOLCHAIN is the folder of cuda-toolchain.sh, which sets it up if need be; FOLDER is for what is built. tools/emulated-cuda/README.md
# says what the emulation finds in kernels, and which variables of the environment it heeds.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: $0 TOOLCHAIN FOLDER [test…]" >&2; exit 2; }
cd "$(dirname "$0")/.."
scripts/cuda-toolchain.sh "$1" > /dev/null
toolchain=$(cd "$1" && pwd)
mkdir -p "$2"
folder=$(cd "$2" && pwd)

# Candle's kernels, and this project's that are in no program's text.
candle=$(cargo metadata --locked --format-version 1 --all-features | python3 -c '
import json, os, sys
packages = json.load(sys.stdin)["packages"]
print(*(os.path.dirname(p["manifest_path"]) + "/src" for p in packages if p["name"] == "candle-kernels"))')
make --no-print-directory -s -j"$(nproc)" -C tools/emulated-cuda FOLDER="$folder/lib" TOOLCHAIN="$toolchain" CANDLE="$candle"

# What a build finds as the CUDA toolkit: the emulated libraries, and a compiler that compiles nothing.
mkdir -p "$folder/toolkit/bin"
ln -sfn ../lib "$folder/toolkit/lib64"
ln -sf "$PWD/tools/emulated-cuda/nvcc" "$folder/toolkit/bin/nvcc"
ln -sf "$toolchain"/nvidia/cu13/lib/libcudart.so.13 "$folder/lib/libcudart.so"
cat > "$folder/exports.sh" <<EXPORTS
export CUDA_HOME='$folder/toolkit' CUDA_PATH='$folder/toolkit' CUDA_ROOT='$folder/toolkit' CUDA_TOOLKIT_ROOT_DIR='$folder/toolkit'
export NVCC='$folder/toolkit/bin/nvcc' PATH='$folder/toolkit/bin':"\$PATH" CUDA_COMPUTE_CAP=90
export CARGO_TARGET_DIR="\${CARGO_TARGET_DIR:-$folder/target}"
export LD_LIBRARY_PATH='$folder/lib'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}" ADVECT_TEST_DEVICE=cuda
EXPORTS
echo "for other programs: source $folder/exports.sh" >&2
source "$folder/exports.sh"
cargo test --locked -p advect --features cuda --test devices -- "${@:3}"
