// What threads do together: barriers, exchanges within a warp, atomic operations.
#pragma once

inline void __syncthreads() { emulated_sync_threads(); }
inline int __syncthreads_count(int value) { return emulated_sync_threads_count(value != 0); }
inline int __syncthreads_or(int value) { return emulated_sync_threads_count(value != 0) != 0; }
inline int __syncthreads_and(int value) { return emulated_sync_threads_count(value == 0) == 0; }
inline void __syncwarp(unsigned int mask = 0xffffffffu) { emulated_sync_warp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
inline unsigned int __activemask() { return emulated_live_lanes(); }

// The value of lane `source`, or, where that lane left none, bits that are not a number: what it is on a device, nobody says.
template <typename T> inline T emulated_from_lane(unsigned int mask, T value, int source) {
    static_assert(sizeof(T) <= 8, "values of shuffles have at most 8 bytes");
    uint64_t bits = 0;
    bool present;
    memcpy(&bits, &value, sizeof value);
    bits = emulated_shuffle(mask, bits, source, &present);
    if (!present) bits = ~uint64_t(0);
    T result;
    memcpy(static_cast<void *>(&result), &bits, sizeof result);
    return result;
}

template <typename T> inline T __shfl_sync(unsigned int mask, T value, int source, int width = 32) {
    int lane = emulated_lane();
    return emulated_from_lane(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}

template <typename T> inline T __shfl_xor_sync(unsigned int mask, T value, int bits, int width = 32) {
    int lane = emulated_lane(), source = lane ^ bits;
    return emulated_from_lane(mask, value, source <= (lane | (width - 1)) && source < 32 ? source : lane);
}

template <typename T> inline T __shfl_down_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
    int lane = emulated_lane();
    unsigned int source = lane + delta;
    return emulated_from_lane(mask, value, source <= unsigned(lane | (width - 1)) ? int(source) : lane);
}

template <typename T> inline T __shfl_up_sync(unsigned int mask, T value, unsigned int delta, int width = 32) {
    int lane = emulated_lane(), source = lane - int(delta);
    return emulated_from_lane(mask, value, source >= (lane & ~(width - 1)) ? source : lane);
}

inline unsigned int __ballot_sync(unsigned int mask, int value) {
    unsigned int present, result = 0;
    const uint64_t *all = emulated_exchange(mask, value != 0, &present);
    for (int lane = 0; lane < 32; lane++) result |= (present & mask) >> lane & all[lane] & 1 ? 1u << lane : 0;
    return result;
}

inline int __any_sync(unsigned int mask, int value) { return __ballot_sync(mask, value) != 0; }
inline int __all_sync(unsigned int mask, int value) { return __ballot_sync(mask, value == 0) == 0; }

// Folds the values of a mask's lanes, from the lowest lane on.
template <typename T, typename F> inline T emulated_reduce(unsigned int mask, T value, F fold) {
    unsigned int present;
    const uint64_t *all = emulated_exchange(mask, uint64_t(value), &present);
    bool first = true;
    T result = value;
    for (int lane = 0; lane < 32; lane++)
        if ((present & mask) >> lane & 1) result = first ? T(all[lane]) : fold(result, T(all[lane])), first = false;
    return result;
}

#define EMULATED_REDUCE(TYPE, NAME, EXPRESSION) \
    inline TYPE NAME(unsigned int mask, TYPE value) { \
        return emulated_reduce(mask, value, [](TYPE a, TYPE b) -> TYPE { return EXPRESSION; }); \
    }
EMULATED_REDUCE(unsigned int, __reduce_add_sync, a + b)
EMULATED_REDUCE(int, __reduce_add_sync, a + b)
EMULATED_REDUCE(unsigned int, __reduce_min_sync, a < b ? a : b)
EMULATED_REDUCE(int, __reduce_min_sync, a < b ? a : b)
EMULATED_REDUCE(unsigned int, __reduce_max_sync, a > b ? a : b)
EMULATED_REDUCE(int, __reduce_max_sync, a > b ? a : b)
EMULATED_REDUCE(unsigned int, __reduce_and_sync, a & b)
EMULATED_REDUCE(unsigned int, __reduce_or_sync, a | b)
EMULATED_REDUCE(unsigned int, __reduce_xor_sync, a ^ b)
#undef EMULATED_REDUCE

// A thread goes on until a barrier, so that plain reads and writes are atomic.
#define EMULATED_ATOMIC(NAME, TYPE, EXPRESSION) \
    inline TYPE NAME(TYPE *address, TYPE value) { \
        TYPE old = *address; \
        *address = EXPRESSION; \
        return old; \
    }
#define EMULATED_ATOMIC_INTEGERS(NAME, EXPRESSION) \
    EMULATED_ATOMIC(NAME, int, EXPRESSION) \
    EMULATED_ATOMIC(NAME, unsigned int, EXPRESSION) \
    EMULATED_ATOMIC(NAME, unsigned long long, EXPRESSION)
EMULATED_ATOMIC_INTEGERS(atomicAdd, old + value)
EMULATED_ATOMIC_INTEGERS(atomicExch, value)
EMULATED_ATOMIC_INTEGERS(atomicAnd, old & value)
EMULATED_ATOMIC_INTEGERS(atomicOr, old | value)
EMULATED_ATOMIC_INTEGERS(atomicXor, old ^ value)
EMULATED_ATOMIC_INTEGERS(atomicMin, value < old ? value : old)
EMULATED_ATOMIC_INTEGERS(atomicMax, value > old ? value : old)
EMULATED_ATOMIC(atomicMin, long long, value < old ? value : old)
EMULATED_ATOMIC(atomicMax, long long, value > old ? value : old)
EMULATED_ATOMIC(atomicSub, int, old - value)
EMULATED_ATOMIC(atomicSub, unsigned int, old - value)
EMULATED_ATOMIC(atomicInc, unsigned int, old >= value ? 0 : old + 1)
EMULATED_ATOMIC(atomicDec, unsigned int, old == 0 || old > value ? value : old - 1)
EMULATED_ATOMIC(atomicExch, float, value)
EMULATED_ATOMIC(atomicAdd, float, old + value)
EMULATED_ATOMIC(atomicAdd, double, old + value)
EMULATED_ATOMIC(atomicAdd, __half, old + value)
EMULATED_ATOMIC(atomicAdd, __nv_bfloat16, old + value)
#undef EMULATED_ATOMIC_INTEGERS
#undef EMULATED_ATOMIC

#define EMULATED_CAS(TYPE) \
    inline TYPE atomicCAS(TYPE *address, TYPE compare, TYPE value) { \
        TYPE old = *address; \
        if (old == compare) *address = value; \
        return old; \
    }
EMULATED_CAS(int)
EMULATED_CAS(unsigned int)
EMULATED_CAS(unsigned long long)
EMULATED_CAS(unsigned short)
#undef EMULATED_CAS

inline void __nanosleep(unsigned int) {}
inline void __trap() { __builtin_trap(); }
inline long long clock64() { return __builtin_ia32_rdtsc(); }
