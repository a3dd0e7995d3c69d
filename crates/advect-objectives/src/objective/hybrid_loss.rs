//! DDPM's simple objective and its bound together, for learned variances (Nichol and Dhariwal, Improved denoising diffusion
//! probabilistic models, 2021, eq. 16).

use advect_core::{Field, Generator, Result, check};
use advect_ops::squared_errors;
use advect_paths::schedule::DiscreteDiffusion;
use candle_core::Tensor;

use super::{Objective, ReverseVariance, VariationalBound, check_pairs};
use crate::decoder::{Decoder, GaussianDecoder};
use crate::time_sampler::{Levels, TimeSampler};

/// The hybrid objective `(L_simple + λ L_vlb) / d` of DDPM with learned variances, for a field whose values have twice as
/// many channels as the state: the noise, and [`LearnedVariances`](advect_paths::LearnedVariances).
///
/// `L_simple = |ε_θ − ε|²` trains the noise as [`ddpm`](super::ddpm) does. `L_vlb` is an estimate of the
/// [`VariationalBound`] in nats from the same evaluation. Its gradient does not go through the noise, so that it trains
/// the variances alone, by any λ: 0.001 by default. (The authors' code counts the bound in bits, which is a λ of 0.001/ln
/// 2 here.)
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_objectives::objective::{HybridLoss, Objective};
/// use advect_paths::schedule::DiscreteDiffusion;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let objective = HybridLoss::new(DiscreteDiffusion::linear(100, 1e-3, 0.15)?);
/// let mut rng = Generator::from_seed(0);
/// let noise = rng.normal((4, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let images = noise.zeros_like()?;
/// // Noise in three channels, and variances in three more.
/// let net = field_fn(|_, x| Ok(Tensor::cat(&[x, &x.zeros_like()?], 1)?));
/// let losses = objective.losses(&net, &noise, &images, &mut rng)?;
/// assert_eq!(losses.dims(), [4]);
/// # Ok(())
/// # }
/// ```
///
/// A model that was trained so is sampled as `Model::with_variances` with `Variance::Learned` of advect-samplers.
#[doc(alias = "L_hybrid")]
#[doc(alias = "iDDPM")]
#[doc(alias = "learned sigma")]
#[derive(Debug, Clone, PartialEq)]
pub struct HybridLoss<D = GaussianDecoder> {
    bound: VariationalBound<D>,
    weight: f64,
}

impl HybridLoss {
    /// Creates the objective of a schedule, with λ = 0.001 and data of any value.
    pub fn new(schedule: DiscreteDiffusion) -> Self {
        HybridLoss {
            bound: VariationalBound::new(schedule).variance(ReverseVariance::Learned),
            weight: 1e-3,
        }
    }
}

impl<D: Decoder> HybridLoss<D> {
    /// Sets the weight λ of the bound.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a negative or infinite weight.
    pub fn weight(self, weight: f64) -> Result<Self> {
        let weight = check::non_negative("weight", weight)?;
        Ok(HybridLoss { weight, ..self })
    }

    /// Sets the decoder.
    pub fn decoder<E: Decoder>(self, decoder: E) -> HybridLoss<E> {
        HybridLoss {
            bound: self.bound.decoder(decoder),
            weight: self.weight,
        }
    }

    /// Returns the losses at given times, one step of the schedule for each sample.
    ///
    /// # Errors
    /// As [`VariationalBound::losses_at`].
    pub fn losses_at(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        times: &[f64],
    ) -> Result<Tensor> {
        let denoised = self.bound.denoise_at(field, x0, x1, times)?;
        let simple = squared_errors(&denoised.predicted, &denoised.noise)?;
        let bound = self.bound.estimates(&denoised.with_mean_stopped(), x1)?;
        let dimensions = (x1.elem_count() / times.len()) as f64;
        Ok(((simple + (bound * self.weight)?)? / dimensions)?)
    }
}

impl<D: Decoder> Objective for HybridLoss<D> {
    /// Returns the losses at one step at random for each sample. `x0` is standard normal noise.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let batch = check_pairs(x0, x1)?;
        let times = Levels::of_steps(self.bound.schedule()).sample(batch, rng)?;
        self.losses_at(field, x0, x1, &times)
    }
}
