//! Classifier-free guidance: [`Guided`] fields, and their weights.
//!
//! | weight | |
//! | --- | --- |
//! | `f64` | the same at all times |
//! | [`GuidanceInterval`] | a given number within an interval of time, 1 elsewhere |
//! | [`guidance_fn`] | a closure on time |

mod guided;
mod interval;

use advect_core::{FromFn, forward_to};

pub use guided::Guided;
pub use interval::GuidanceInterval;

/// The weight of guidance at a time.
#[doc(alias = "guidance scale")]
pub trait GuidanceWeight {
    /// Returns the weight at time t.
    fn at(&self, t: f64) -> f64;
}

impl GuidanceWeight for f64 {
    fn at(&self, _: f64) -> f64 {
        *self
    }
}

impl<F: Fn(f64) -> f64> GuidanceWeight for FromFn<F> {
    fn at(&self, t: f64) -> f64 {
        (self.0)(t)
    }
}

forward_to!([] GuidanceWeight {
    fn at(&self, t: f64) -> f64;
});

/// Creates a [`GuidanceWeight`] from a closure on time.
///
/// ```
/// use advect_samplers::guidance::{GuidanceWeight, guidance_fn};
/// assert_eq!(guidance_fn(|t| 1.0 + 2.0 * t).at(0.5), 2.0);
/// ```
pub fn guidance_fn<F: Fn(f64) -> f64>(f: F) -> FromFn<F> {
    FromFn(f)
}
