//! Means and variances for normalisations.

use std::borrow::Cow;

use crate::{Float, sums};

/// Numbers to be normalised, with their mean, or 0, and `1 / √(mean square + ε)`.
pub(crate) struct Moments<'a, T: Clone> {
    /// The numbers, or, where their squares overflow, their ratios to the largest of them.
    pub(crate) x: Cow<'a, [T]>,
    pub(crate) mean: T,
    pub(crate) inverse: T,
    /// `inverse` for the numbers that were given: by what gradients are multiplied.
    pub(crate) outer: T,
}

#[inline(always)]
pub(crate) fn moments<T: Float>(x: &[T], centred: bool, epsilon: T) -> Moments<'_, T> {
    let (mean, inverse) = mean_and_inverse(x, centred, epsilon);
    // The inverse of an infinite square; NaN, if parts of the mean overflowed.
    if inverse > T::ZERO {
        return Moments {
            x: Cow::Borrowed(x),
            mean,
            inverse,
            outer: inverse,
        };
    }
    let (ratios, largest) = ratios(x);
    let mut scaled = epsilon / largest / largest;
    if epsilon > T::ZERO && scaled < T::MIN_POSITIVE {
        // Negligible, but zeros are not to be divided by 0.
        scaled = T::MIN_POSITIVE;
    }
    let (mean, inverse) = mean_and_inverse(&ratios, centred, scaled);
    Moments {
        x: Cow::Owned(ratios),
        mean,
        inverse,
        outer: inverse / largest,
    }
}

#[inline(always)]
fn mean_and_inverse<T: Float>(x: &[T], centred: bool, epsilon: T) -> (T, T) {
    let count = T::of(x.len() as f64);
    let mean = match centred {
        true => sums::sum(x, T::ZERO, |x| x) / count,
        false => T::ZERO,
    };
    let squares = sums::sum(x, T::ZERO, |x| (x - mean) * (x - mean));
    (mean, T::ONE / (squares / count + epsilon).root())
}

/// The ratios of numbers to the largest of them, and its magnitude.
#[cold]
#[inline(never)]
fn ratios<T: Float>(x: &[T]) -> (Vec<T>, T) {
    let larger = |a: T, b: T| if a > b { a } else { b };
    let largest = (x.iter()).fold(T::ZERO, |largest, x| larger(largest, x.magnitude()));
    (x.iter().map(|x| *x / largest).collect(), largest)
}
