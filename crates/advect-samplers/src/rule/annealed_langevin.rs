//! Annealed Langevin dynamics (Song and Ermon, Generative modeling by estimating gradients of the data distribution, 2019,
//! algorithm 1).

use advect_core::{Result, check};
use advect_ops::combine;
use candle_core::Tensor;

use super::Rule;
use crate::grid::check_count;
use crate::{Level, Run, Transition};

/// Annealed Langevin dynamics: at each level, `count` Langevin steps `x ← x + ½ δ s + √δ z` with `δ = ε σ²/σ_last²`,
/// where s is the score and σ_last the least noise of the grid. From level to level, `x/α` stays as it is.
///
/// Take a grid that ends with clean data: there are no steps there, and [`LastStep::Denoise`](crate::LastStep::Denoise) makes the last transition
/// a denoising (Jolicoeur-Martineau et al., 2021), without which samples keep the least noise. (On a grid that ends noisy, another last step
/// than the plain one takes the place of the last level's steps.) NCSN's constants are ten levels from 1 to 0.01 that
/// fall geometrically, 100 steps each, ε = 2e-5.
///
/// The steps are neither accepted nor rejected: where the noise dominates, the variance of their law exceeds the level's by a part of about
/// `δ/(4σ²)`, and modes that separate on the way down receive wrong shares. If the density of each level is known, take the steps of
/// [`MetropolisAdjusted`](crate::langevin::MetropolisAdjusted) there instead, as the example `langevin` does. Either way the shares are right
/// only with enough steps at the levels where the modes separate.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::VarianceExploding};
/// use advect_samplers::grid::UniformLogSnr;
/// use advect_samplers::rule::{AnnealedLangevin, Rule};
/// use advect_samplers::{LastStep, Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let schedule = VarianceExploding::new(0.01, 1.0)?;
/// let levels = UniformLogSnr::new(10)?.range(0.01, 1.0)?;
/// let sampler = AnnealedLangevin::new(100, 2e-5)?.on(levels).last_step(LastStep::Denoise);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, schedule);
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = sampler.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 1e-6 && (x[0][1] - 2.0).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "NCSN")]
#[doc(alias = "ALD")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnnealedLangevin {
    count: usize,
    epsilon: f64,
}

impl AnnealedLangevin {
    /// Creates the rule with `count` steps at each level, of size ε at the last one.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps or more than 10⁷, or unless ε is above 0.
    pub fn new(count: usize, epsilon: f64) -> Result<Self> {
        Ok(AnnealedLangevin {
            count: check_count("count", count)?,
            epsilon: check::positive("epsilon", epsilon)?,
        })
    }

    fn dwell(&self, run: &mut Run<'_>, level: &Level, least: f64, x: Tensor) -> Result<Tensor> {
        let mut x = x;
        let delta = self.epsilon * (level.sigma / least).powi(2);
        for _ in 0..self.count {
            x = langevin(run, level, delta, &x)?;
        }
        Ok(x)
    }
}

/// `x + ½ δ s + √δ z`.
pub(super) fn langevin(run: &mut Run<'_>, level: &Level, delta: f64, x: &Tensor) -> Result<Tensor> {
    let z = run.normal_like(x)?;
    let estimate = run.evaluate(level.time, x)?;
    let of_noise = -0.5 * delta / level.sigma;
    estimate.mix(0.0, of_noise, &[(delta.sqrt(), &z), (1.0, x)])
}

impl Rule for AnnealedLangevin {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        transition.requires_data()?;
        let least = transition.least.sigma;
        let mut x = x.clone();
        if transition.index == 0 {
            x = self.dwell(run, &transition.from, least, x)?;
        }
        if transition.to.is_clean() {
            return Ok((x / transition.from.alpha)?);
        }
        let moved = combine(&[((transition.to.alpha / transition.from.alpha).into(), &x)])?;
        self.dwell(run, &transition.to, least, moved)
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        let mut x = x.clone();
        if transition.index == 0 {
            // The only step: no other one has dwelt at its level.
            x = self.dwell(run, &transition.from, transition.least.sigma, x)?;
        }
        run.evaluate(transition.from.time, &x)?.data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        assert!(AnnealedLangevin::new(0, 1e-5).is_err());
        assert!(AnnealedLangevin::new(10, 0.0).is_err());
    }
}
