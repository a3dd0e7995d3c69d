//! Decays of averages as functions of the step.
//!
//! | schedule | decay |
//! | --- | --- |
//! | [`Warmup`] | `(1 + n) / (10 + n)` at step n, at most a given one |
//! | [`HalfLife`] | `2^(−1/h)` for a half-life h, which may grow with the steps |
//! | [`PowerFunction`] | `(1 − 1/n)^(γ + 1)`; any other width after training |
//! | any `f64` | itself |
//! | [`decay_fn`] | a closure on the step |

mod half_life;
mod power_function;
mod warmup;

use advect_core::{FromFn, forward_to};

pub use half_life::HalfLife;
pub use power_function::PowerFunction;
pub use warmup::Warmup;

/// The decay of an average at each step, counted from 0.
///
/// ```
/// use advect_train::decay::{Decay, decay_fn};
/// let late = decay_fn(|step| if step < 1000 { 0.0 } else { 0.999 }); // begins after 1000 steps
/// assert_eq!((late.at(999), late.at(1000)), (0.0, 0.999));
/// assert_eq!(0.99f64.at(7), 0.99);
/// ```
pub trait Decay {
    /// Returns the decay at step `step`, in [0, 1). A decay of 0 makes the average equal to the value.
    fn at(&self, step: usize) -> f64;
}

impl Decay for f64 {
    fn at(&self, _: usize) -> f64 {
        *self
    }
}

forward_to!([] Decay {
    fn at(&self, step: usize) -> f64;
});

impl<F: Fn(usize) -> f64> Decay for FromFn<F> {
    fn at(&self, step: usize) -> f64 {
        (self.0)(step)
    }
}

/// Creates a [`Decay`] from a closure on the number of the step.
pub fn decay_fn<F: Fn(usize) -> f64>(f: F) -> FromFn<F> {
    FromFn(f)
}
