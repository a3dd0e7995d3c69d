#!/usr/bin/env bash
# Checks the emulation: right kernels give what they are to give in every order, and each wrong one is found.
#
#   check.sh FOLDER TOOLCHAIN
#
# FOLDER is that of the emulated libraries, TOOLCHAIN the one of cuda-toolchain.sh.
set -uo pipefail
cd "$(dirname "$0")"
folder=$1
"${CXX:-g++}" -std=c++17 -O1 check.cpp -I "$2/nvidia/cu13/include" -L "$folder" -l:libcuda.so.1 -l:libnvrtc.so.13 -o "$folder/objects/check" || exit 1
failures=0

# What a kernel prints: [VARIABLE=value…] KERNEL [threads [shared]].
run() { LD_LIBRARY_PATH=$folder env "${@:1:$#-1}" bash -c 'exec "$@" 2>&1' - "$folder/objects/check" kernels.cu ${*: -1}; }

# Expects a text in what the kernel prints: TEXT [VARIABLE=value…] "KERNEL [threads [shared]]".
expect() {
  local found
  found=$(run "${@:2}") || true
  [[ $found == *"$1"* ]] || { failures=$((failures + 1)); printf '%s:\n  expected: %s\n  found:    %s\n' "${*:2}" "$1" "$found"; }
}

# The results of Python expressions in i, the thread, and b, the block; x[i] is i.
results() { python3 -c "print(*('%g' % float($1) for b in range(2) for i in range(64)))"; }

for order in forward reverse mixed mixed:5; do
  set_order=EMULATED_CUDA_ORDER=$order
  expect "$(results '(2016 + 64 * b) * (i < 32)')" $set_order sums
  # In f32, whose sums of these are exact.
  expect "$(results 'i + 100 * (i - 3 if i % 16 >= 3 else i) + 10000 * (i + 5 if i % 8 < 3 else i) + 1e6 * (i // 16 * 16 + 9)')" $set_order shuffles
  expect "$(results '(i ^ 1) + 1000 * sum(j % 3 == 0 for j in range(i // 32 * 32, i // 32 * 32 + 32))')" $set_order masks
  expect "$(results '-1 if i % 4 == 3 else 32')" $set_order ends
  expect "$(results '-1 if i % 2 == 1 else i ^ 2')" $set_order ended_lanes
  expect "$(results '63 - i')" $set_order dynamic
  expect "$(results '[0, 1, 0, -1][i % 4] + 10 * [1, 0, -1, 0][i % 4] + 100 * i + 10000 * i')" $set_order functions
  expect "$(results 3)" $set_order inverses
done
expect "$(results '63 - i')" EMULATED_CUDA_GUARD=1 dynamic

expect nan EMULATED_CUDA_ORDER=forward racy
expect nan EMULATED_CUDA_ORDER=reverse racy
expect nan A= stale
expect "$(printf -- '-nan %.0s' {1..128})" A= unwritten
expect nan A= of_nobody
expect "$(results 1)" EMULATED_CUDA_ORDER=forward contested
expect "$(results 0)" EMULATED_CUDA_ORDER=reverse contested
expect "waits for ever" A= stuck
expect "after the end" A= beyond
expect "beyond, block (0, 0, 0), thread (0, 0, 0): no memory" EMULATED_CUDA_GUARD=1 beyond
expect "beyond: 512 bytes of the device" EMULATED_CUDA_CHECK=1 beyond
expect "reads_beyond, block (0, 0, 0), thread (0, 0, 0): no memory" EMULATED_CUDA_GUARD=1 reads_beyond
expect "wild, block (0, 0, 0), thread (0, 0, 0): no memory" A= wild
expect "index 64 out of bounds" A= shared_beyond
expect "misaligned address" A= misaligned
# More than __launch_bounds__, and more shared memory than there is without asking.
expect "cuLaunchKernel(kernel, 2, 1, 1, threads, 1, 1, shared, nullptr, values, nullptr): 1" A= "sums 96"
expect "cuLaunchKernel(kernel, 2, 1, 1, threads, 1, 1, shared, nullptr, values, nullptr): 1" A= "dynamic 64 50000"
# Room for both buffers, and for one of them.
expect "$(results '63 - i')" EMULATED_CUDA_MEMORY=768 dynamic
expect "cuMemAlloc(&y, sizeof numbers): 2" EMULATED_CUDA_MEMORY=767 dynamic
expect "cuModuleGetFunction(&kernel, module, arguments[2]): 500" A= none
[ $failures = 0 ] && echo "the emulation does as it says"
exit $failures
