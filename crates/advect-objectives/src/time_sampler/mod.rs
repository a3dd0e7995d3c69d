//! Time samplers, which draw the times of an objective.
//!
//! | sampler | law of t |
//! | --- | --- |
//! | [`Uniform`] | uniform on [0, 1) |
//! | [`UniformWithin`] | uniform between two times |
//! | [`Stratified`] | uniform, one in each of `batch` equal intervals |
//! | [`Levels`] | one of finitely many times |
//! | [`LossSecondMoment`] | one of finitely many times, by the sizes of its last losses |
//! | [`LogitNormal`] | `logit(t) ~ N(mean, std²)` |
//! | [`Mode`], [`CosMap`] | other densities of the paper on Stable Diffusion 3 |
//! | [`LogNormalNoise`] | `ln(σ/α) ~ N(mean, std²)`, as in EDM |
//! | [`UniformOverLogSnr`] | uniform in the logarithm of the signal-to-noise ratio |

#[cfg(test)]
mod contract;
mod cos_map;
mod levels;
mod log_normal_noise;
mod logit_normal;
mod loss_second_moment;
mod mode;
mod stratified;
mod uniform;
mod uniform_over_log_snr;
mod uniform_within;

use advect_core::{Generator, Result, forward_to};

pub use cos_map::CosMap;
pub use levels::Levels;
pub use log_normal_noise::LogNormalNoise;
pub use logit_normal::LogitNormal;
pub use loss_second_moment::LossSecondMoment;
pub use mode::Mode;
pub use stratified::Stratified;
pub use uniform::Uniform;
pub use uniform_over_log_snr::UniformOverLogSnr;
pub use uniform_within::UniformWithin;

/// A law of training times in [0, 1].
///
/// Your own sampler is one impl:
///
/// ```
/// use advect_core::{Generator, Result};
/// use advect_objectives::time_sampler::{TimeSampler, Uniform};
///
/// /// More early times than late ones.
/// struct Early;
///
/// impl TimeSampler for Early {
///     fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
///         Ok(Uniform.sample(batch, rng)?.into_iter().map(|u| u * u).collect())
///     }
/// }
/// # fn main() -> Result<()> {
/// let times = Early.sample(1000, &mut Generator::from_seed(0))?;
/// assert!(times.iter().filter(|&&t| t < 0.25).count() > 450);
/// # Ok(())
/// # }
/// ```
pub trait TimeSampler {
    /// Draws `batch` times in [0, 1].
    ///
    /// # Errors
    /// The errors of the sampler. Samplers of Advect return [`Error::Range`](advect_core::Error::Range) for a batch that does not fit the memory.
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>>;
}

/// A law of times with a density.
pub trait TimeDensity: TimeSampler {
    /// Returns the density at t, which integrates to 1 over [0, 1].
    fn density(&self, t: f64) -> f64;
}

forward_to!([] TimeSampler {
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>>;
});

forward_to!([] TimeDensity {
    fn density(&self, t: f64) -> f64;
});

/// The integral of a smooth function by Simpson's rule.
fn integral(f: impl Fn(f64) -> f64, low: f64, high: f64) -> f64 {
    let panels = 4000;
    let h = (high - low) / f64::from(panels);
    let sum: f64 = (0..=panels)
        .map(|i| {
            let weight = match i {
                0 => 1.0,
                i if i == panels => 1.0,
                i if i % 2 == 1 => 4.0,
                _ => 2.0,
            };
            weight * f(low + h * f64::from(i))
        })
        .sum();
    sum * h / 3.0
}
