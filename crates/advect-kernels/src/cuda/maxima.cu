// Largest numbers of warps and blocks.

#define NEGATIVE_INFINITY Real(__uint_as_float(0xff800000u))
#define NOT_A_NUMBER Real(__uint_as_float(0x7fffffffu))

__device__ inline Real greater(Real a, Real b) { return b > a ? b : a; }

// The largest number over a warp, for each of its threads.
__device__ inline Real warp_max(Real x) {
  for (unsigned distance = 16; distance > 0; distance /= 2) x = greater(x, __shfl_xor_sync(0xffffffffu, x, distance));
  return x;
}

// The largest number over a block of whole warps, for each of its threads.
__device__ inline Real block_max(Real x) {
  __shared__ Real parts[32];
  unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
  x = warp_max(x);
  if (lane == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = warp_max(lane < warps ? parts[lane] : NEGATIVE_INFINITY);
  // The parts may be written again.
  __syncthreads();
  return x;
}

