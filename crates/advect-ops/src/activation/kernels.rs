//! Activation functions of slices.

use pulp::{Simd, WithSimd};

use super::{Activation, Pointwise, by_activation};
use crate::cpu::{Float, Unwritten, dispatch, fill, vectorize};

/// The function, or a derivative of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Value,
    Slope,
    Curvature,
}

impl Activation {
    /// Replaces each element by its value.
    #[inline(always)]
    pub(crate) fn values<S: Simd, T: Float>(self, simd: S, x: &mut [T]) {
        vectorize(simd, ToValues(self, x));
    }

    /// Replaces each element by the slope at it.
    #[inline(always)]
    pub(crate) fn slopes<S: Simd, T: Float>(self, simd: S, x: &mut [T]) {
        vectorize(simd, ToSlopes(self, x));
    }

    /// Multiplies by the slope where the value is `y`; where it [follows](Self::slope_follows_from_value).
    #[inline(always)]
    pub(crate) fn scale_by_slope_at_value<S: Simd, T: Float>(
        self,
        simd: S,
        delta: &mut [T],
        y: &[T],
    ) {
        vectorize(simd, TimesSlope(self, delta, y));
    }
}

struct ToValues<'a, T>(Activation, &'a mut [T]);
struct ToSlopes<'a, T>(Activation, &'a mut [T]);
struct ToCurvatures<'a, T>(Activation, &'a mut [T]);
struct TimesSlope<'a, T>(Activation, &'a mut [T], &'a [T]);

impl<T: Float> WithSimd for ToValues<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for x in self.1 {
                *x = A::value::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for ToSlopes<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for x in self.1 {
                *x = A::slope::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for ToCurvatures<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            for x in self.1 {
                *x = A::curvature::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for TimesSlope<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_activation!(self.0, A => {
            if A::SLOPE_FOLLOWS {
                for (d, y) in self.1.iter_mut().zip(self.2) {
                    *d *= A::slope_at_value::<S, T>(*y);
                }
            }
        });
    }
}

/// The function, or a derivative of it, of each element, times the elements of some factors of the same length.
pub(super) fn elements<T: Float>(
    activation: Activation,
    order: Order,
    x: &[T],
    factors: &[&[T]],
) -> Vec<T> {
    assert!(factors.iter().all(|factor| factor.len() == x.len()));
    let cost = by_activation!(activation, A => A::COST);
    let cost = if order == Order::Value {
        cost
    } else {
        2 * cost
    };
    let pieces = std::iter::repeat_n((), x.len().div_ceil(PIECE));
    fill(x.len(), PIECE, pieces, x.len() * cost / 10, |i, out, ()| {
        let first = i * PIECE;
        let kernel = Elements {
            activation,
            order,
            x,
            factors,
            first,
            out,
        };
        dispatch(kernel)
    })
}

/// Elements in a piece of work.
const PIECE: usize = 4096;
/// Elements that stay in the first-level cache.
const RUN: usize = 512;

struct Elements<'a, 'b, T> {
    activation: Activation,
    order: Order,
    x: &'a [T],
    factors: &'a [&'a [T]],
    /// The first element.
    first: usize,
    out: Unwritten<'b, T>,
}

impl<'b, T: Float> WithSimd for Elements<'_, 'b, T> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> &'b mut [T] {
        self.out.write_runs(RUN, |i, out| {
            let start = self.first + i * RUN;
            let range = start..start + out.len();
            let x = &self.x[range.clone()];
            let out = out.copied(x);
            match self.order {
                Order::Value => vectorize(simd, ToValues(self.activation, out)),
                Order::Slope => vectorize(simd, ToSlopes(self.activation, out)),
                Order::Curvature => vectorize(simd, ToCurvatures(self.activation, out)),
            }
            for factor in self.factors {
                for (out, factor) in out.iter_mut().zip(&factor[range.clone()]) {
                    *out *= *factor;
                }
            }
            out
        })
    }
}
