//! A step of AdamW in one pass.

use super::formula::{Formula, apply};
use crate::{Float, Threads};

/// The numbers of one step of AdamW.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWRates {
    /// The factor `1 − η λ` by which the parameters decay.
    pub decay: f64,
    /// The rate `η / (1 − β₁ᵏ)` at the k-th step.
    pub rate: f64,
    /// The correction `1 − β₂ᵏ` at the k-th step.
    pub correction: f64,
    /// The decay β₁ of the first moment.
    pub beta1: f64,
    /// The decay β₂ of the second moment.
    pub beta2: f64,
    /// The number ε, added to the root of the second moment.
    pub epsilon: f64,
}

impl Formula<3> for AdamWRates {
    #[inline(always)]
    fn run<T: Float>(&self, [value, first, second]: [&mut [T]; 3], gradient: &[T]) {
        let (b1, b2, epsilon) = (T::of(self.beta1), T::of(self.beta2), T::of(self.epsilon));
        let (c1, c2) = (T::of(1.0 - self.beta1), T::of(1.0 - self.beta2));
        let (decay, rate) = (T::of(self.decay), T::of(self.rate));
        let inverse = T::of(1.0 / self.correction);
        let moments = first.iter_mut().zip(second);
        for ((value, (first, second)), g) in value.iter_mut().zip(moments).zip(gradient) {
            *first = b1 * *first + c1 * *g;
            *second = b2 * *second + c2 * (*g * *g);
            *value = decay * *value - rate * *first / ((*second * inverse).root() + epsilon);
        }
    }
}

pub(super) fn adamw<T: Float>(
    threads: &dyn Threads,
    variables: [&mut [T]; 3],
    gradient: &[T],
    rates: &AdamWRates,
) {
    apply(threads, variables, gradient, rates);
}
