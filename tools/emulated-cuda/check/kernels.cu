// Kernels that are right, and kernels that are wrong in one way each.

template <typename T> __device__ T block_sum(T x) {
    __shared__ T parts[32];
    for (int distance = 16; distance > 0; distance >>= 1) x += __shfl_xor_sync(0xffffffffu, x, distance);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
    __syncthreads();
    if (threadIdx.x < 32) {
        x = threadIdx.x < blockDim.x / 32 ? parts[threadIdx.x] : T(0);
        for (int distance = 16; distance > 0; distance >>= 1) x += __shfl_xor_sync(0xffffffffu, x, distance);
    }
    return x;
}

// --- Right: 64 threads in 2 blocks, y[0..128] ---

extern "C" __global__ void __launch_bounds__(2 * (16 + 16)) sums(const float *x, float *y) {
    const float own = block_sum(x[threadIdx.x] + float(blockIdx.x));
    y[blockIdx.x * 64 + threadIdx.x] = threadIdx.x < 32 ? own : 0.0f;
}

extern "C" __global__ void shuffles(const float *x, float *y) {
    const int i = threadIdx.x;
    float v = x[i];
    v += 100.0f * __shfl_up_sync(0xffffffffu, x[i], 3, 16);
    v += 10000.0f * __shfl_down_sync(0xffffffffu, x[i], 5, 8);
    v += 1000000.0f * __shfl_sync(0xffffffffu, x[i], 9, 16);
    y[blockIdx.x * 64 + i] = v;
}

extern "C" __global__ void masks(const float *x, float *y) {
    const int i = threadIdx.x;
    // The halves of a warp go apart; the upper one takes more steps.
    float v = x[i];
    if (i % 32 < 16) v = __shfl_xor_sync(0x0000ffffu, v, 1);
    else for (int step = 0; step < 3; step++) v = __shfl_xor_sync(0xffff0000u, v, 1);
    y[blockIdx.x * 64 + i] = v + 1000.0f * float(__popc(__ballot_sync(0xffffffffu, i % 3 == 0)));
}

extern "C" __global__ void ends(const float *x, float *y) {
    const int i = threadIdx.x;
    y[blockIdx.x * 64 + i] = -1.0f;
    if (i % 4 == 3) return;
    __syncthreads();
    y[blockIdx.x * 64 + i] = float(__syncthreads_count(i % 2 == 0));
}

// Lanes that wait, and mates that end instead of coming.
extern "C" __global__ void ended_lanes(const float *x, float *y) {
    const int i = threadIdx.x;
    y[blockIdx.x * 64 + i] = -1.0f;
    if (i % 2 == 1) return;
    y[blockIdx.x * 64 + i] = __shfl_xor_sync(0xffffffffu, x[i], 2);
}

extern "C" __global__ void dynamic(const float *x, float *y) {
    extern __shared__ float own[];
    own[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    y[blockIdx.x * 64 + threadIdx.x] = own[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void functions(const float *x, float *y) {
    float sine, cosine;
    sincospif(0.5f * float(threadIdx.x), &sine, &cosine);
    const float bits = __int_as_float(__float_as_int(x[threadIdx.x]));
    const unsigned int high = __umulhi(0x80000000u, 2u * threadIdx.x);
    y[blockIdx.x * 64 + threadIdx.x] = sine + 10.0f * cosine + 100.0f * bits + 10000.0f * float(high) + float(__float2uint_rn(-3.0f));
}

extern "C" __global__ void inverses(const float *x, float *y) {
    const float p = (x[threadIdx.x] - 31.5f) / 32.0f;
    const bool same = fabsf(erff(erfinvf(p)) - p) < 1e-6f && fabsf(normcdff(normcdfinvf(0.5f + 0.5f * p)) - 0.5f - 0.5f * p) < 1e-6f;
    const bool turned = __brevll(__brevll(0x0123456789abcdefull + threadIdx.x)) == 0x0123456789abcdefull + threadIdx.x;
    y[blockIdx.x * 64 + threadIdx.x] = float(same) + float(turned) + float(__byte_perm(0x03020100u, 0x07060504u, 0x7250u) == 0x07020500u);
}

// --- Wrong ---

// Without a barrier between what threads write and what others read.
extern "C" __global__ void racy(const float *x, float *y) {
    __shared__ float own[64];
    own[threadIdx.x] = x[threadIdx.x];
    y[blockIdx.x * 64 + threadIdx.x] = own[63 - threadIdx.x];
}

// Reads shared memory that nobody has written in this block.
extern "C" __global__ void stale(const float *x, float *y) {
    __shared__ float own[64];
    if (blockIdx.x == 0) own[threadIdx.x] = x[threadIdx.x];
    y[blockIdx.x * 64 + threadIdx.x] = own[threadIdx.x];
}

extern "C" __global__ void unwritten(const float *x, float *y) {}

// Relies on an order of blocks.
extern "C" __global__ void contested(const float *x, float *y) {
    y[threadIdx.x] = y[64 + threadIdx.x] = float(blockIdx.x);
}

// Reads the value of a lane that has ended.
extern "C" __global__ void of_nobody(const float *x, float *y) {
    const int i = threadIdx.x;
    if (i % 2 == 1) return;
    y[blockIdx.x * 64 + i] = __shfl_xor_sync(0xffffffffu, x[i], 1);
    y[blockIdx.x * 64 + i + 1] = 0.0f;
}

extern "C" __global__ void stuck(const float *x, float *y) {
    if (threadIdx.x == 0) __shfl_xor_sync(0xffffffffu, x[0], 1);
    else __syncthreads();
}

extern "C" __global__ void beyond(const float *x, float *y) { y[128 + threadIdx.x] = x[threadIdx.x]; }

extern "C" __global__ void reads_beyond(const float *x, float *y) { y[threadIdx.x] = x[64 + threadIdx.x]; }

extern "C" __global__ void wild(const float *x, float *y) { y[threadIdx.x] = x[1ull << 45]; }

extern "C" __global__ void shared_beyond(const float *x, float *y) {
    __shared__ float own[64];
    own[threadIdx.x + (x[1] > 0.0f ? 1 : 0)] = x[threadIdx.x];
    __syncthreads();
    y[threadIdx.x] = own[threadIdx.x];
}

extern "C" __global__ void misaligned(const float *x, float *y) {
    if (threadIdx.x == 0) *reinterpret_cast<float4 *>(y) = *reinterpret_cast<const float4 *>(x + 1);
}
