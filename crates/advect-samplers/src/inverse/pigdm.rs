//! Pseudoinverse-guided diffusion (Song, Vahdat, Mardani and Kautz, Pseudoinverse-guided diffusion models for inverse
//! problems, 2023, eq. 7–8; for flows Pokle et al., Training-free linear image inverses via flows, 2024).

use advect_core::{Result, Time, check, shape};
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use super::measurement::residual;
use super::{Likelihood, LinearOperator};
use crate::guidance::GuidanceWeight;

/// The likelihood of ΠGDM for linear measurements: the data given x is taken to be `N(x̂1, r² I)`, so that y is
/// `N(A x̂1, r² A Aᵀ + σ_y² I)` and the slope is `Aᵀ (r² A Aᵀ + σ_y² I)⁻¹ (y − A x̂1)`.
///
/// The variance is that of data `N(m, s² I)` given x, `r² = s² σ² / (s² α² + σ²)`. For such data the posterior is
/// exact. The papers have s² = 1 (with which r² is `σ²/(1 + σ²)` where α = 1, and `σ²/(α² + σ²)` for flows): set the
/// variance of your data. Where elements go together, as pixels do, it is the largest of any direction that matters,
/// an eigenvalue of the covariance; with one that is too small, the guidance overshoots, and may diverge.
///
/// ```
/// use advect_core::Time;
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::inverse::{Likelihood, Mask, Pigdm};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let first = Mask::new(&Tensor::new(&[[1u8, 0]], &Device::Cpu)?)?;
/// let y = Tensor::new(&[[3f64, 0.0]], &Device::Cpu)?;
/// let likelihood = Pigdm::new(first, &y, 0.5)?.data_variance(1.5)?;
/// // At α = σ = ½, r² = 1.5 · 0.25 / (0.375 + 0.25) = 0.6, and the slope is (3 − 1.3) / (0.6 + 0.25).
/// let data = Tensor::new(&[[1.3f64, 7.0]], &Device::Cpu)?;
/// let slope = likelihood.slope(&Time::Shared(0.5), &CondOt::default(), &data)?.to_vec2::<f64>()?;
/// assert!((slope[0][0] - 2.0).abs() < 1e-12 && slope[0][1] == 0.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ΠGDM")]
#[doc(alias = "pseudoinverse guidance")]
#[derive(Debug, Clone)]
pub struct Pigdm<A, W = f64> {
    operator: A,
    y: Tensor,
    noise: f64,
    data_variance: f64,
    weight: W,
}

impl<A: LinearOperator> Pigdm<A> {
    /// Creates the likelihood of a measurement y, whose shape broadcasts to that of A's values, with noise of standard
    /// deviation `noise`.
    ///
    /// Without noise, `noise = 0`, the slope grows without bound towards the data: choose a sampler that does not
    /// evaluate the field there.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a negative noise; typed errors for a measurement that is empty,
    /// no float or not finite.
    pub fn new(operator: A, y: &Tensor, noise: f64) -> Result<Self> {
        super::measurement::check_measured(y)?;
        Ok(Pigdm {
            operator,
            y: y.detach(),
            noise: check::non_negative("noise", noise)?,
            data_variance: 1.0,
            weight: 1.0,
        })
    }
}

impl<A: LinearOperator, W: GuidanceWeight> Pigdm<A, W> {
    /// Sets the variance s² of the data, which is 1 by default.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is above 0.
    pub fn data_variance(self, variance: f64) -> Result<Self> {
        Ok(Pigdm {
            data_variance: check::positive("data_variance", variance)?,
            ..self
        })
    }

    /// Sets a factor of the slope, which is 1 by default and may depend on time ([`GuidanceWeight`]). At large noise,
    /// where the Jacobian of a network is small and its errors count most, less than 1 keeps samplers stable, at the
    /// price of exactness.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a weight that is not finite at time 0.
    pub fn weight<V: GuidanceWeight>(self, weight: V) -> Result<Pigdm<A, V>> {
        check::finite_number("weight", weight.at(0.0))?;
        Ok(Pigdm {
            operator: self.operator,
            y: self.y,
            noise: self.noise,
            data_variance: self.data_variance,
            weight,
        })
    }
}

impl<A: LinearOperator, W: GuidanceWeight> Likelihood for Pigdm<A, W> {
    fn slope(&self, t: &Time, schedule: &dyn Schedule, data: &Tensor) -> Result<Tensor> {
        let wide = shape::wide(data)?;
        let variance = t.coefficient(|t| {
            let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
            let (of_data, of_noise) = (self.data_variance * alpha * alpha, sigma * sigma);
            self.data_variance * of_noise / (of_data + of_noise)
        })?;
        let missing = residual(&self.operator, &self.y, data, &wide)?;
        let noise = self.noise * self.noise;
        let solved = self.operator.solve(&wide, &variance, noise, &missing)?;
        let weighted = t.coefficient(|t| self.weight.at(t))?.times(&solved)?;
        shape::cast(&self.operator.pull(&wide, &weighted)?, data.dtype())
    }
}
