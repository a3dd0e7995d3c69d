//! Losses relative to a learned uncertainty (Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion
//! models", eqs. 14–16 and 21; Kendall et al. 2018).

use std::fmt;

use advect_core::{Error, Field, Generator, Result, check};
use advect_paths::path::Path;
use candle_core::Tensor;

use super::{Objective, Regression};
use crate::distance::Distance;
use crate::time_sampler::TimeSampler;
use crate::weighting::Weighting;

/// A [`Regression`] whose losses are divided by what they are expected to be at their times: `e^(−u(t)) ℓ + u(t)`. The function u is
/// learned along with the field; the sum is least where `e^u` is the mean loss at t. So all times count the same at
/// every stage of training, whatever can be learned at them.
///
/// The uncertainty is a closure from times `(batch,)` of the path to `u`, `(batch,)`. EDM2's is `NoiseUncertainty` of `advect-models` at
/// the label of its preconditioner, here with 6 features:
///
/// ```
/// use advect_core::{Generator, Key, Time, field_fn};
/// use advect_models::NoiseUncertainty;
/// use advect_nn::ParameterStore;
/// use advect_objectives::objective::{Objective, Uncertain, edm};
/// use advect_objectives::time_sampler::LogNormalNoise;
/// use advect_paths::schedule::{EdmSchedule, Schedule};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let uncertainty = NoiseUncertainty::new(6, &store.builder())?;
/// let levels = EdmSchedule::default();
/// let regression = edm(levels, 0.5)?.times(LogNormalNoise::new(levels, -0.4, 1.0)?);
/// let objective = Uncertain::new(regression, |times: &[f64]| {
///     let labels: Vec<f64> = times.iter().map(|&t| 0.25 * levels.sigma(t).ln()).collect();
///     uncertainty.at(&Time::per_sample(&labels)?)
/// });
/// let (denoiser, mut rng) = (field_fn(|_, x| Ok(x.clone())), Generator::from_seed(0));
/// let x = rng.normal((8, 2), DType::F32, &Device::Cpu)?;
/// let gradients = objective.loss_from_noise(&denoiser, &x, &mut rng)?.backward()?;
/// assert!(gradients.get(&store.vars()[0]).is_some());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EDM2")]
#[doc(alias = "logvar")]
#[doc(alias = "multi-task learning")]
#[derive(Clone, Copy)]
pub struct Uncertain<O, U> {
    objective: O,
    uncertainty: U,
}

impl<O, U: Fn(&[f64]) -> Result<Tensor>> Uncertain<O, U> {
    /// Creates an objective from a regression and the logarithm of its mean loss at times `(batch,)`.
    pub fn new(objective: O, uncertainty: U) -> Self {
        Uncertain {
            objective,
            uncertainty,
        }
    }
}

impl<P, T, W, D, U> Objective for Uncertain<Regression<P, T, W, D>, U>
where
    P: Path,
    T: TimeSampler,
    W: Weighting,
    D: Distance,
    U: Fn(&[f64]) -> Result<Tensor>,
{
    /// # Errors
    /// As the regression and the uncertainty; [`Error`] naming `uncertainty` unless it is `(batch,)`, of a float dtype, and finite.
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let (times, losses) = self.objective.drawn(field, x0, x1, rng)?;
        let u = (self.uncertainty)(&times)?;
        check::float("uncertainty", &u)?;
        if u.dims() != [times.len()] {
            let accepted = format!("({},), one number per sample", times.len());
            return Err(Error::shape("uncertainty", u.dims(), accepted));
        }
        check::finite("uncertainty", &u)?;
        let u = u.to_dtype(losses.dtype())?.to_device(losses.device())?;
        Ok(((losses * u.neg()?.exp()?)? + u)?)
    }
}

