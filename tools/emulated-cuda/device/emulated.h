// Included before each source of kernels: CUDA's language for a compiler of the host.
#pragma once
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <math.h>
#include <stdint.h>
#include <type_traits>

// The toolkit's own types; on a host, their arithmetic is plain C++ that rounds as devices do.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <vector_functions.h>

#include "runtime.h"

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __launch_bounds__
#undef __restrict__
// The list of kernels is made of preprocessed text, where these are to stand.
#ifdef EMULATED_LISTING
#define __global__ emulated_global
#define __launch_bounds__(...) emulated_bounds(__VA_ARGS__)
#else
#define __global__ __attribute__((visibility("hidden")))
#define __launch_bounds__(...)
#endif
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__ __restrict
// One for each thread of the system, which runs a whole block.
#define __shared__ static thread_local

#define threadIdx (emulated_position.thread)
#define blockIdx (emulated_position.block)
#define blockDim (emulated_position.block_dim)
#define gridDim (emulated_position.grid_dim)
#define warpSize 32
#define __builtin_assume(condition)
#define __noinline__ __attribute__((noinline))

#include "arithmetic.h"
#include "halves.h"
#include "threads.h"

#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define __CUDA_ARCH__ 900
