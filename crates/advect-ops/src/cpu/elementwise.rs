//! Functions applied to each element, or to elements of two or three slices together.

use pulp::{Arch, Simd, WithSimd};

use super::{Float, Unwritten, fill};

/// A function of `N` numbers.
pub(crate) trait Function<T, const N: usize>: Copy + Send + Sync {
    /// About how many tenths of a nanosecond an element takes.
    const COST: usize;
    fn call<S: Simd>(self, x: [T; N]) -> T;
}

/// Elements in a piece of work.
const PIECE: usize = 4096;

struct Loop<'a, 'b, T, F, const N: usize> {
    f: F,
    inputs: [&'a [T]; N],
    out: Unwritten<'b, T>,
}

impl<'b, T: Float, F: Function<T, N>, const N: usize> WithSimd for Loop<'_, 'b, T, F, N> {
    type Output = &'b mut [T];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> &'b mut [T] {
        let n = self.out.len();
        let inputs = self.inputs.map(|x| &x[..n]);
        self.out.write(|i| {
            let mut x = [T::ZERO; N];
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = input[i];
            }
            self.f.call::<S>(x)
        })
    }
}

/// `f` of the elements of slices of one length.
pub(crate) fn map<T: Float, F: Function<T, N>, const N: usize>(f: F, inputs: [&[T]; N]) -> Vec<T> {
    let n = inputs[0].len();
    assert!(inputs.iter().all(|x| x.len() == n));
    let pieces = std::iter::repeat_n((), n.div_ceil(PIECE));
    fill(n, PIECE, pieces, n * F::COST / 10, |i, out, ()| {
        let inputs = inputs.map(|x| &x[i * PIECE..][..out.len()]);
        Arch::new().dispatch(Loop { f, inputs, out })
    })
}
