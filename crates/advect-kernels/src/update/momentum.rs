//! A step with momentum in one pass.

use super::formula::{Formula, apply};
use crate::{Float, Threads};

/// The numbers of one step with momentum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MomentumRates {
    /// The learning rate η.
    pub rate: f64,
    /// The factor λ, which adds `λ θ` to the gradient.
    pub decay: f64,
    /// The factor μ of the velocity before the step.
    pub momentum: f64,
    /// The factor of the gradient in the velocity: 1, or less with dampening.
    pub fresh: f64,
    /// The factor of the gradient in the direction: 0, or 1 for Nesterov's momentum.
    pub ahead: f64,
    /// The factor of the velocity in the direction: 1, or μ for Nesterov's momentum.
    pub along: f64,
}

impl Formula<2> for MomentumRates {
    #[inline(always)]
    fn run<T: Float>(&self, [value, velocity]: [&mut [T]; 2], gradient: &[T]) {
        let (rate, decay, momentum) = (T::of(self.rate), T::of(self.decay), T::of(self.momentum));
        let (fresh, ahead, along) = (T::of(self.fresh), T::of(self.ahead), T::of(self.along));
        for ((value, velocity), g) in value.iter_mut().zip(velocity).zip(gradient) {
            let g = *g + decay * *value;
            *velocity = momentum * *velocity + fresh * g;
            *value = *value - rate * (ahead * g + along * *velocity);
        }
    }
}

pub(super) fn momentum<T: Float>(
    threads: &dyn Threads,
    variables: [&mut [T]; 2],
    gradient: &[T],
    rates: &MomentumRates,
) {
    apply(threads, variables, gradient, rates);
}
