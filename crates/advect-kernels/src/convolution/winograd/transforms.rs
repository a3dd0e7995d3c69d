//! The transforms of F(4×4, 3×3) (Lavin and Gray 2016, section 4.3; points 0, ±1, ±2, ∞), of vectors of channels.

use pulp::Simd;

use crate::Float;

/// A linear map from N to M numbers; squares are transformed along both sides.
pub(super) trait Transform<const N: usize, const M: usize> {
    fn apply<S: Simd, T: Float>(simd: S, x: [T::Vector<S>; N]) -> [T::Vector<S>; M];
}

/// Bᵀ: six pixels.
pub(super) struct Pixels;
/// Aᵀ: back to four pixels.
pub(super) struct Values;
/// A: four pixels of a gradient.
pub(super) struct Gradient;
/// G: three weights.
pub(super) struct Weights;
/// Gᵀ: back to the gradient of three weights.
pub(super) struct WeightGradient;

impl Transform<6, 6> for Pixels {
    #[inline(always)]
    fn apply<S: Simd, T: Float>(simd: S, d: [T::Vector<S>; 6]) -> [T::Vector<S>; 6] {
        let number = |x: f64| T::splat(simd, T::of(x));
        let fused = |a, b, c| T::fused(simd, a, b, c);
        let (four, minus_four, minus_five) = (number(4.0), number(-4.0), number(-5.0));
        let even = fused(minus_four, d[2], d[4]);
        let odd = fused(minus_four, d[1], d[3]);
        let difference = T::minus(simd, d[4], d[2]);
        let slope = T::minus(simd, d[3], d[1]);
        [
            fused(four, d[0], fused(minus_five, d[2], d[4])),
            T::plus(simd, even, odd),
            T::minus(simd, even, odd),
            fused(number(2.0), slope, difference),
            fused(number(-2.0), slope, difference),
            fused(four, d[1], fused(minus_five, d[3], d[5])),
        ]
    }
}

impl Transform<6, 4> for Values {
    #[inline(always)]
    fn apply<S: Simd, T: Float>(simd: S, m: [T::Vector<S>; 6]) -> [T::Vector<S>; 4] {
        let number = |x: f64| T::splat(simd, T::of(x));
        let fused = |a, b, c| T::fused(simd, a, b, c);
        let (near, far) = (T::plus(simd, m[1], m[2]), T::plus(simd, m[3], m[4]));
        let (near_odd, far_odd) = (T::minus(simd, m[1], m[2]), T::minus(simd, m[3], m[4]));
        [
            T::plus(simd, m[0], T::plus(simd, near, far)),
            fused(number(2.0), far_odd, near_odd),
            fused(number(4.0), far, near),
            T::plus(simd, m[5], fused(number(8.0), far_odd, near_odd)),
        ]
    }
}

impl Transform<4, 6> for Gradient {
    #[inline(always)]
    fn apply<S: Simd, T: Float>(simd: S, g: [T::Vector<S>; 4]) -> [T::Vector<S>; 6] {
        let number = |x: f64| T::splat(simd, T::of(x));
        let fused = |a, b, c| T::fused(simd, a, b, c);
        let (even, odd) = (T::plus(simd, g[0], g[2]), T::plus(simd, g[1], g[3]));
        let far_even = fused(number(4.0), g[2], g[0]);
        let far_odd = fused(number(4.0), g[3], g[1]);
        [
            g[0],
            T::plus(simd, even, odd),
            T::minus(simd, even, odd),
            fused(number(2.0), far_odd, far_even),
            fused(number(-2.0), far_odd, far_even),
            g[3],
        ]
    }
}

impl Transform<3, 6> for Weights {
    #[inline(always)]
    fn apply<S: Simd, T: Float>(simd: S, w: [T::Vector<S>; 3]) -> [T::Vector<S>; 6] {
        let number = |x: f64| T::splat(simd, T::of(x));
        let fused = |a, b, c| T::fused(simd, a, b, c);
        let times = |a, b| T::times(simd, a, b);
        let ends = times(number(-1.0 / 6.0), T::plus(simd, w[0], w[2]));
        let far = fused(number(1.0 / 24.0), w[0], times(number(1.0 / 6.0), w[2]));
        [
            times(number(0.25), w[0]),
            fused(number(-1.0 / 6.0), w[1], ends),
            fused(number(1.0 / 6.0), w[1], ends),
            fused(number(1.0 / 12.0), w[1], far),
            fused(number(-1.0 / 12.0), w[1], far),
            w[2],
        ]
    }
}

impl Transform<6, 3> for WeightGradient {
    #[inline(always)]
    fn apply<S: Simd, T: Float>(simd: S, u: [T::Vector<S>; 6]) -> [T::Vector<S>; 3] {
        let number = |x: f64| T::splat(simd, T::of(x));
        let fused = |a, b, c| T::fused(simd, a, b, c);
        let times = |a, b| T::times(simd, a, b);
        let near = times(number(-1.0 / 6.0), T::plus(simd, u[1], u[2]));
        let far = T::plus(simd, u[3], u[4]);
        let near_odd = times(number(1.0 / 6.0), T::minus(simd, u[2], u[1]));
        [
            fused(number(0.25), u[0], fused(number(1.0 / 24.0), far, near)),
            fused(number(1.0 / 12.0), T::minus(simd, u[3], u[4]), near_odd),
            T::plus(simd, u[5], fused(number(1.0 / 6.0), far, near)),
        ]
    }
}

/// The places of the vectors of a square: the first, and the distances of rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Square {
    pub(super) first: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Square {
    /// The element after the last of a square of `side`, whose vectors are followed by `lanes` elements.
    fn end(&self, side: usize, lanes: usize) -> usize {
        self.first + (side - 1) * (self.row + self.column) + lanes
    }
}

/// Transforms a square of vectors along both sides, `lanes` channels, a multiple of the vectors' length.
#[inline(always)]
pub(super) fn transform<F: Transform<N, M>, S: Simd, T: Float, const N: usize, const M: usize>(
    simd: S,
    lanes: usize,
    (source, from): (&[T], Square),
    (out, to): (&mut [T], Square),
) {
    let step = T::lanes::<S>();
    assert!(source.len() >= from.end(N, lanes) && out.len() >= to.end(M, lanes));
    assert!(lanes.is_multiple_of(step));
    let zero = T::splat(simd, T::ZERO);
    for lane in (0..lanes).step_by(step) {
        let mut half = [[zero; N]; M];
        for j in 0..N {
            let column: [T::Vector<S>; N] = std::array::from_fn(|i| {
                let at = from.first + i * from.row + j * from.column + lane;
                // SAFETY: i and j are below N and lane + step ≤ lanes, so the end is at most the one asserted above; the
                // slice holds one vector.
                unsafe {
                    let line = source.get_unchecked(at..at + step);
                    *T::vectors::<S>(line).0.get_unchecked(0)
                }
            });
            for (half, x) in half.iter_mut().zip(F::apply::<S, T>(simd, column)) {
                half[j] = x;
            }
        }
        for (i, half) in half.into_iter().enumerate() {
            for (j, x) in F::apply::<S, T>(simd, half).into_iter().enumerate() {
                let at = to.first + i * to.row + j * to.column + lane;
                // SAFETY: i and j are below M and lane + step ≤ lanes, so the end is at most the one asserted above; the
                // slice holds one vector.
                unsafe {
                    let line = out.get_unchecked_mut(at..at + step);
                    *T::vectors_mut::<S>(line).0.get_unchecked_mut(0) = x;
                }
            }
        }
    }
}
