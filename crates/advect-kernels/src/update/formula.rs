//! A formula for each element of some variables and a gradient, in pieces of work.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, dispatch};

/// Elements in a piece of work.
pub(super) const PIECE: usize = 16_384;

/// A formula for each element of N variables and a gradient.
pub(super) trait Formula<const N: usize>: Sync {
    /// Changes the variables. Inlined into a function for each instruction set.
    fn run<T: Float>(&self, variables: [&mut [T]; N], gradient: &[T]);
}

/// Applies a formula to variables that are as long as the gradient.
pub(super) fn apply<T: Float, const N: usize>(
    threads: &dyn Threads,
    variables: [&mut [T]; N],
    gradient: &[T],
    formula: &impl Formula<N>,
) {
    assert!(variables.iter().all(|slice| slice.len() == gradient.len()));
    let mut rest = variables.map(|slice| slice.chunks_mut(PIECE));
    let tasks = (gradient.chunks(PIECE))
        .map(|gradient| Piece {
            variables: rest
                .each_mut()
                .map(|chunks| chunks.next().unwrap_or_default()),
            gradient,
            formula,
        })
        .collect();
    threads.each(tasks, gradient.len(), |piece: Piece<'_, T, _, N>| {
        dispatch(piece)
    });
}

struct Piece<'a, T, F, const N: usize> {
    variables: [&'a mut [T]; N],
    gradient: &'a [T],
    formula: &'a F,
}

impl<T: Float, F: Formula<N>, const N: usize> WithSimd for Piece<'_, T, F, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        self.formula.run(self.variables, self.gradient);
    }
}
