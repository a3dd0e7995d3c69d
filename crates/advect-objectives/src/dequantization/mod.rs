//! Laws of the noise that makes levels continuous, in variational dequantization (Ho, Chen, Srinivas, Duan and Abbeel,
//! Flow++, 2019, section 3.1).
//!
//! | law | q(u \| x) |
//! | --- | --- |
//! | [`UniformNoise`] | 1 |
//! | [`CouplingNoise`] | a flow of logistic noise by networks that see the data |
//! | [`noise_fn`] | a closure |
//!
//! [`VariationalDequantization`](crate::objective::VariationalDequantization) trains a law together with a density.

mod coupling_noise;
mod uniform_noise;

use advect_core::{FromFn, Generator, Result, forward_to};
use candle_core::Tensor;

pub use coupling_noise::CouplingNoise;
pub use uniform_noise::UniformNoise;

/// A law q(u | x) of noise within the bins of levels: a number u in [0, 1] for each element of the data x.
///
/// Any conditional flow with a log-density is one, if its samples are made differentiable functions of its parameters:
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::dequantization::{DequantizationNoise, noise_fn};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // u = √v with v uniform, of density 2u in each dimension, whatever the data.
/// let noise = noise_fn(|first, x, rng| {
///     let samples = x.dim(0)?;
///     let v = rng.values_by_sample(&rand_distr::Open01, first, samples, x.elem_count() / samples)?;
///     let u = Tensor::from_vec(v, x.shape(), &Device::Cpu)?.sqrt()?;
///     let log_density = (&u * 2.0)?.log()?.flatten_from(1)?.sum(1)?;
///     Ok((u, log_density))
/// });
/// let x = Tensor::zeros((4, 2), DType::F64, &Device::Cpu)?;
/// let (u, log_density) = noise.draw(0, &x, &mut Generator::from_seed(0))?;
/// assert_eq!((u.dims(), log_density.dims()), (x.dims(), &[4][..]));
/// # Ok(())
/// # }
/// ```
pub trait DequantizationNoise {
    /// Draws u for data `(batch, ...)`, of its shape and dtype, with `log q(u | x)`, `(batch,)`. Both are differentiable
    /// with respect to the law's parameters. Samples are numbered from `first` on; their noise depends on that number and
    /// the generator.
    ///
    /// # Errors
    /// Typed errors for data that is empty or no float; the errors of the law.
    fn draw(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)>;
}

forward_to!([] DequantizationNoise {
    fn draw(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)>;
});

impl<F: Fn(u64, &Tensor, &mut Generator) -> Result<(Tensor, Tensor)>> DequantizationNoise
    for FromFn<F>
{
    fn draw(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)> {
        (self.0)(first, x, rng)
    }
}

/// Creates a [`DequantizationNoise`] from a closure on the number of the first sample, the data and a generator.
pub fn noise_fn<F: Fn(u64, &Tensor, &mut Generator) -> Result<(Tensor, Tensor)>>(
    f: F,
) -> FromFn<F> {
    FromFn(f)
}
