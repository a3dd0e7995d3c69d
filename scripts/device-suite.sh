#!/usr/bin/env bash
# Runs the integration tests of crates on a device: those whose tests all ask for it.
#
#   ADVECT_TEST_DEVICE=cuda scripts/device-suite.sh [crate…] [-- test…]
#
# ADVECT_TEST_DEVICE names the device: cuda, cuda:1 and so on. Without it, the device is the CPU. Crates are named without `advect-`;
# words after `--` choose tests.
set -euo pipefail
cd "$(dirname "$0")/.."

crates=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do crates+=("$1"); shift; done
[ ${#crates[@]} -gt 0 ] || crates=(ops nn models paths transport objectives solvers samplers train metrics features diffusers classics trajectories)
packages=()
for crate in "${crates[@]}"; do packages+=(-p "advect-$crate"); done
features=()
case ${ADVECT_TEST_DEVICE:-cpu} in cuda*) features=(--features cuda) ;; esac
cargo test --locked --no-fail-fast "${packages[@]}" "${features[@]}" --test '*' "$@"
