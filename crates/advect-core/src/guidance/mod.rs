//! Classifier-free guidance: [`Guided`] fields, and the weights they are guided by.
//!
//! | weight | |
//! | --- | --- |
//! | `f64` | the same at all times |
//! | [`GuidanceInterval`] | one within an interval of time, 1 elsewhere |
//! | any `Fn(f64) -> f64` | of one's own |

mod guided;
mod interval;

pub use guided::Guided;
pub use interval::GuidanceInterval;

/// The weight of guidance at a time.
pub trait GuidanceWeight {
    /// The weight at time t.
    fn at(&self, t: f64) -> f64;
}

impl GuidanceWeight for f64 {
    fn at(&self, _: f64) -> f64 {
        *self
    }
}

impl<F: Fn(f64) -> f64> GuidanceWeight for F {
    fn at(&self, t: f64) -> f64 {
        self(t)
    }
}
