//! A step of AdamW in one pass.

use pulp::{Simd, WithSimd};

use crate::{Float, Threads, dispatch};

/// Elements in a piece of work.
const PIECE: usize = 16_384;

/// The numbers of one step of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWRates {
    /// `1 − η λ`, by which the parameters decay.
    pub decay: f64,
    /// `η / (1 − β₁ᵏ)` at the k-th step.
    pub rate: f64,
    /// `1 − β₂ᵏ` at the k-th step.
    pub correction: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
}

pub(super) fn adamw<T: Float>(
    threads: &dyn Threads,
    value: &mut [T],
    first: &mut [T],
    second: &mut [T],
    gradient: &[T],
    rates: &AdamWRates,
) {
    let tasks = (value.chunks_mut(PIECE).zip(first.chunks_mut(PIECE)))
        .zip(second.chunks_mut(PIECE).zip(gradient.chunks(PIECE)))
        .map(|((value, first), (second, gradient))| Update {
            value,
            first,
            second,
            gradient,
            rates,
        })
        .collect();
    threads.each(tasks, gradient.len(), |task: Update<'_, T>| dispatch(task));
}

struct Update<'a, T> {
    value: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    gradient: &'a [T],
    rates: &'a AdamWRates,
}

impl<T: Float> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let r = self.rates;
        let (b1, b2, epsilon) = (T::of(r.beta1), T::of(r.beta2), T::of(r.epsilon));
        let (c1, c2) = (T::of(1.0 - r.beta1), T::of(1.0 - r.beta2));
        let (decay, rate) = (T::of(r.decay), T::of(r.rate));
        let inverse = T::of(1.0 / r.correction);
        let moments = self.first.iter_mut().zip(self.second);
        for ((value, (first, second)), g) in self.value.iter_mut().zip(moments).zip(self.gradient) {
            *first = b1 * *first + c1 * *g;
            *second = b2 * *second + c2 * (*g * *g);
            *value = decay * *value - rate * *first / ((*second * inverse).root() + epsilon);
        }
    }
}
