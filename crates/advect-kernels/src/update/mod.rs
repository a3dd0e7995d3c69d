//! Parameters changed where they lie, and the norms of their gradients.

mod adamw;
mod average;
mod norm;

pub use adamw::AdamWRates;

use crate::{Float, Threads, kernels};
use adamw::adamw;
use average::average;
use norm::sum_squares;

kernels! {
    /// The kernels of optimisers.
    pub trait Updates {
        /// A step of AdamW. All slices are of one length.
        fn adamw(
            threads: &dyn Threads,
            value: &mut [Self],
            first: &mut [Self],
            second: &mut [Self],
            gradient: &[Self],
            rates: &AdamWRates,
        );

        /// `a + (x − a) w`, in place of the average a.
        fn average(threads: &dyn Threads, averages: &mut [Self], value: &[Self], weight: Self);

        /// `Σ (factor · x)²` in f64.
        fn sum_squares(threads: &dyn Threads, x: &[Self], factor: f64) -> f64;
    }
}
