//! Uniform noise (Theis, van den Oord and Bethge 2016, section 3.1).

use advect_core::{Generator, Result, check};
use candle_core::{DType, Device, Tensor};
use rand_distr::StandardUniform;

use super::DequantizationNoise;

/// The uniform law, `q(u | x) = 1`.
///
/// ```
/// use advect_core::Generator;
/// use advect_objectives::dequantization::{DequantizationNoise, UniformNoise};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((4, 2), DType::F32, &Device::Cpu)?;
/// let (u, log_density) = UniformNoise.draw(0, &x, &mut Generator::from_seed(0))?;
/// assert!(u.to_vec2::<f32>()?.concat().iter().all(|u| (0.0..=1.0).contains(u)));
/// assert_eq!(log_density.to_vec1::<f32>()?, [0.0; 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UniformNoise;

impl DequantizationNoise for UniformNoise {
    fn draw(&self, first: u64, x: &Tensor, rng: &mut Generator) -> Result<(Tensor, Tensor)> {
        let samples = check::batch("x", x)?;
        check::float("x", x)?;
        let width = x.elem_count() / samples;
        let values = rng.values_by_sample(&StandardUniform, first, samples, width)?;
        let u = Tensor::from_vec(values, x.shape(), &Device::Cpu)?.to_dtype(x.dtype())?;
        let kind = match x.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        let log_density = Tensor::zeros(samples, kind, x.device())?;
        Ok((u.to_device(x.device())?, log_density))
    }
}
