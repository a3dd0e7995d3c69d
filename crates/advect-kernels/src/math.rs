//! Elementary functions without branches, so that loops over them become vector instructions.
//!
//! Errors, in units in the last place of f32 (measured over all exponents, see the tests): exp 2, expm1 3, tanh 4,
//! sigmoid 3, ln(1 + e^x) 3, Φ 4. Those of f64 are within 4 ulp too. NaN stays NaN.
//!
//! The argument of exp is reduced as by Cody and Waite (1980): `x = n ln 2 + r` with `|r| ≤ ln 2 / 2`. The normal
//! distribution function follows the form of Shepherd and Laframboise (1981): `(1 + u) e^(u²/2) Φ(−u)` is a
//! polynomial in `(u − a) / (u + a)`. All polynomials interpolate at Chebyshev nodes, and were fitted for this file.

use pulp::Simd;

/// `1 / √(2π)`.
const INV_SQRT_TAU: f64 = 0.398_942_280_401_432_7;

/// Elementary functions of numbers, inlined for the instruction set of `S`.
pub trait Math: Sized {
    /// Returns `a b + c`, fused if that is an instruction.
    fn madd<S: Simd>(self, b: Self, c: Self) -> Self;
    /// Returns `e^x`, with gradual underflow.
    fn exp<S: Simd>(self) -> Self;
    /// Returns `e^x − 1` for x not above 0.
    fn expm1_below<S: Simd>(self) -> Self;
    /// Returns `tanh x`.
    fn tanh<S: Simd>(self) -> Self;
    /// Returns `(σ(x), 1 − σ(x))` with `σ(x) = 1 / (1 + e^(−x))`, each to full relative precision.
    fn sigmoids<S: Simd>(self) -> (Self, Self);
    /// Returns `ln(1 + e^x)`.
    fn softplus<S: Simd>(self) -> Self;
    /// Returns `(Φ(x), φ(x))`: the distribution function and the density of N(0, 1).
    fn normal<S: Simd>(self) -> (Self, Self);
}

/// Horner's rule, from the lowest coefficient to the highest.
macro_rules! polynomial {
    ($s:ident, $x:expr; $last:expr) => { $last };
    ($s:ident, $x:expr; $first:expr, $($rest:expr),+) => {
        Math::madd::<$s>($x, polynomial!($s, $x; $($rest),+), $first)
    };
}

macro_rules! math {
    (
        $type:ident, $bits:ident, mantissa: $mantissa:literal, bias: $bias:literal, magic: $magic:literal,
        ln2: ($ln2_hi:literal, $ln2_lo:literal), exp: ($lowest:literal, $highest:literal), below: $below:literal,
        split: $mask:literal, tail: ($tail:literal, $centre:literal),
        expm1: [$($expm1:literal),*], exp2m1: [$($exp2m1:literal),*], log1p: [$($log1p:literal),*], mills: [$($mills:literal),*]
    ) => {
        const MAGIC: $type = $magic;

        /// `x + low = n ln 2 + r`; returns n, plus twice the exponent's bias, and r.
        #[inline(always)]
        fn reduce<S: Simd>(x: $type, low: $type) -> ($bits, $type) {
            // Adding the large number leaves the rounded quotient in the lowest bits.
            let t = x.madd::<S>(std::f64::consts::LOG2_E as $type, MAGIC);
            let n = t - MAGIC;
            let r = n.madd::<S>(-$ln2_lo, n.madd::<S>(-$ln2_hi, x) + low);
            (t.to_bits().wrapping_sub(MAGIC.to_bits() - 2 * $bias), r)
        }

        /// `e^r − 1` for `|r| ≤ ln 2 / 2`.
        #[inline(always)]
        fn expm1_reduced<S: Simd>(r: $type) -> $type {
            (r * r).madd::<S>(polynomial!(S, r; $($expm1),*), r)
        }

        /// `e^(x + low)` for a `low` of little size.
        #[inline(always)]
        fn exp_sum<S: Simd>(x: $type, low: $type) -> $type {
            let x = if x < $lowest { $lowest } else { x };
            let x = if x > $highest { $highest } else { x };
            let (n, r) = reduce::<S>(x, low);
            // Two factors, so that neither over- nor underflows before the result does.
            let half = n >> 1;
            let first = <$type>::from_bits(half << $mantissa);
            let second = <$type>::from_bits(n.wrapping_sub(half) << $mantissa);
            (1.0 + expm1_reduced::<S>(r)) * first * second
        }

        impl Math for $type {
            #[inline(always)]
            fn madd<S: Simd>(self, b: Self, c: Self) -> Self {
                // Without the instruction mul_add calls a slow function, and WebAssembly has none.
                let fused = !S::IS_SCALAR && !cfg!(target_family = "wasm");
                if fused { self.mul_add(b, c) } else { self * b + c }
            }

            #[inline(always)]
            fn exp<S: Simd>(self) -> Self {
                exp_sum::<S>(self, 0.0)
            }

            #[inline(always)]
            fn expm1_below<S: Simd>(self) -> Self {
                // At the limit e^x vanishes beside 1, and is still a normal number.
                let x = if self < $below { $below } else { self };
                // 2^(n + f) with one rounding in f = x / ln 2 − n: what that loses is multiplied by e^x, which is
                // less than 1.
                let t = x.madd::<S>(std::f64::consts::LOG2_E as $type, MAGIC);
                let f = x.madd::<S>(std::f64::consts::LOG2_E as $type, MAGIC - t);
                let exponent = t.to_bits().wrapping_sub(MAGIC.to_bits() - $bias);
                let scale = <$type>::from_bits(exponent << $mantissa);
                let p = f * polynomial!(S, f; std::f64::consts::LN_2 as $type, $($exp2m1),*);
                p.madd::<S>(scale, scale - 1.0)
            }

            #[inline(always)]
            fn tanh<S: Simd>(self) -> Self {
                let t = (-2.0 * self.abs()).expm1_below::<S>();
                (-t / (t + 2.0)).copysign(self)
            }

            #[inline(always)]
            fn sigmoids<S: Simd>(self) -> (Self, Self) {
                let e = Math::exp::<S>(-self.abs());
                let large = 1.0 / (1.0 + e);
                let small = e * large;
                if self >= 0.0 { (large, small) } else { (small, large) }
            }

            #[inline(always)]
            fn softplus<S: Simd>(self) -> Self {
                let e = Math::exp::<S>(-self.abs());
                // ln(1 + e) = 2 artanh(e / (2 + e)).
                let z = e / (2.0 + e);
                let s = z * z;
                let log1p = (z * s).madd::<S>(polynomial!(S, s; $($log1p),*), 2.0 * z);
                (if self > 0.0 { self } else { 0.0 }) + log1p
            }

            #[inline(always)]
            fn normal<S: Simd>(self) -> (Self, Self) {
                let u = self.abs();
                let u = if u > $tail { $tail } else { u };
                // u² in two parts, of which the first is exact: its error would be multiplied by u².
                let high = <$type>::from_bits(u.to_bits() & $mask);
                let low = -0.5 * (u - high) * (u + high);
                let gauss = exp_sum::<S>(-0.5 * high * high, low);
                let w = (u - $centre) / (u + $centre);
                let tail = gauss * polynomial!(S, w; $($mills),*) / (1.0 + u);
                (if self > 0.0 { 1.0 - tail } else { tail }, gauss * INV_SQRT_TAU as $type)
            }
        }
    };
}

