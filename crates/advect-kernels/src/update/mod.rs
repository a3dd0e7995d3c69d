//! In-place updates of parameters, and the norms of their gradients.

mod adamw;
mod average;
mod descend;
mod formula;
mod lion;
mod momentum;
mod norm;

pub use adamw::AdamWRates;
pub use lion::LionRates;
pub use momentum::MomentumRates;

use crate::{Float, Threads, kernels};
use adamw::adamw;
use average::average;
use descend::descend;
use lion::lion;
use momentum::momentum;
use norm::sum_squares;

kernels! {
    /// The kernels of optimisers.
    pub trait Updates {
        /// Makes a step of AdamW for the value and the first and second moments. All slices are of one length.
        fn adamw(threads: &dyn Threads, variables: [&mut [Self]; 3], gradient: &[Self], rates: &AdamWRates);

        /// Makes a step along a direction, `decay · θ − rate · d`.
        fn descend(threads: &dyn Threads, variables: [&mut [Self]; 1], direction: &[Self], decay: f64, rate: f64);

        /// Makes a step of Lion for the value and the momentum. All slices are of one length.
        fn lion(threads: &dyn Threads, variables: [&mut [Self]; 2], gradient: &[Self], rates: &LionRates);

        /// Makes a step with momentum for the value and the velocity. All slices are of one length.
        fn momentum(threads: &dyn Threads, variables: [&mut [Self]; 2], gradient: &[Self], rates: &MomentumRates);

        /// Replaces the average a by `a + (x − a) w`.
        fn average(threads: &dyn Threads, averages: &mut [Self], value: &[Self], weight: Self);

        /// Returns `Σ (factor · x)²` in f64.
        fn sum_squares(threads: &dyn Threads, x: &[Self], factor: f64) -> f64;
    }
}
