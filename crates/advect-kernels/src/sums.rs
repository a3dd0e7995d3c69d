//! Sums over slices, in lanes, so that they are vector instructions and lose little to rounding.

use crate::Float;

/// Partial sums; a multiple of every vector's lanes.
const LANES: usize = 32;

/// The sum of `f` over the elements of a slice, in the type of `f`.
#[inline(always)]
pub(crate) fn sum<T: Float, U: Float>(x: &[T], zero: U, f: impl Fn(T) -> U) -> U {
    let mut sums = [zero; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f(*x);
    }
    fold(sums, |a, b| a + b)
}

/// The sums of two functions over pairs of elements.
#[inline(always)]
pub(crate) fn sum_pairs<T: Float>(x: &[T], y: &[T], f: impl Fn(T, T) -> [T; 2]) -> [T; 2] {
    let mut sums = [[T::ZERO; LANES]; 2];
    let (xs, ys) = (x.chunks_exact(LANES), y[..x.len()].chunks_exact(LANES));
    let rest = xs.remainder().iter().zip(ys.remainder());
    for (x, y) in xs.zip(ys) {
        for i in 0..LANES {
            let [a, b] = f(x[i], y[i]);
            sums[0][i] += a;
            sums[1][i] += b;
        }
    }
    for (i, (x, y)) in rest.enumerate() {
        let [a, b] = f(*x, *y);
        sums[0][i] += a;
        sums[1][i] += b;
    }
    sums.map(|sums| fold(sums, |a, b| a + b))
}

/// The largest element; −∞ without elements. A NaN may be passed over.
#[inline(always)]
pub(crate) fn maximum<T: Float>(x: &[T]) -> T {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let lowest = T::of(f64::NEG_INFINITY);
    let mut lanes = [lowest; LANES];
    let chunks = x.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, *x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, *x);
    }
    fold(lanes, larger)
}

/// Folds the lanes pairwise.
#[inline(always)]
fn fold<T: Float>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = f(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}
