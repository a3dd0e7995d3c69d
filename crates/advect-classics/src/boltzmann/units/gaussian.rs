//! Gaussian units.

use std::f64::consts::PI;

use advect_core::{Generator, Result, check, shape};
use advect_ops::Value;
use candle_core::{DType, Tensor};

use super::VisibleUnits;

/// Units of numbers with means b and variances σ², `E₀(v) = Σ_i (v_i − b_i)²/(2σ_i²)`, which hidden units see as `v/σ²`.
///
/// This is the form of Cho, Ilin and Raiko 2011 ("Improved learning of Gaussian–Bernoulli restricted Boltzmann machines", eq. 1). The mean given hidden units
/// is `b + W h` without a factor. In Hinton's form (2012, section 13.2) they see `v/σ` and the mean is `b + σ W h`; at σ = 1 the two are
/// one. The logarithms of variances are learned; freeze them by a parameter group if the data has unit variances.
///
/// ```
/// use advect_classics::boltzmann::{GaussianUnits, VisibleUnits};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let row = |x: f64| Tensor::new(&[x], &Device::Cpu);
/// let units = GaussianUnits::new(row(1.0)?, row(4f64.ln())?)?;
/// let v = Tensor::new(&[[3f64]], &Device::Cpu)?;
/// assert_eq!(units.energy(&v)?.to_vec1::<f64>()?, [0.5]); // (3 − 1)²/(2 · 4)
/// assert_eq!(units.seen(&v)?.to_vec2::<f64>()?, [[0.75]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct GaussianUnits {
    mean: Tensor,
    log_variance: Tensor,
}

impl GaussianUnits {
    /// Creates units with means b and logarithms of variances, both `(units,)`.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the one that is not a list of floats, or not like the other.
    pub fn new(mean: Tensor, log_variance: Tensor) -> Result<Self> {
        super::super::check_bias("mean", &mean)?;
        check::alike("log_variance", &log_variance, "mean", &mean)?;
        Ok(GaussianUnits { mean, log_variance })
    }

    /// `1/σ²`.
    fn precision(&self) -> Result<Tensor> {
        Ok(self.log_variance.neg()?.exp()?)
    }
}

impl VisibleUnits for GaussianUnits {
    fn bias(&self) -> &Tensor {
        &self.mean
    }

    fn check(&self, argument: &'static str, v: &Tensor) -> Result<()> {
        check::finite(argument, v)
    }

    fn energy<V: Value>(&self, v: &V) -> Result<V> {
        let difference = v.plus(&V::constant(self.mean.neg()?))?;
        let factor = V::constant((self.precision()? * 0.5)?);
        let squares = difference.times(&difference)?.times(&factor)?;
        squares.map_linear(shape::sum_per_sample)
    }

    fn seen<V: Value>(&self, v: &V) -> Result<V> {
        v.times(&V::constant(self.precision()?))
    }

    fn log_normalizer(&self, input: &Tensor) -> Result<Tensor> {
        // ½ ln 2πσ² + ((b + a)² − b²)/(2σ²), and (b + a)² − b² = a (a + 2b)
        let product = (input * input.broadcast_add(&(&self.mean * 2.0)?)?)?;
        let shift = product.broadcast_mul(&(self.precision()? * 0.5)?)?;
        let constant = self.log_variance.affine(0.5, 0.5 * (2.0 * PI).ln())?;
        shape::sum_per_sample(&shift.broadcast_add(&constant)?)
    }

    fn mean(&self, input: &Tensor) -> Result<Tensor> {
        Ok(input.broadcast_add(&self.mean)?)
    }

    fn sample(&self, input: &Tensor, rng: &mut Generator) -> Result<Tensor> {
        let deviation = (&self.log_variance * 0.5)?.exp()?;
        let noise = rng.normal_like(input)?.broadcast_mul(&deviation)?;
        Ok((self.mean(input)? + noise)?.detach())
    }

    /// Returns the means of the data.
    fn fitted_bias(&self, data: &Tensor) -> Result<Tensor> {
        let mean = shape::cast(data, DType::F64)?.mean(0)?;
        shape::cast(&mean, data.dtype())
    }

    fn with_bias(&self, bias: Tensor) -> Self {
        GaussianUnits {
            mean: bias,
            log_variance: self.log_variance.clone(),
        }
    }

    fn frozen(&self) -> Self {
        GaussianUnits {
            mean: self.mean.detach(),
            log_variance: self.log_variance.detach(),
        }
    }
}
