//! Measurements of some of the elements.

use advect_core::{Coefficient, Error, Result};
use candle_core::Tensor;

use super::{LinearOperator, Measurement};
use crate::mask::{binary, wide};

/// The elements of the data where a mask is 1; where it is 0, the measurement is 0, too.
///
/// ```
/// use advect_samplers::inverse::{Mask, Measurement};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // One mask for all samples.
/// let first = Mask::new(&Tensor::new(&[1u8, 0], &Device::Cpu)?)?;
/// let x = Tensor::new(&[[3f32, 4.0], [5.0, f32::NAN]], &Device::Cpu)?;
/// assert_eq!(first.apply(&x)?.to_vec2::<f32>()?, [[3.0, 0.0], [5.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "inpainting")]
#[derive(Debug, Clone)]
pub struct Mask {
    mask: Tensor,
}

impl Mask {
    /// Creates the measurement from a mask of any dtype, which is 1 where the data is known and 0 elsewhere. Its shape
    /// broadcasts to that of the data.
    ///
    /// # Errors
    /// [`Error::Range`] for a mask with other numbers, [`Error::Empty`] for an empty one.
    pub fn new(mask: &Tensor) -> Result<Self> {
        Ok(Mask {
            mask: binary(mask)?,
        })
    }
}

impl Measurement for Mask {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        let mask = wide("mask", &self.mask, data)?;
        Ok(mask.where_cond(&data.contiguous()?, &data.zeros_like()?)?)
    }

    fn pull(&self, _: &Tensor, v: &Tensor) -> Result<Tensor> {
        self.apply(v)
    }
}

impl LinearOperator for Mask {
    /// Here `A Aᵀ` is the identity on the elements that are measured.
    fn solve(&self, _: &Tensor, variance: &Coefficient, noise: f64, v: &Tensor) -> Result<Tensor> {
        divided(&self.apply(v)?, variance, 1.0, noise)
    }
}

/// `v / (r² scale + σ_y²)`.
pub(super) fn divided(
    v: &Tensor,
    variance: &Coefficient,
    scale: f64,
    noise: f64,
) -> Result<Tensor> {
    let inverse = |variance: &f64| {
        let total = variance * scale + noise;
        match total > 0.0 {
            true => Ok(1.0 / total),
            false => {
                let accepted = "noise in the measurement, or in the state";
                Err(Error::range("noise", noise, accepted))
            }
        }
    };
    let inverse = match variance {
        Coefficient::Shared(variance) => Coefficient::Shared(inverse(variance)?),
        Coefficient::PerSample(each) => {
            Coefficient::PerSample(each.iter().map(inverse).collect::<Result<_>>()?)
        }
    };
    inverse.times(v)
}
