//! Learning rates as functions of the step.
//!
//! | schedule | rate |
//! | --- | --- |
//! | [`WarmupCosine`] | rises linearly, then falls along half a cosine |
//! | [`CosineRestarts`] | falls along half a cosine, again and again |
//! | [`InverseSquareRoot`] | rises linearly, then falls as `1/√k` |
//! | [`WarmedUp`] | another one, with a linear warm-up |
//! | [`Sequence`] | one after the other; constant by pieces |
//! | any `f64` | itself |
//! | [`learning_rate_fn`] | a closure on the step |

mod cosine_restarts;
mod inverse_square_root;
mod sequence;
mod warmed_up;
mod warmup_cosine;

use advect_core::{FromFn, forward_to};

pub use cosine_restarts::CosineRestarts;
pub use inverse_square_root::InverseSquareRoot;
pub use sequence::Sequence;
pub use warmed_up::WarmedUp;
pub use warmup_cosine::WarmupCosine;

/// The learning rate at each step, counted from 0.
///
/// ```
/// use advect_train::learning_rate::{LearningRate, learning_rate_fn};
/// let halved = learning_rate_fn(|step| 1e-3 * 0.5f64.powi((step / 1000) as i32));
/// assert_eq!(halved.at(1500), 5e-4);
/// assert_eq!((1e-3).at(1500), 1e-3);
/// assert_eq!(halved.end(), None);
/// ```
#[doc(alias = "scheduler")]
#[doc(alias = "LRScheduler")]
#[doc(alias = "lr")]
pub trait LearningRate {
    /// Returns the rate at step `step`.
    fn at(&self, step: usize) -> f64;

    /// Returns the number of steps that the schedule is meant for, if it is limited. A trainer that continues beyond
    /// them says so in its [`StepReport`](crate::StepReport).
    fn end(&self) -> Option<usize> {
        None
    }
}

forward_to!([] LearningRate {
    fn at(&self, step: usize) -> f64;
    fn end(&self) -> Option<usize>;
});

impl LearningRate for f64 {
    fn at(&self, _: usize) -> f64 {
        *self
    }
}

impl<F: Fn(usize) -> f64> LearningRate for FromFn<F> {
    fn at(&self, step: usize) -> f64 {
        (self.0)(step)
    }
}

/// Creates a [`LearningRate`] from a closure on the number of the step.
#[doc(alias = "LambdaLR")]
pub fn learning_rate_fn<F: Fn(usize) -> f64>(f: F) -> FromFn<F> {
    FromFn(f)
}
