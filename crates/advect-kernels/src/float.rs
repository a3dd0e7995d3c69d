//! The two element types that the kernels know, and their vectors.

use pulp::Simd;

use crate::buffer::Shelf;
use crate::math::Math;
use crate::squares::{self, Square};

/// A floating-point type, f32 or f64, with the vectors of an instruction set.
pub trait Float:
    Math
    + Copy
    + Default
    + Send
    + Sync
    + PartialOrd
    + std::iter::Sum
    + std::fmt::Debug
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
    + 'static
{
    /// A vector register's worth of numbers.
    type Vector<S: Simd>: Copy;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;

    /// Rounds a number to this type.
    fn of(x: f64) -> Self;
    /// Returns the number exactly.
    fn to_f64(self) -> f64;
    /// `√x`.
    fn root(self) -> Self;
    /// `|x|`.
    fn magnitude(self) -> Self;
    /// Returns whether it is neither infinite nor NaN.
    fn finite(self) -> bool;

    /// Returns the shelf for buffers of this type.
    #[doc(hidden)]
    fn shelf() -> &'static Shelf<Self>;
    /// The numbers in a vector.
    fn lanes<S: Simd>() -> usize;
    /// Returns a vector of equal numbers.
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    /// `a b + c`, rounded once where the machine can.
    fn fused<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a − b`.
    fn minus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a b`.
    fn times<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// The sum of a vector's numbers.
    fn total<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
    /// Transposes a square.
    #[doc(hidden)]
    fn transposed(square: Square<Self>) -> Square<Self>;
    /// Splits a slice into whole vectors and the rest.
    fn vectors<S: Simd>(values: &[Self]) -> (&[Self::Vector<S>], &[Self]);
    /// Splits a slice into whole vectors and the rest, both mutable.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> (&mut [Self::Vector<S>], &mut [Self]);
}

macro_rules! float {
    ($type:ident, $vector:ident, $lanes:ident, $splat:ident, $fused:ident, $add:ident, $sub:ident, $mul:ident, $sum:ident, $cast:ident, $cast_mut:ident, $transposed:path) => {
        impl Float for $type {
            type Vector<S: Simd> = S::$vector;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const MIN_POSITIVE: Self = $type::MIN_POSITIVE;

            #[inline(always)]
            fn of(x: f64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn finite(self) -> bool {
                self.is_finite()
            }
            fn shelf() -> &'static Shelf<Self> {
                static SHELF: Shelf<$type> = Shelf::new();
                &SHELF
            }
            #[inline(always)]
            fn lanes<S: Simd>() -> usize {
                S::$lanes
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn fused<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$fused(a, b, c)
            }
            #[inline(always)]
            fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn minus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$sub(a, b)
            }
            #[inline(always)]
            fn times<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn total<S: Simd>(simd: S, a: S::$vector) -> Self {
                simd.$sum(a)
            }
            #[inline(always)]
            fn transposed(square: Square<Self>) -> Square<Self> {
                $transposed(square)
            }
            #[inline(always)]
            fn vectors<S: Simd>(values: &[Self]) -> (&[S::$vector], &[Self]) {
                S::$cast(values)
            }
            #[inline(always)]
            /// The whole vectors of a slice, and the rest, to be written.
            fn vectors_mut<S: Simd>(values: &mut [Self]) -> (&mut [S::$vector], &mut [Self]) {
                S::$cast_mut(values)
            }
        }
    };
}

float!(
    f32,
    f32s,
    F32_LANES,
    splat_f32s,
    mul_add_e_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    reduce_sum_f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    squares::shuffled
);
float!(
    f64,
    f64s,
    F64_LANES,
    splat_f64s,
    mul_add_e_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    reduce_sum_f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    squares::plain
);
