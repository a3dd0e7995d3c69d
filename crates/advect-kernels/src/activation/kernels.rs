//! Activation functions of slices.

use pulp::{Simd, WithSimd};

use super::pointwise::Pointwise;
use super::{Function, by_function};
use crate::{Float, Threads, Unwritten, dispatch, fill, kernels, vectorize};

/// The function, or a derivative of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The function itself.
    Value,
    /// The first derivative.
    Slope,
    /// The second derivative.
    Curvature,
}

impl Function {
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

    /// Replaces each element by its value, and writes the slopes at them: what both need is computed once.
    #[inline(always)]
    pub(crate) fn values_and_slopes<S: Simd, T: Float>(
        self,
        simd: S,
        x: &mut [T],
        slopes: &mut [T],
    ) {
        vectorize(simd, ToBoth(self, x, slopes));
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

struct ToValues<'a, T>(Function, &'a mut [T]);
struct ToSlopes<'a, T>(Function, &'a mut [T]);
struct ToBoth<'a, T>(Function, &'a mut [T], &'a mut [T]);
struct TimesSlope<'a, T>(Function, &'a mut [T], &'a [T]);

impl<T: Float> WithSimd for ToValues<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_function!(self.0, A => {
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
        by_function!(self.0, A => {
            for x in self.1 {
                *x = A::slope::<S, T>(*x);
            }
        });
    }
}

impl<T: Float> WithSimd for ToBoth<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_function!(self.0, A => {
            for (x, slope) in self.1.iter_mut().zip(self.2) {
                // (Read once, so that what both have in common is computed once.)
                let argument = *x;
                *slope = A::slope::<S, T>(argument);
                *x = A::value::<S, T>(argument);
            }
        });
    }
}

/// Values, slopes or curvatures written elsewhere: one pass, in which arithmetic overlaps with memory.
struct Values<'a, 'b, T>(Function, &'a [T], Unwritten<'b, T>);
struct Slopes<'a, 'b, T>(Function, &'a [T], Unwritten<'b, T>);
struct Curvatures<'a, 'b, T>(Function, &'a [T], Unwritten<'b, T>);

macro_rules! elsewhere {
    ($kernel:ident, $method:ident) => {
        impl<'b, T: Float> WithSimd for $kernel<'_, 'b, T> {
            type Output = &'b mut [T];

            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
                let x = &self.1[..self.2.len()];
                by_function!(self.0, A => self.2.write(|i| A::$method::<S, T>(x[i])))
            }
        }
    };
}
elsewhere!(Values, value);
elsewhere!(Slopes, slope);
elsewhere!(Curvatures, curvature);

impl<T: Float> WithSimd for TimesSlope<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        by_function!(self.0, A => {
            if A::SLOPE_FOLLOWS {
                for (d, y) in self.1.iter_mut().zip(self.2) {
                    *d *= A::slope_at_value::<S, T>(*y);
                }
            }
        });
    }
}

/// The elements times those of a factor.
struct Times<'a, T>(&'a mut [T], &'a [T]);

impl<T: Float> WithSimd for Times<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (x, factor) in self.0.iter_mut().zip(self.1) {
            *x *= *factor;
        }
    }
}

kernels! {
    /// The kernels of activation functions.
    pub trait Activations {
        /// Returns the function, or a derivative of it, of each element, times the elements of some factors of the same
        /// length.
        fn elements(
            threads: &dyn Threads,
            function: Function,
            order: Order,
            x: &[Self],
            factors: &[&[Self]],
        ) -> Vec<Self>;
    }
}

fn elements<T: Float>(
    threads: &dyn Threads,
    function: Function,
    order: Order,
    x: &[T],
    factors: &[&[T]],
) -> Vec<T> {
    assert!(factors.iter().all(|factor| factor.len() == x.len()));
    let cost = by_function!(function, A => A::COST);
    let cost = if order == Order::Value {
        cost
    } else {
        2 * cost
    };
    let pieces = std::iter::repeat_n((), x.len().div_ceil(PIECE));
    let time = x.len() * cost / 10;
    fill(threads, x.len(), PIECE, pieces, time, |i, out, ()| {
        let first = i * PIECE;
        let kernel = Elements {
            function,
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
    function: Function,
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
            let out = match self.order {
                Order::Value => vectorize(simd, Values(self.function, x, out)),
                Order::Slope => vectorize(simd, Slopes(self.function, x, out)),
                Order::Curvature => vectorize(simd, Curvatures(self.function, x, out)),
            };
            for factor in self.factors {
                vectorize(simd, Times(out, &factor[range.clone()]));
            }
            out
        })
    }
}
