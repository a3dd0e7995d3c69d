//! A trained field with its meaning.

use advect_core::Field;
use advect_paths::Prediction;
use advect_paths::schedule::Schedule;

/// A trained field, what it predicts, and the schedule of the affine path it was trained on: all that a sampler has to know.
///
/// ```
/// use advect_core::{Generator, Time};
/// use advect_paths::{Prediction, schedule::CondOt};
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{Ddim, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The denoiser of data that is all 3.
/// let net = |_: &Time, x: &Tensor| Ok(x.affine(0.0, 3.0)?);
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
#[derive(Clone, Copy)]
pub struct Model<'a> {
    pub(crate) field: &'a dyn Field,
    pub(crate) prediction: Prediction,
    pub(crate) schedule: &'a dyn Schedule,
    /// Whether the field's values have variances behind the prediction.
    pub(crate) variances: bool,
}

impl<'a> Model<'a> {
    /// A field that predicts this on this schedule.
    pub fn new(field: &'a dyn Field, prediction: Prediction, schedule: &'a dyn Schedule) -> Self {
        Model {
            field,
            prediction,
            schedule,
            variances: false,
        }
    }

    /// A field whose values have twice as many channels, along dimension 1, as the state: the prediction, and then a number
    /// v for each element, in \[−1, 1\], that interpolates the variance of a reverse step (Nichol and Dhariwal, Improved
    /// denoising diffusion probabilistic models, 2021, section 3.1; as their networks give it).
    /// [`Variance::Learned`](crate::rule::Variance::Learned) uses it; all else passes it over.
    pub fn with_variances(
        field: &'a dyn Field,
        prediction: Prediction,
        schedule: &'a dyn Schedule,
    ) -> Self {
        Model {
            variances: true,
            ..Model::new(field, prediction, schedule)
        }
    }

    /// The schedule of the path.
    pub fn schedule(&self) -> &'a dyn Schedule {
        self.schedule
    }

    /// What the field predicts.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }
}

impl std::fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        (f.debug_struct("Model"))
            .field("prediction", &self.prediction)
            .field("variances", &self.variances)
            .finish_non_exhaustive()
    }
}
