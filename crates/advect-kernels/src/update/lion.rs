//! A step of Lion in one pass.

use super::formula::{Formula, apply};
use crate::{Float, Threads};

/// The numbers of one step of Lion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionRates {
    /// The factor `1 − η λ` by which the parameters decay.
    pub decay: f64,
    /// The learning rate η.
    pub rate: f64,
    /// The factor β₁ of the momentum in the direction.
    pub beta1: f64,
    /// The factor β₂ of the momentum in the next momentum.
    pub beta2: f64,
}

impl Formula<2> for LionRates {
    #[inline(always)]
    fn run<T: Float>(&self, [value, momentum]: [&mut [T]; 2], gradient: &[T]) {
        let (decay, rate) = (T::of(self.decay), T::of(self.rate));
        let (b1, c1) = (T::of(self.beta1), T::of(1.0 - self.beta1));
        let (b2, c2) = (T::of(self.beta2), T::of(1.0 - self.beta2));
        for ((value, momentum), g) in value.iter_mut().zip(momentum).zip(gradient) {
            let direction = b1 * *momentum + c1 * *g;
            let up = if direction > T::ZERO { rate } else { T::ZERO };
            let down = if direction < T::ZERO { rate } else { T::ZERO };
            *value = decay * *value - (up - down);
            *momentum = b2 * *momentum + c2 * *g;
        }
    }
}

pub(super) fn lion<T: Float>(
    threads: &dyn Threads,
    variables: [&mut [T]; 2],
    gradient: &[T],
    rates: &LionRates,
) {
    apply(threads, variables, gradient, rates);
}
