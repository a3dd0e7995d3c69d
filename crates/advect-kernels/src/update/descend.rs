//! A step along a direction.

use super::formula::{Formula, apply};
use crate::{Float, Threads};

struct Descent {
    decay: f64,
    rate: f64,
}

impl Formula<1> for Descent {
    #[inline(always)]
    fn run<T: Float>(&self, [value]: [&mut [T]; 1], direction: &[T]) {
        let (decay, rate) = (T::of(self.decay), T::of(self.rate));
        for (value, d) in value.iter_mut().zip(direction) {
            *value = decay * *value - rate * *d;
        }
    }
}

pub(super) fn descend<T: Float>(
    threads: &dyn Threads,
    variables: [&mut [T]; 1],
    direction: &[T],
    decay: f64,
    rate: f64,
) {
    apply(threads, variables, direction, &Descent { decay, rate });
}
