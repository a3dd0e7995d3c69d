//! A trained field with its prediction and its schedule.

use advect_core::{Field, Jvp, Result, Time, forward_to};
use advect_paths::schedule::Schedule;
use advect_paths::{Converted, Prediction};
use candle_core::Tensor;

use crate::scored_velocity::one_for_each;
use crate::{Estimate, ScoredVelocity, ScoredVelocityJvp};

use crate::inverse::{Likelihood, Posterior};

/// A trained field with its prediction and the schedule of its affine path: all that a sampler needs.
///
/// ```
/// use advect_core::{Generator, Time, field_fn};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The denoiser of data that is all 3.
/// let net = field_fn(|_, x| Ok(x.affine(0.0, 3.0)?));
/// let schedule = CondOt::default();
/// let model = Model::new(&net, Prediction::Data, &schedule);
///
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((16, 2), DType::F32, &Device::Cpu)?;
/// let samples = Ddim::new().on(UniformTime::new(10)?).sample(&model, &noise, &mut rng)?;
/// assert_eq!(samples.to_vec2::<f32>()?, vec![[3.0, 3.0]; 16]);
/// # Ok(())
/// # }
/// ```
///
/// It holds field and schedule by value, or references to them. [`AnyModel`] is the trait by which samplers take models of all kinds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model<F, S> {
    field: F,
    prediction: Prediction,
    schedule: S,
    /// Whether the field's values have variances behind the prediction.
    variances: bool,
}

impl<F: Field, S: Schedule> Model<F, S> {
    /// Creates a model from a field, its prediction and its schedule.
    pub fn new(field: F, prediction: Prediction, schedule: S) -> Self {
        Model {
            field,
            prediction,
            schedule,
            variances: false,
        }
    }

    /// Creates a model from a field with learned variances, whose values have twice as many channels, along dimension
    /// 1, as the state: the prediction, then [`LearnedVariances`](advect_paths::LearnedVariances) (Nichol and Dhariwal,
    /// Improved denoising diffusion probabilistic models, 2021, section 3.1).
    /// [`Variance::Learned`](crate::rule::Variance::Learned) uses them; other rules ignore them.
    /// [`Model::velocity`] and likelihoods are for models without.
    #[doc(alias = "learned variance")]
    #[doc(alias = "iDDPM")]
    pub fn with_variances(field: F, prediction: Prediction, schedule: S) -> Self {
        Model {
            variances: true,
            ..Model::new(field, prediction, schedule)
        }
    }

    /// Returns the field.
    pub fn field(&self) -> &F {
        &self.field
    }

    /// Returns the prediction of the field.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// Returns the schedule of the path.
    pub fn schedule(&self) -> &S {
        &self.schedule
    }

    /// Returns the velocity of the probability flow, as a field.
    ///
    /// ```
    /// use advect_core::{Field, Time, field_fn};
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// use advect_samplers::Model;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // The denoiser of data that is all 1.
    /// let model = Model::new(field_fn(|_, x| Ok(x.ones_like()?)), Prediction::Data, CondOt::default());
    /// let x = Tensor::new(&[0f64], &Device::Cpu)?;
    /// assert_eq!(model.velocity().at(&Time::Shared(0.5), &x)?.to_vec1::<f64>()?, [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn velocity(&self) -> Converted<&F, &S> {
        self.prediction
            .field(&self.field, Prediction::Velocity, &self.schedule)
    }

    /// Returns the model given a measurement: its field has the gradient of the measurement's likelihood in its score. See
    /// [`inverse`](crate::inverse).
    ///
    /// ```
    /// use advect_core::field_fn;
    /// use advect_paths::{Prediction, schedule::Cosine};
    /// use advect_samplers::Model;
    /// use advect_samplers::inverse::{Downsample, Pigdm};
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.5, 0.0)?)), Prediction::Data, Cosine);
    /// let small = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
    /// let posterior = model.posterior(Pigdm::new(Downsample::by(4)?, &small, 0.05)?);
    /// assert_eq!(posterior.prediction(), Prediction::Data);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "inverse problem")]
    pub fn posterior<L: Likelihood>(&self, likelihood: L) -> Model<Posterior<&F, &S, L>, &S> {
        let (field, schedule) = (&self.field, &self.schedule);
        Model {
            field: Posterior::new(field, self.prediction, schedule, likelihood),
            prediction: self.prediction,
            schedule,
            variances: self.variances,
        }
    }
}

/// A [`Model`] of any field and schedule, which samplers take as `&dyn AnyModel`.
pub trait AnyModel: ScoredVelocity {
    /// Returns the field.
    fn field(&self) -> &dyn Field;

    /// Returns the prediction of the field.
    fn prediction(&self) -> Prediction;

    /// Returns `true` if the field's values have variances after the prediction ([`Model::with_variances`]).
    fn has_variances(&self) -> bool;
}

impl<F: Field, S: Schedule> ScoredVelocity for Model<F, S> {
    fn drift(&self, t: f64, x: &Tensor, c: f64) -> Result<Tensor> {
        let value = self.field.at(&Time::Shared(t), x)?;
        Estimate::new(self, t, x, value)?.drift(c)
    }

    fn schedule(&self) -> &dyn Schedule {
        &self.schedule
    }
}

impl<F: Jvp, S: Schedule> ScoredVelocityJvp for Model<F, S> {
    fn drift_jvp(
        &self,
        t: f64,
        x: &Tensor,
        c: f64,
        dx: &[Tensor],
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let (value, slopes) = self.field.jvp_each(&Time::Shared(t), x, dx)?;
        one_for_each("field", &slopes, dx)?;
        // The drift is linear in the state and the value: so is its derivative in theirs.
        let slope = |(dx, slope): (&Tensor, Tensor)| Estimate::new(self, t, dx, slope)?.drift(c);
        let slopes = dx.iter().zip(slopes).map(slope);
        let slopes = slopes.collect::<Result<_>>()?;
        Ok((Estimate::new(self, t, x, value)?.drift(c)?, slopes))
    }
}

impl<F: Field, S: Schedule> AnyModel for Model<F, S> {
    fn field(&self) -> &dyn Field {
        &self.field
    }

    fn prediction(&self) -> Prediction {
        self.prediction
    }

    fn has_variances(&self) -> bool {
        self.variances
    }
}

forward_to!([] AnyModel {
    fn field(&self) -> &dyn Field;
    fn prediction(&self) -> Prediction;
    fn has_variances(&self) -> bool;
});
