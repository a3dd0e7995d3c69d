//! The samplers of EDM (Karras et al. 2022, algorithms 1 and 2).

use std::f64::consts::SQRT_2;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::Rule;
use crate::{Level, Run, Transition};

/// Steps of `d(x/α) = ε d(σ/α)`, whose slope is the expected noise ε. The method is Euler's, or Heun's, of order 2,
/// which corrects every step except one to clean data. With churn, fresh noise comes before each step.
///
/// With churn, a step at σ within `[S_min, S_max]` (σ stands for `σ/α`) first raises the noise to
/// `σ̂ = σ (1 + min(S_churn/n, √2 − 1))` with n the number of steps, and noise of deviation S_noise; but not beyond the most noise
/// of the schedule. Every path has these variables, so on any of them this is EDM's sampler; levels have to have α > 0.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::Cosine};
/// use advect_samplers::grid::Karras;
/// use advect_samplers::rule::{Edm, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let deterministic = Edm::heun().on(Karras::new(18)?);
/// let stochastic = Edm::heun().churn(40.0)?.churn_range(0.05, 50.0)?.noise(1.003)?.on(Karras::new(256)?);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, Cosine);
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = deterministic.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 1e-6 && (x[0][1] - 2.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Karras")]
#[doc(alias = "EDM")]
#[doc(alias = "k-diffusion")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Edm {
    corrects: bool,
    churn: f64,
    range: (f64, f64),
    noise: f64,
}

impl Edm {
    fn new(corrects: bool) -> Self {
        Edm {
            corrects,
            churn: 0.0,
            range: (0.0, f64::INFINITY),
            noise: 1.0,
        }
    }

    /// Creates Euler's method, without churn: [`Ddim`](super::Ddim).
    pub fn euler() -> Self {
        Edm::new(false)
    }

    /// Creates Heun's method, without churn.
    pub fn heun() -> Self {
        Edm::new(true)
    }

    /// Sets the amount of churn, S_churn: 0 is none.
    ///
    /// # Errors
    /// [`Error::Range`] for a negative or infinite number.
    #[doc(alias = "S_churn")]
    pub fn churn(self, churn: f64) -> Result<Self> {
        Ok(Edm {
            churn: check::non_negative("churn", churn)?,
            ..self
        })
    }

    /// Restricts churn to `S_min ≤ σ/α ≤ S_max`.
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ min ≤ max`.
    #[doc(alias = "S_tmin")]
    #[doc(alias = "S_tmax")]
    pub fn churn_range(self, min: f64, max: f64) -> Result<Self> {
        if !(0.0 <= min && min <= max) {
            let given = format!("{} to {}", min + 0.0, max + 0.0);
            return Err(Error::range(
                "min, max",
                given,
                "a range with 0 ≤ min ≤ max",
            ));
        }
        Ok(Edm {
            range: (min, max),
            ..self
        })
    }

    /// Sets the deviation S_noise of the churn, which is 1 by default and may be slightly more.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0.
    #[doc(alias = "S_noise")]
    pub fn noise(self, deviation: f64) -> Result<Self> {
        Ok(Edm {
            noise: check::positive("deviation", deviation)?,
            ..self
        })
    }

    /// The level and the state after churn.
    fn stir(
        &self,
        run: &mut Run<'_>,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<(Level, Tensor)> {
        let (from, ratio) = (transition.from, transition.from.ratio());
        let gamma = (self.churn / transition.count as f64).min(SQRT_2 - 1.0);
        if gamma == 0.0 || run.is_quiet() || ratio < self.range.0 || ratio > self.range.1 {
            return Ok((from, x.clone()));
        }
        let schedule = run.model().schedule();
        let most = Level::at(schedule, 0.0).ratio();
        let raised = (ratio * (1.0 + gamma)).min(most);
        if raised <= ratio {
            return Ok((from, x.clone()));
        }
        let to = Level::at_ratio(schedule, raised)?;
        let added = to.alpha * self.noise * (raised * raised - ratio * ratio).sqrt();
        let z = run.normal_like(x)?;
        let terms = [((to.alpha / from.alpha).into(), x), (added.into(), &z)];
        Ok((to, advect_ops::combine(&terms)?))
    }
}

impl Rule for Edm {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let to = transition.to;
        transition.requires_data()?;
        let (from, x) = self.stir(run, transition, x)?;
        let estimate = run.evaluate(from.time, &x)?;
        let ahead = estimate.mix(to.alpha, to.sigma, &[])?;
        if !self.corrects || to.is_clean() {
            return Ok(ahead);
        }
        // The mean of both slopes in place of the first.
        let half = 0.5 * to.alpha * (to.ratio() - from.ratio());
        let first = estimate.noise()?;
        run.evaluate(to.time, &ahead)?
            .mix(0.0, half, &[(-half, &first), (1.0, &ahead)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(Edm::heun().churn(-1.0).is_err());
        assert!(Edm::heun().churn_range(2.0, 1.0).is_err());
        assert!(Edm::heun().churn_range(f64::NAN, 1.0).is_err());
        assert!(Edm::heun().noise(0.0).is_err());
    }
}
