//! Time samplers: at which times an objective looks.
//!
//! | sampler | law of t |
//! | --- | --- |
//! | [`Uniform`] | uniform on [0, 1) |
//! | [`Stratified`] | uniform, one in each of `batch` equal intervals |
//! | [`LogitNormal`] | `logit(t) ~ N(mean, std²)` |

#[cfg(test)]
mod contract;
mod logit_normal;
mod stratified;
mod uniform;

use advect_core::{Generator, Result};

pub use logit_normal::LogitNormal;
pub use stratified::Stratified;
pub use uniform::Uniform;

/// A law of training times in [0, 1].
///
/// A sampler of one's own is one impl:
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
    /// `batch` times in [0, 1].
    ///
    /// # Errors
    /// Whatever the sampler reports; those of Advect report none.
    fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: TimeSampler + ?Sized> TimeSampler for $pointer {
            fn sample(&self, batch: usize, rng: &mut Generator) -> Result<Vec<f64>> {
                (**self).sample(batch, rng)
            }
        }
    )*};
}
forward!(&T, Box<T>);
