//! Decays of averages as functions of the step.
//!
//! | schedule | decay |
//! | --- | --- |
//! | [`Warmup`] | `(1 + n) / (10 + n)` at step n, at most a given one |
//! | any `f64` | itself |
//! | any `Fn(usize) -> f64` | its value |

mod warmup;

pub use warmup::Warmup;

/// The decay of an average at each step, counted from 0.
///
/// ```
/// use advect_train::decay::Decay;
/// let late = |step: usize| if step < 1000 { 0.0 } else { 0.999 }; // begins after 1000 steps
/// assert_eq!((late.at(999), late.at(1000)), (0.0, 0.999));
/// assert_eq!(0.99f64.at(7), 0.99);
/// ```
pub trait Decay {
    /// The decay of step `step`, in [0, 1): 0 makes the average the value itself.
    fn at(&self, step: usize) -> f64;
}

impl Decay for f64 {
    fn at(&self, _: usize) -> f64 {
        *self
    }
}

impl<F: Fn(usize) -> f64> Decay for F {
    fn at(&self, step: usize) -> f64 {
        self(step)
    }
}
