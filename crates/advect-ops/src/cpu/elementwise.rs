//! Functions applied to each element, or to elements of two or three slices together.

use advect_core::parallel;
use pulp::{Arch, Simd, WithSimd};

use super::Float;

/// A function of `N` numbers.
pub(crate) trait Function<T, const N: usize>: Copy + Send + Sync {
    /// About how many tenths of a nanosecond an element takes.
    const COST: usize;
    fn call<S: Simd>(self, x: [T; N]) -> T;
}

/// Elements in a piece of work.
const PIECE: usize = 4096;

struct Loop<'a, T, F, const N: usize> {
    f: F,
    inputs: [&'a [T]; N],
    out: &'a mut [T],
}

impl<T: Float, F: Function<T, N>, const N: usize> WithSimd for Loop<'_, T, F, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        for (i, out) in self.out.iter_mut().enumerate() {
            let mut x = [T::ZERO; N];
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = input[i];
            }
            *out = self.f.call::<S>(x);
        }
    }
}

struct InPlace<'a, T, F> {
    f: F,
    values: &'a mut [T],
}

impl<T: Float, F: Function<T, 1>> WithSimd for InPlace<'_, T, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.values {
            *value = self.f.call::<S>([*value]);
        }
    }
}

/// `f` of the elements of slices of one length.
pub(crate) fn map<T: Float, F: Function<T, N>, const N: usize>(f: F, inputs: [&[T]; N]) -> Vec<T> {
    let n = inputs[0].len();
    assert!(inputs.iter().all(|x| x.len() == n));
    let mut out = vec![T::ZERO; n];
    let pieces = out.chunks_mut(PIECE).enumerate().collect();
    parallel::each(pieces, n * F::COST / 10, |(i, out): (usize, &mut [T])| {
        let inputs = inputs.map(|x| &x[i * PIECE..][..out.len()]);
        Arch::new().dispatch(Loop { f, inputs, out });
    });
    out
}

/// `f` of each element, on this thread, inside of a vectorised function.
#[inline(always)]
pub(crate) fn apply<S: Simd, T: Float, F: Function<T, 1>>(f: F, values: &mut [T]) {
    for value in values {
        *value = f.call::<S>([*value]);
    }
}

/// Replaces each element by `f` of it.
#[cfg(test)]
pub(crate) fn map_in_place<T: Float, F: Function<T, 1>>(f: F, values: &mut [T]) {
    Arch::new().dispatch(InPlace { f, values });
}