impl<O: fmt::Debug, U> fmt::Debug for Uncertain<O, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uncertain")
            .field("objective", &self.objective)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::edm;
    use crate::weighting::Unweighted;
    use advect_core::testing::assert_close;
    use advect_core::{Time, field_fn, shape};
    use advect_paths::schedule::{EdmSchedule, Schedule};
    use candle_core::{DType, Device, Var};

    fn noise(n: usize, rng: &mut Generator) -> [Tensor; 2] {
        [0, 1].map(|_| rng.normal((n, 3), DType::F64, &Device::Cpu).unwrap())
    }

    /// The best denoiser of standard normal data, `x/(1 + σ²)`.
    fn best(t: &Time, x: &Tensor) -> Result<Tensor> {
        let sigma = |t| EdmSchedule::default().sigma(t);
        t.coefficient(|t| 1.0 / (1.0 + sigma(t).powi(2)))?.times(x)
    }

    #[test]
    fn losses_are_divided_by_what_is_expected() {
        let levels = EdmSchedule::default();
        let regression = edm(levels, 1.0).unwrap().weighting(Unweighted);
        let mut rng = Generator::from_seed(0);
        let [x0, x1] = noise(5, &mut rng);
        let u = |times: &[f64]| Ok(Tensor::new(times, &Device::Cpu)?);
        let (field, mut same) = (field_fn(best), rng.clone());
        let plain = regression.drawn(&field, &x0, &x1, &mut rng).unwrap();
        let losses = Uncertain::new(regression, u)
            .losses(&field, &x0, &x1, &mut same)
            .unwrap();
        let expected = |(t, loss): (&f64, &f64)| loss * (-t).exp() + t;
        let expected: Vec<f64> = (plain.0.iter())
            .zip(&plain.1.to_vec1::<f64>().unwrap())
            .map(expected)
            .collect();
        let expected = Tensor::new(expected, &Device::Cpu).unwrap();
        assert_close(&losses, &expected, 1e-14, 0.0);
    }

    /// The variance of data given `x + σ ε` is `σ²/(1 + σ²)`: the gradient by numbers added to its logarithm, or multiplying
    /// it, vanishes on average, and not for another function.
    #[test]
    fn the_best_uncertainty_is_the_logarithm_of_the_mean_loss() {
        let levels = EdmSchedule::default();
        let mut rng = Generator::from_seed(1);
        let [x0, x1] = noise(20_000, &mut rng);
        let weights = Var::new(&[0f64, 1.0], &Device::Cpu).unwrap();
        let mut gradient = |off: f64| {
            let u = |times: &[f64]| {
                let logarithm = |&t: &f64| -(1.0 + levels.sigma(t).powi(-2)).ln() + off;
                let known: Vec<f64> = times.iter().map(logarithm).collect();
                let known = Tensor::new(known, &Device::Cpu)?;
                let (shift, scale) = (weights.narrow(0, 0, 1)?, weights.narrow(0, 1, 1)?);
                Ok(known.broadcast_mul(&scale)?.broadcast_add(&shift)?)
            };
            let regression = edm(levels, 1.0).unwrap().weighting(Unweighted);
            let loss = Uncertain::new(regression, u).loss(&field_fn(best), &x0, &x1, &mut rng);
            let gradients = loss.unwrap().backward().unwrap();
            gradients.get(&weights).unwrap().to_vec1::<f64>().unwrap()
        };
        // A loss relative to its mean has a variance of 2/3; u has a size of 2.5.
        let error = (2.0 / 3.0 / 20_000f64).sqrt();
        let at = gradient(0.0);
        assert!(
            at[0].abs() < 4.0 * error && at[1].abs() < 12.0 * error,
            "{at:?}"
        );
        let elsewhere = gradient(0.2);
        assert!(elsewhere[0] > 0.1, "{elsewhere:?}");
    }

    #[test]
    fn uncertainties_that_do_not_fit_are_refused() {
        let mut rng = Generator::from_seed(0);
        let [x0, x1] = noise(4, &mut rng);
        let mut wrong = |u: Tensor| {
            let objective =
                Uncertain::new(edm(EdmSchedule::default(), 0.5).unwrap(), |_: &[f64]| {
                    Ok(u.clone())
                });
            let error = objective
                .losses(&field_fn(best), &x0, &x1, &mut rng)
                .unwrap_err();
            assert!(error.to_string().starts_with("uncertainty: "), "{error}");
        };
        let good = shape::mean_per_sample(&x0).unwrap();
        wrong(good.narrow(0, 0, 1).unwrap());
        wrong(good.unsqueeze(1).unwrap());
        wrong(good.to_dtype(DType::U32).unwrap());
        wrong((good * f64::NAN).unwrap());
    }
}
