//! Diffusion posterior sampling (Chung, Kim, Mccann, Klasky and Ye, Diffusion posterior sampling for general noisy
//! inverse problems, 2023).

use advect_core::{Coefficient, Result, Time, check, shape};
use advect_paths::schedule::Schedule;
use candle_core::{DType, Tensor};

use super::measurement::residual;
use super::{Likelihood, Measurement};
use crate::guidance::GuidanceWeight;

/// The pull of DPS towards a measurement: the slope of `−(ζ/‖y − A(x̂1)‖) ‖y − A(x̂1)‖²` with the factor before the
/// square held fixed, which is that of `−2 ζ ‖y − A(x̂1)‖`. A is any differentiable [`Measurement`].
///
/// In a [`LikelihoodStep`](crate::rule::LikelihoodStep), ζ is the step size of the paper's algorithms, 0.1 to 1 there
/// for 1,000 steps of [`Ancestral`](crate::rule::Ancestral) and images in \[−1, 1\]. (Programs that differentiate the
/// norm instead of its square have twice our ζ.) In a [`Posterior`](super::Posterior), ζ scales what is added to the
/// score, and may be as large as 1/σ_y. It may depend on time ([`GuidanceWeight`]).
///
/// ```
/// use advect_core::Time;
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::inverse::{Dps, Likelihood, measurement_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The square of the data was measured to be (5, 0).
/// let y = Tensor::new(&[[5f64, 0.0]], &Device::Cpu)?;
/// let likelihood = Dps::new(measurement_fn(|x| Ok(x.sqr()?)), &y, 0.5)?;
/// // y − A = (1, 0): the slope is 2 ζ Jᵀ(y − A)/‖y − A‖ = (4, 0).
/// let slope = likelihood.slope(&Time::Shared(0.5), &CondOt::default(), &Tensor::new(&[[2f64, 0.0]], &Device::Cpu)?)?;
/// assert_eq!(slope.to_vec2::<f64>()?, [[4.0, 0.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "diffusion posterior sampling")]
#[derive(Debug, Clone)]
pub struct Dps<M, W = f64> {
    measurement: M,
    y: Tensor,
    weight: W,
}

impl<M: Measurement, W: GuidanceWeight> Dps<M, W> {
    /// Creates the pull towards a measurement y, whose shape broadcasts to that of A's values, with a weight ζ.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a weight that is negative or not finite at time 0; typed errors
    /// for a measurement that is empty, no float or not finite.
    pub fn new(measurement: M, y: &Tensor, weight: W) -> Result<Self> {
        super::measurement::check_measured(y)?;
        check::non_negative("weight", weight.at(0.0))?;
        Ok(Dps {
            measurement,
            y: y.detach(),
            weight,
        })
    }
}

impl<M: Measurement, W: GuidanceWeight> Likelihood for Dps<M, W> {
    fn slope(&self, t: &Time, _: &dyn Schedule, data: &Tensor) -> Result<Tensor> {
        let wide = shape::wide(data)?;
        let missing = residual(&self.measurement, &self.y, data, &wide)?;
        let squares = shape::sum_squares_per_sample(&missing)?;
        let squares = squares.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let weights: Vec<f64> = (t.values()?.into_iter())
            .map(|t| check::finite_number("weight", self.weight.at(t)))
            .collect::<Result<_>>()?;
        // At y there is nothing to pull.
        let factor = |(i, square): (usize, &f64)| match *square == 0.0 {
            true => 0.0,
            false => 2.0 * weights[i.min(weights.len() - 1)] / square.sqrt(),
        };
        let factors = squares.iter().enumerate().map(factor).collect();
        let pull = Coefficient::PerSample(factors).times(&missing)?;
        shape::cast(&self.measurement.pull(&wide, &pull)?, data.dtype())
    }
}
