// Functions of 16 bits that the toolkit's headers have for devices alone: as there, through f32.
#pragma once

#define EMULATED_HALF(NAME, EXPRESSION) \
    inline __half NAME(__half a) { \
        float x = __half2float(a); \
        return __float2half_rn(EXPRESSION); \
    } \
    inline __nv_bfloat16 NAME(__nv_bfloat16 a) { \
        float x = __bfloat162float(a); \
        return __float2bfloat16_rn(EXPRESSION); \
    }
EMULATED_HALF(hexp, expf(x))
EMULATED_HALF(hexp2, exp2f(x))
EMULATED_HALF(hexp10, powf(10.0f, x))
EMULATED_HALF(hlog, logf(x))
EMULATED_HALF(hlog2, log2f(x))
EMULATED_HALF(hlog10, log10f(x))
EMULATED_HALF(hsin, sinf(x))
EMULATED_HALF(hcos, cosf(x))
EMULATED_HALF(htanh, tanhf(x))
EMULATED_HALF(hsqrt, sqrtf(x))
EMULATED_HALF(hrsqrt, 1.0f / sqrtf(x))
EMULATED_HALF(hrcp, 1.0f / x)
EMULATED_HALF(hceil, ceilf(x))
EMULATED_HALF(hfloor, floorf(x))
EMULATED_HALF(htrunc, truncf(x))
EMULATED_HALF(hrint, rintf(x))
#undef EMULATED_HALF
