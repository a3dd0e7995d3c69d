//! Uniform times spread evenly over the batch, which lowers the variance of the loss (the
//! low-discrepancy sampler of Kingma et al. 2021, appendix I.1, with independent offsets).

use advect_core::{Generator, Result};
use rand_distr::StandardUniform;

use super::{TimeDensity, TimeSampler};

/// Stratified times, one in each of `batch` equal intervals: `t_i = (i + u_i) / batch` with `u_i` uniform on [0, 1).
///
/// Each time is uniform on [0, 1) only when the order of the batch is random, as that of shuffled
/// batches is: sample i always gets the i-th interval.
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::time_sampler::{Stratified, TimeSampler};
/// let times = Stratified.sample(4, &mut Generator::from_seed(0))?;
/// assert!(times.iter().enumerate().all(|(i, t)| (4.0 * t).floor() == i as f64));
/// # Ok::<(), advect_core::Error>(())
/// ```
#[doc(alias = "low-discrepancy")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stratified;

impl TimeSampler for Stratified {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
        let interval = |(i, u): (usize, f64)| {
            let end = (i + 1) as f64 / batch as f64;
            // Near the upper end rounding could reach the next interval, or 1.
            ((i as f64 + u) / batch as f64).min(end.next_down())
        };
        let offsets = rng.values(&StandardUniform, batch)?.into_iter();
        Ok(offsets.enumerate().map(interval).collect())
    }
}

impl TimeDensity for Stratified {
    fn density(&self, _: f64) -> f64 {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time_sampler::contract;

    #[test]
    fn keeps_the_contract() {
        contract::check_density(&Stratified, |t| t);
    }
}
