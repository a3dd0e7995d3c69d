// What every source begins with. Before it come three definitions: ELEMENT, the type of elements in memory; REAL, that of
// arithmetic; and SUFFIX, the end of kernels' names.

// 16 bits in memory: IEEE's half precision, and the upper half of a float.
struct f16 { unsigned short bits; };
struct bf16 { unsigned short bits; };

typedef ELEMENT Element;
typedef REAL Real;

#define JOINED(a, b) a##b
#define JOIN(a, b) JOINED(a, b)
// The head of a kernel, up to its parameters.
#define KERNEL(name) extern "C" __global__ void JOIN(name, SUFFIX)

__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }
__device__ inline float widen(bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ inline float widen(f16 x) {
  // The exponents' zeros are 112 apart; the product is exact, for subnormal numbers too.
  float size = __uint_as_float((x.bits & 0x7fffu) << 13) * 5.192296858534828e33f;
  unsigned bits = __float_as_uint(size);
  // What was infinite or NaN has become 65536 or more.
  if (size >= 65536.0f) bits |= 0x7f800000;
  return __uint_as_float(bits | (x.bits & 0x8000u) << 16);
}

__device__ inline void put(float& place, float x) { place = x; }
__device__ inline void put(double& place, double x) { place = x; }
// To the nearest of 16 bits, ties to even; NaN stays NaN.
__device__ inline void put(bf16& place, float x) {
  unsigned bits = __float_as_uint(x);
  bits = x == x ? bits + 0x7fff + ((bits >> 16) & 1) : bits | 0x400000;
  place.bits = (unsigned short)(bits >> 16);
}
__device__ inline void put(f16& place, float x) {
  unsigned bits = __float_as_uint(x), sign = bits >> 16 & 0x8000, half;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) {
    half = 0x7e00;
  } else if (bits >= 0x477ff000) {
    half = 0x7c00;
  } else if (bits < 0x38800000) {
    // Subnormal: a sum with 0.5 rounds at the last of its bits.
    half = __float_as_uint(__uint_as_float(bits) + 0.5f) - 0x3f000000;
  } else {
    half = (bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13;
  }
  place.bits = (unsigned short)(sign | half);
}

// N elements side by side that are moved at once. Their address is a multiple of their size, but of 16 bytes at most.
template <unsigned N>
struct alignas(N * sizeof(Element) < 16 ? N * sizeof(Element) : 16) Pack { Element of[N]; };

// How many elements the kernels move at once, where they can.
#define PACK 4

template <unsigned N>
__device__ inline Pack<N> pack(const Element* x) { return *(const Pack<N>*)x; }
template <unsigned N>
__device__ inline void put(Element* y, const Pack<N>& x) { *(Pack<N>*)y = x; }

// Whether packs may begin here. Null is such a place.
__device__ inline bool packs_at(const Element* x) { return (size_t)x % alignof(Pack<PACK>) == 0; }

__device__ inline bool is_finite(Real x) { return x - x == 0; }

__device__ inline size_t thread_of_all() { return (size_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline size_t all_threads() { return (size_t)gridDim.x * blockDim.x; }

// a / b, by the faster division of 32 bits where they suffice.
__device__ inline size_t quotient(size_t a, size_t b) {
  return (a | b) >> 32 ? a / b : (unsigned)a / (unsigned)b;
}

// The sum over a warp, for each of its threads.
template <class T>
__device__ inline T warp_sum(T x) {
  for (unsigned distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(0xffffffffu, x, distance);
  return x;
}

// The sum over a block of whole warps, for each of its threads.
template <class T>
__device__ inline T block_sum(T x) {
  __shared__ T parts[32];
  unsigned lane = threadIdx.x % 32, warps = blockDim.x / 32;
  x = warp_sum(x);
  if (lane == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = warp_sum(lane < warps ? parts[lane] : T(0));
  // The parts may be written again.
  __syncthreads();
  return x;
}
