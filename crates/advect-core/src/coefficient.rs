//! Factors for a batch: one number, or one number per sample.

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result, check, shape};

/// A factor for the samples of a batch, in f64: one for all samples, or one for each.
///
/// [`Time::coefficient`](crate::Time::coefficient) makes one from times.
///
/// ```
/// use advect_core::Time;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let c = Time::per_sample(&[0.0, 0.5])?.coefficient(|t| 2.0 * t)?;
/// assert_eq!(c.times(&x)?.to_vec2::<f32>()?, [[0.0, 0.0], [3.0, 4.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Coefficient {
    /// One factor for the whole batch.
    Shared(f64),
    /// One factor per sample.
    PerSample(Vec<f64>),
}

impl From<f64> for Coefficient {
    fn from(factor: f64) -> Self {
        Coefficient::Shared(factor)
    }
}

impl Coefficient {
    /// Returns the product `c · x`, sample by sample, in the dtype of `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one factor per sample, [`Error::DType`] unless x is a float.
    pub fn times(&self, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        if matches!(x.dtype(), DType::F16 | DType::BF16) {
            // The factor itself might not fit 16 bits.
            return Ok(self.times(&x.to_dtype(DType::F32)?)?.to_dtype(x.dtype())?);
        }
        match self {
            Coefficient::Shared(c) => Ok((x * *c)?),
            Coefficient::PerSample(c) => {
                let batch = check::batch("x", x)?;
                if c.len() != batch {
                    let accepted = format!("({batch},), one factor per sample");
                    return Err(Error::shape("coefficient", &[c.len()], accepted));
                }
                let c = Tensor::from_slice(c, c.len(), &Device::Cpu)?
                    .to_dtype(x.dtype())?
                    .to_device(x.device())?;
                Ok(x.broadcast_mul(&shape::column(&c, x.rank())?)?)
            }
        }
    }
}
