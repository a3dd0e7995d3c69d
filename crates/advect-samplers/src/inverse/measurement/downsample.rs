//! Images of lower resolution.

use advect_core::{Coefficient, Error, Result, check};
use advect_ops::{avg_pool, upsample_nearest};
use candle_core::Tensor;

use super::mask::divided;
use super::{LinearOperator, Measurement};

/// The means of squares of `factor × factor` pixels of images `(batch, channels, height, width)`, or of `factor`
/// elements of sequences `(batch, channels, length)`: super-resolution is its inverse problem.
///
/// ```
/// use advect_samplers::inverse::{Downsample, Measurement};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[[[1f32, 2.0], [3.0, 6.0]]]], &Device::Cpu)?;
/// assert_eq!(Downsample::by(2)?.apply(&x)?.flatten_all()?.to_vec1::<f32>()?, [3.0]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "super-resolution")]
#[doc(alias = "average pooling")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Downsample {
    factor: usize,
}

impl Downsample {
    /// Creates the measurement with a factor, which must divide the sizes of the images.
    ///
    /// # Errors
    /// [`Error::Range`] for a factor of 0.
    pub fn by(factor: usize) -> Result<Self> {
        Ok(Downsample {
            factor: check::at_least_one("factor", factor)?,
        })
    }

    /// The number of pixels of a square.
    fn pixels(&self, images: &Tensor) -> f64 {
        (self.factor as f64).powi(images.rank() as i32 - 2)
    }
}

impl Measurement for Downsample {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        avg_pool(data, self.factor)
    }

    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor> {
        let spread = (upsample_nearest(v, self.factor)? / self.pixels(v))?;
        match spread.dims() == data.dims() {
            true => Ok(spread),
            false => {
                let accepted = format!("the shape of the means of {:?}", data.dims());
                Err(Error::shape("v", v.dims(), accepted))
            }
        }
    }
}

impl LinearOperator for Downsample {
    /// Here `A Aᵀ` is the identity divided by the number of pixels of a square.
    fn solve(&self, _: &Tensor, variance: &Coefficient, noise: f64, v: &Tensor) -> Result<Tensor> {
        divided(v, variance, 1.0 / self.pixels(v), noise)
    }
}