// One digit more than needed, so that the digits don't hang on how they were rounded.
#[allow(clippy::excessive_precision)]
mod single {
    use super::*;
    math!(f32, u32, mantissa: 23, bias: 127, magic: 12582912.0, ln2: (0.693359375, -2.121_944_4e-4), exp: (-104.0, 89.0),
        below: -87.0, split: 0xffff_f000, tail: (14.5, 4.0),
        expm1: [0.5, 0.166_665_77, 0.041_666_555, 0.008_363_179, 0.001_392_618_4],
        exp2m1: [0.240_226_51, 0.055_503_81, 0.009_618_103, 0.001_338_131_2, 0.000_154_448_92],
        log1p: [0.666_666_7, 0.399_997_06, 0.285_923_58, 0.217_065_76, 0.232_243_3],
        mills: [0.472_053_2, -0.096_703_47, 0.013_999_637, 0.028_600_033, -0.032_197_815, 0.017_939_45,
            -0.005_002_140_8, -0.000_299_918_76, 0.000_690_844_86, -6.673_718_5e-5, -7.437_454_4e-5]);
}

#[allow(clippy::excessive_precision)]
mod double {
    use super::*;
    math!(f64, u64, mantissa: 52, bias: 1023, magic: 6755399441055744.0,
        ln2: (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10), exp: (-746.0, 710.0),
        below: -708.0, split: 0xffff_ffff_f800_0000, tail: (39.0, 5.0),
        expm1: [0.5, 0.166_666_666_666_666_71, 0.041_666_666_666_666_67, 0.008_333_333_333_326_135,
            0.001_388_888_888_888_374_8, 0.000_198_412_698_748_206_25, 2.480_158_732_554_774e-5,
            2.755_725_540_020_642_4e-6, 2.755_727_364_311_029_5e-7, 2.510_521_700_472_074_5e-8,
            2.091_468_696_808_687_7e-9],
        exp2m1: [0.240_226_506_959_100_7, 0.055_504_108_664_821_59, 0.009_618_129_107_628_478, 0.001_333_355_814_641_692_6,
            0.000_154_035_303_933_759_1, 1.525_273_382_985_159_6e-5, 1.321_548_680_291_159_2e-6,
            1.017_806_243_641_276_5e-7, 7.054_899_951_703_476e-9, 4.454_962_484_633_212e-10, 2.572_509_991_439_403_2e-11],
        log1p: [0.666_666_666_666_666_7, 0.400_000_000_000_000_16, 0.285_714_285_714_219_4, 0.222_222_222_233_319_87,
            0.181_818_180_860_056_56, 0.153_846_202_538_041_62, 0.133_331_769_491_381_8, 0.117_679_977_672_410_36,
            0.104_803_992_343_652_74, 0.099_420_248_965_547_35, 0.063_341_108_517_702_45, 0.152_312_626_194_289_85],
        mills: [0.461_515_829_850_037_8, -0.091_552_281_834_008_92, 0.031_030_368_425_962_878, 0.010_002_352_385_217_65,
            -0.026_401_042_966_269_308, 0.024_536_963_244_046_75, -0.015_170_415_403_223_49, 0.006_522_000_662_408_67,
            -0.001_676_072_338_036_630_2, 7.791_641_515_747_818e-6, 0.000_182_334_111_089_481_86,
            -5.360_780_542_423_559e-5, -9.895_993_842_237_887e-6, 9.060_570_084_810_618e-6,
            -7.051_696_002_027_798e-8, -1.309_105_084_273_122_3e-6, 1.279_425_138_896_220_1e-7,
            1.987_318_151_886_906_6e-7, -2.598_711_239_503_728e-8, -3.328_836_190_927_78e-8,
            3.016_147_198_052_196e-9, 5.699_777_137_868_639e-9, 2.173_901_624_167_409e-10,
            -7.027_967_115_341_447e-10, -1.585_074_031_237_790_2e-10]);
}

