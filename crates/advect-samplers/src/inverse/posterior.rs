//! A model's field given a measurement: its score plus the gradient of a likelihood (Song et al. 2021a, eq. 14).

use advect_core::{Error, Field, Result, Time};
use advect_paths::Prediction;
use advect_paths::schedule::Schedule;
use candle_core::Tensor;

use super::{Gradient, Likelihood};

/// The field of a model given a measurement: its score is `s(t, x) + ∇_x log p(y | x̂1(x))`, and so its expected data
/// `x̂1 + (σ²/α) ∇_x log p(y | x̂1(x))`. It has the prediction of the model's field;
/// [`Model::posterior`](crate::Model::posterior) makes the two a model again.
///
/// An evaluation takes a backward pass through the model's field, which must be made of differentiable operations. Take
/// a frozen network, or gradients of its parameters are computed for nothing. Values are outside of any graph. Where
/// values have twice the channels of x, the second half, variances of reverse steps, stays as it is.
///
/// At pure noise, α = 0, the likelihood is flat and the change of the expected data is the limit of 0/0, which is not
/// computed: [`Error::Range`]. Begin a little later, as [`UniformLogSnr`](crate::grid::UniformLogSnr) does on any path,
/// or [`ProbabilityFlow::within`](crate::ProbabilityFlow::within).
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::inverse::{Mask, Pigdm, Posterior};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The denoiser of data N(0, 1), x̂1 = t x / (t² + (1 − t)²).
/// let net = field_fn(|t, x| t.coefficient(|t| t / (t * t + (1.0 - t) * (1.0 - t)))?.times(x));
/// let all = Mask::new(&Tensor::ones(1, candle_core::DType::U8, &Device::Cpu)?)?;
/// let y = Tensor::new(&[[3f64]], &Device::Cpu)?;
/// let posterior = Posterior::new(net, Prediction::Data, CondOt::default(), Pigdm::new(all, &y, 1.0)?);
/// // At t = ½, x/t is the data with noise of variance 1, and y is another measurement of it: x̂1 = (x/t + y)/3.
/// let x = Tensor::new(&[[1.5f64]], &Device::Cpu)?;
/// let data = posterior.at(&Time::Shared(0.5), &x)?.to_vec2::<f64>()?[0][0];
/// assert!((data - 2.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "posterior sampling")]
#[doc(alias = "classifier guidance")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior<F, S, L> {
    field: F,
    prediction: Prediction,
    schedule: S,
    likelihood: L,
}

impl<F: Field, S: Schedule, L: Likelihood> Posterior<F, S, L> {
    /// Creates the field from a model's field, its prediction and its schedule, and the likelihood of the measurement.
    pub fn new(field: F, prediction: Prediction, schedule: S, likelihood: L) -> Self {
        Posterior {
            field,
            prediction,
            schedule,
            likelihood,
        }
    }
}

impl<F: Field, S: Schedule, L: Likelihood> Field for Posterior<F, S, L> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let (field, prediction, schedule) = (&self.field, self.prediction, &self.schedule);
        let times = t.values()?;
        if let Some(pure) = times.iter().find(|t| schedule.alpha(**t) == 0.0) {
            let accepted = "a time at which the state has data in it, α > 0: begin a little later";
            return Err(Error::range("t", pure, accepted));
        }
        let gradient = Gradient::new(field, prediction, schedule, &self.likelihood, (t, x))?;
        // By so much the prediction changes if the score does, and x does not.
        let (still, of_score) = (x.detach().zeros_like()?, &gradient.of_likelihood);
        let change = Prediction::Score.convert(prediction, schedule, t, &still, of_score)?;
        let value = gradient.value;
        if value.dims() == change.dims() {
            return Ok((value + change)?);
        }
        let count = x.dims()[1];
        let variances = value.narrow(1, count, count)?;
        Ok(Tensor::cat(
            &[(value.narrow(1, 0, count)? + change)?, variances],
            1,
        )?)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.field.condition()
    }
}
