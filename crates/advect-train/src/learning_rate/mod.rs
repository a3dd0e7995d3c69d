//! Learning rates as functions of the step.
//!
//! | schedule | rate |
//! | --- | --- |
//! | [`WarmupCosine`] | rises linearly, then falls along half a cosine |
//! | any `Fn(usize) -> f64` | itself; a constant is `\|_\| 1e-3` |

mod warmup_cosine;

pub use warmup_cosine::WarmupCosine;

/// The learning rate of each step, counted from 0.
///
/// ```
/// use advect_train::learning_rate::LearningRate;
/// let halved = |step: usize| 1e-3 * 0.5f64.powi((step / 1000) as i32);
/// assert_eq!(halved.at(1500), 5e-4);
/// assert_eq!(halved.end(), None);
/// ```
pub trait LearningRate {
    /// The rate of step `step`.
    fn at(&self, step: usize) -> f64;

    /// The number of steps that the schedule is made for, if there is one: a trainer that goes on beyond them says so in
    /// its [`StepReport`](crate::StepReport).
    fn end(&self) -> Option<usize> {
        None
    }
}

impl<F: Fn(usize) -> f64> LearningRate for F {
    fn at(&self, step: usize) -> f64 {
        self(step)
    }
}
