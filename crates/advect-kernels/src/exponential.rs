//! Exponentials.

use pulp::{Simd, WithSimd};

use crate::math::Math;
use crate::{Threads, dispatch};

/// Replaces each number by `e^x`.
pub fn exponentiate(threads: &dyn Threads, x: &mut [f64]) {
    let time = x.len() * 12 / 10;
    let pieces = x.chunks_mut(PIECE).collect();
    threads.each(pieces, time, |x: &mut [f64]| dispatch(Each(x)));
}

/// Numbers in a piece of work.
const PIECE: usize = 4096;

struct Each<'a>(&'a mut [f64]);

impl WithSimd for Each<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for x in self.0 {
            *x = Math::exp::<S>(*x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Alone;

    #[test]
    fn close_to_the_standard_library() {
        for n in [0, 1, 7, if cfg!(miri) { 33 } else { 4097 }] {
            let x: Vec<f64> = (0..n).map(|i| f64::from(i) * 0.37 - 745.0).collect();
            let mut ours = x.clone();
            exponentiate(&Alone, &mut ours);
            for (y, x) in ours.into_iter().zip(&x) {
                let expected = x.exp();
                let error = (y - expected).abs();
                let bound = 2.3e-16 * expected + 5e-324;
                assert!(error <= bound || y == expected, "{x}: {y} {expected}");
            }
        }
        let mut ends = [800.0, -800.0, f64::NAN];
        exponentiate(&Alone, &mut ends);
        assert_eq!(ends[..2], [f64::INFINITY, 0.0]);
        assert!(ends[2].is_nan());
    }
}
