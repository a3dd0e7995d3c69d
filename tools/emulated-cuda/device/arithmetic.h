// CUDA's functions of numbers: intrinsics, and what the C library of the host hasn't.
#pragma once

// --- Bits ---

template <typename To, typename From> inline To emulated_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "of one size");
    To result;
    memcpy(&result, &value, sizeof result);
    return result;
}
inline int __float_as_int(float x) { return emulated_bits<int>(x); }
inline unsigned int __float_as_uint(float x) { return emulated_bits<unsigned int>(x); }
inline float __int_as_float(int x) { return emulated_bits<float>(x); }
inline float __uint_as_float(unsigned int x) { return emulated_bits<float>(x); }
inline long long __double_as_longlong(double x) { return emulated_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return emulated_bits<double>(x); }
inline int __double2hiint(double x) { return int(emulated_bits<unsigned long long>(x) >> 32); }
inline int __double2loint(double x) { return int(emulated_bits<unsigned long long>(x)); }
inline double __hiloint2double(int high, int low) {
    return emulated_bits<double>((unsigned long long)(unsigned int)high << 32 | (unsigned int)low);
}
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll(x) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline unsigned int __brev(unsigned int x) {
    unsigned int result = 0;
    for (int bit = 0; bit < 32; bit++) result |= (x >> bit & 1) << (31 - bit);
    return result;
}
inline unsigned long long __brevll(unsigned long long x) {
    return (unsigned long long)__brev((unsigned int)x) << 32 | __brev((unsigned int)(x >> 32));
}
// Four of the eight bytes of two numbers, chosen by the lower three bits of each digit.
inline unsigned int __byte_perm(unsigned int low, unsigned int high, unsigned int choice) {
    const uint64_t bytes = uint64_t(high) << 32 | low;
    unsigned int result = 0;
    for (int place = 0; place < 4; place++) result |= unsigned(bytes >> (choice >> 4 * place & 7) * 8 & 0xff) << 8 * place;
    return result;
}
inline unsigned int __funnelshift_l(unsigned int low, unsigned int high, unsigned int by) {
    return unsigned(((uint64_t(high) << 32 | low) << (by & 31)) >> 32);
}
inline unsigned int __funnelshift_r(unsigned int low, unsigned int high, unsigned int by) {
    return unsigned((uint64_t(high) << 32 | low) >> (by & 31));
}
inline unsigned int __umulhi(unsigned int a, unsigned int b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline long long __mul64hi(long long a, long long b) { return (long long)((__int128)a * b >> 64); }
inline int __mul24(int a, int b) { return int(int64_t(a << 8 >> 8) * (b << 8 >> 8)); }

// --- Arithmetic rounded to the nearest ---

#define EMULATED_BINARY(NAME, TYPE, EXPRESSION) \
    inline TYPE NAME(TYPE a, TYPE b) { return EXPRESSION; }
EMULATED_BINARY(__fadd_rn, float, a + b)
EMULATED_BINARY(__fsub_rn, float, a - b)
EMULATED_BINARY(__fmul_rn, float, a *b)
EMULATED_BINARY(__fdiv_rn, float, a / b)
EMULATED_BINARY(__fdividef, float, a / b)
EMULATED_BINARY(__dadd_rn, double, a + b)
EMULATED_BINARY(__dsub_rn, double, a - b)
EMULATED_BINARY(__dmul_rn, double, a *b)
EMULATED_BINARY(__ddiv_rn, double, a / b)
#undef EMULATED_BINARY
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return __builtin_fma(a, b, c); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frsqrt_rn(float x) { return float(1.0 / sqrt(double(x))); }
inline double __drcp_rn(double x) { return 1.0 / x; }
inline double __dsqrt_rn(double x) { return sqrt(x); }
inline float __saturatef(float x) { return x >= 0.0f ? (x <= 1.0f ? x : 1.0f) : 0.0f; }

// --- Conversions: to integers they saturate, and what isn't a number is 0 ---

template <typename To, typename From> inline To emulated_to_integer(From x) {
    if (x != x) return 0;
    const From low = From(std::is_signed<To>::value ? -ldexp(1.0, sizeof(To) * 8 - 1) : 0.0);
    const From high = From(ldexp(1.0, sizeof(To) * 8 - (std::is_signed<To>::value ? 1 : 0)));
    if (x <= low) return std::is_signed<To>::value ? To(To(1) << (sizeof(To) * 8 - 1)) : 0;
    if (x >= high) return To(std::is_signed<To>::value ? ~(To(1) << (sizeof(To) * 8 - 1)) : ~To(0));
    return To(x);
}
#define EMULATED_TO_INTEGER(NAME, FROM, TO) \
    inline TO NAME##_rn(FROM x) { return emulated_to_integer<TO>(rint(x)); } \
    inline TO NAME##_rz(FROM x) { return emulated_to_integer<TO>(trunc(x)); } \
    inline TO NAME##_rd(FROM x) { return emulated_to_integer<TO>(floor(x)); } \
    inline TO NAME##_ru(FROM x) { return emulated_to_integer<TO>(ceil(x)); }
EMULATED_TO_INTEGER(__float2int, float, int)
EMULATED_TO_INTEGER(__float2uint, float, unsigned int)
EMULATED_TO_INTEGER(__float2ll, float, long long)
EMULATED_TO_INTEGER(__float2ull, float, unsigned long long)
EMULATED_TO_INTEGER(__double2int, double, int)
EMULATED_TO_INTEGER(__double2uint, double, unsigned int)
EMULATED_TO_INTEGER(__double2ll, double, long long)
EMULATED_TO_INTEGER(__double2ull, double, unsigned long long)
#undef EMULATED_TO_INTEGER
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned int x) { return float(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __ull2float_rn(unsigned long long x) { return float(x); }
inline double __int2double_rn(int x) { return x; }
inline double __uint2double_rn(unsigned int x) { return x; }
inline double __ll2double_rn(long long x) { return double(x); }
inline double __ull2double_rn(unsigned long long x) { return double(x); }
inline float __double2float_rn(double x) { return float(x); }

// --- Functions. The quick ones are as exact as the others here ---

inline float __expf(float x) { return expf(x); }
inline float __exp10f(float x) { return exp10f(x); }
inline float __logf(float x) { return logf(x); }
inline float __log2f(float x) { return log2f(x); }
inline float __log10f(float x) { return log10f(x); }
inline float __sinf(float x) { return sinf(x); }
inline float __cosf(float x) { return cosf(x); }
inline float __tanf(float x) { return tanf(x); }
inline float __powf(float x, float y) { return powf(x, y); }
inline void __sincosf(float x, float *sine, float *cosine) { *sine = sinf(x), *cosine = cosf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }
inline float rsqrtf(float x) { return float(1.0 / sqrt(double(x))); }
inline double rcbrt(double x) { return 1.0 / cbrt(x); }
inline float rcbrtf(float x) { return float(1.0 / cbrt(double(x))); }
inline double normcdf(double x) { return 0.5 * erfc(-x * M_SQRT1_2); }
inline float normcdff(float x) { return float(normcdf(double(x))); }

inline float fdividef(float a, float b) { return a / b; }

// The root of Winitzki's approximation, then Newton's steps until it is exact.
inline double erfinv(double y) {
    if (!(fabs(y) < 1.0)) return fabs(y) == 1.0 ? copysign(INFINITY, y) : NAN;
    const double log = ::log1p(-y * y), half = 2.0 / (M_PI * 0.147) + 0.5 * log;
    double x = copysign(sqrt(sqrt(half * half - log / 0.147) - half), y);
    for (int step = 0; step < 4; step++) x -= (erf(x) - y) / (M_2_SQRTPI * exp(-x * x));
    return x;
}
inline float erfinvf(float y) { return float(erfinv(double(y))); }
inline double normcdfinv(double p) { return M_SQRT2 * erfinv(2.0 * p - 1.0); }
inline float normcdfinvf(float p) { return float(normcdfinv(double(p))); }

// By quarters of a turn, so that whole and half ones are exact.
inline void sincospi(double x, double *sine, double *cosine) {
    double quarters = rint(2.0 * x), rest = M_PI * (x - 0.5 * quarters), s = sin(rest), c = cos(rest);
    switch (int(fmod(quarters, 4.0)) & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}
inline double sinpi(double x) { double s, c; return sincospi(x, &s, &c), s; }
inline double cospi(double x) { double s, c; return sincospi(x, &s, &c), c; }
inline float sinpif(float x) { return float(sinpi(double(x))); }
inline float cospif(float x) { return float(cospi(double(x))); }
inline void sincospif(float x, float *sine, float *cosine) {
    double s, c;
    sincospi(double(x), &s, &c);
    *sine = float(s), *cosine = float(c);
}

// --- Of two types at once, as in CUDA's headers ---

template <typename A, typename B, typename = std::enable_if_t<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value>>
inline std::common_type_t<A, B> min(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point<T>::value) return std::fmin(T(a), T(b));
    else return T(b) < T(a) ? T(b) : T(a);
}
template <typename A, typename B, typename = std::enable_if_t<std::is_arithmetic<A>::value && std::is_arithmetic<B>::value>>
inline std::common_type_t<A, B> max(A a, B b) {
    using T = std::common_type_t<A, B>;
    if constexpr (std::is_floating_point<T>::value) return std::fmax(T(a), T(b));
    else return T(a) < T(b) ? T(b) : T(a);
}

template <typename T> inline T __ldg(const T *address) { return *address; }
template <typename T> inline T __ldcs(const T *address) { return *address; }
template <typename T> inline T __ldcg(const T *address) { return *address; }
template <typename T> inline void __stcs(T *address, T value) { *address = value; }
template <typename T> inline void __stcg(T *address, T value) { *address = value; }
