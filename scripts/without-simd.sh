#!/usr/bin/env bash
# The compiler for a module without SIMD, as RUSTC_WRAPPER. candle asks gemm for SIMD on WebAssembly always, by a feature that can't be
# taken back, and one function with vectors makes a module invalid where there are none. Without the feature nothing calls these functions,
# and they are not linked.
exec "${@/feature=\"wasm-simd128-enable\"/without_simd}"