// Nothing in it is of interest to Miri, and what it compares with takes long to build.
#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    /// Evaluates a function with the widest instructions of the machine, and with none.
    macro_rules! on {
        ($simd:ident, $x:ident: $type:ident => $body:expr, $values:expr) => {{
            struct Call<'a>(&'a [$type]);
            impl WithSimd for Call<'_> {
                type Output = Vec<$type>;
                fn with_simd<$simd: Simd>(self, _: $simd) -> Vec<$type> {
                    self.0.iter().map(|&$x| $body).collect()
                }
            }
            let values: &[$type] = $values;
            [
                Arch::new().dispatch(Call(values)),
                Call(values).with_simd(pulp::Scalar),
            ]
        }};
    }

    /// Numbers of both signs with all exponents, and dense where functions bend.
    fn arguments() -> Vec<f32> {
        let mut x: Vec<f32> = Vec::new();
        for i in 0..40_000 {
            let t = i as f32 / 40_000.0;
            x.extend([-104.0 + 193.0 * t, -20.0 + 40.0 * t, -1.0 + 2.0 * t]);
            x.extend([
                f32::exp2(-100.0 + 106.0 * t),
                -f32::exp2(-100.0 + 106.0 * t),
            ]);
        }
        x
    }

    /// The largest error in units of the last place of the exact value.
    fn ulps(x: &[f32], y: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
        let error = |(&x, &y): (&f32, &f32)| {
            let exact = exact(f64::from(x));
            let rounded = exact as f32;
            if !rounded.is_finite() || rounded == 0.0 {
                return if y == rounded {
                    0.0
                } else {
                    f64::from((y - rounded).abs()) / 1e-45
                };
            }
            let above = f32::from_bits(rounded.to_bits() + 1);
            (f64::from(y) - exact).abs() / f64::from((above - rounded).abs())
        };
        x.iter().zip(y).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn errors_are_as_stated() {
        let x = arguments();
        let below: Vec<f32> = x.iter().map(|x| -x.abs()).collect();
        let check =
            |name: &str, x: &[f32], both: [Vec<f32>; 2], bound: f64, f: &dyn Fn(f64) -> f64| {
                for y in both {
                    let error = ulps(x, &y, f);
                    assert!(error <= bound, "{name}: {error} ulp");
                    println!("{name}: {error:.2} ulp");
                }
            };
        check(
            "exp",
            &x,
            on!(S, x: f32 => Math::exp::<S>(x), &x),
            2.0,
            &f64::exp,
        );
        check(
            "expm1",
            &below,
            on!(S, x: f32 => x.expm1_below::<S>(), &below),
            3.0,
            &f64::exp_m1,
        );
        check(
            "tanh",
            &x,
            on!(S, x: f32 => Math::tanh::<S>(x), &x),
            4.0,
            &f64::tanh,
        );
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        check(
            "sigmoid",
            &x,
            on!(S, x: f32 => x.sigmoids::<S>().0, &x),
            3.0,
            &sigmoid,
        );
        check(
            "1 - sigmoid",
            &x,
            on!(S, x: f32 => x.sigmoids::<S>().1, &x),
            3.0,
            &|x| sigmoid(-x),
        );
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        check(
            "softplus",
            &x,
            on!(S, x: f32 => x.softplus::<S>(), &x),
            3.0,
            &softplus,
        );
        let near: Vec<f32> = x.iter().copied().filter(|x| x.abs() < 13.0).collect();
        check(
            "Phi",
            &near,
            on!(S, x: f32 => x.normal::<S>().0, &near),
            4.0,
            &advect_core::normal::cdf,
        );
    }
}
