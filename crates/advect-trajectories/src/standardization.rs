//! Coordinates of mean 0 and deviation 1.

use advect_core::{Error, Result, check};
use candle_core::Tensor;

/// The map `(x − mean)/deviation` of each coordinate, and its inverse.
///
/// ```
/// use advect_trajectories::Standardization;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 10.0], [3.0, 50.0]], &Device::Cpu)?;
/// let map = Standardization::of(&x)?;
/// assert_eq!(map.apply(&x)?.to_vec2::<f64>()?, [[-1.0, -1.0], [1.0, 1.0]]);
/// assert_eq!(map.invert(&map.apply(&x)?)?.to_vec2::<f64>()?, [[1.0, 10.0], [3.0, 50.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "StandardScaler")]
#[derive(Debug, Clone)]
pub struct Standardization {
    mean: Tensor,
    deviation: Tensor,
}

impl Standardization {
    /// Creates the map by which the samples `(count, ...)` have mean 0 and mean square 1 in each coordinate. A coordinate that
    /// never changes is only moved.
    ///
    /// # Errors
    /// `Empty`, `DType` and `NonFinite` errors.
    pub fn of(samples: &Tensor) -> Result<Self> {
        check::batch("samples", samples)?;
        check::float("samples", samples)?;
        check::finite("samples", samples)?;
        let mean = samples.mean_keepdim(0)?;
        let deviation = samples
            .broadcast_sub(&mean)?
            .sqr()?
            .mean_keepdim(0)?
            .sqrt()?;
        let still = deviation.eq(0.0)?;
        let deviation = still.where_cond(&deviation.ones_like()?, &deviation)?;
        check::finite("samples", &deviation)?;
        Ok(Standardization { mean, deviation })
    }

    /// Returns the standardised samples.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another shape; errors of dtype and device.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        Ok(x.broadcast_sub(&self.mean)?
            .broadcast_div(&self.deviation)?)
    }

    /// Returns the samples of which these are the standardised ones.
    ///
    /// # Errors
    /// As [`Standardization::apply`].
    pub fn invert(&self, x: &Tensor) -> Result<Tensor> {
        self.check(x)?;
        Ok(x.broadcast_mul(&self.deviation)?
            .broadcast_add(&self.mean)?)
    }

    fn check(&self, x: &Tensor) -> Result<()> {
        check::batch("x", x)?;
        check::same_kind("x", x, "the samples", &self.mean)?;
        let shape = &self.mean.dims()[1..];
        if x.dims()[1..] != *shape {
            let accepted = format!("(count, …) with {shape:?} for each sample");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        Ok(())
    }
}
