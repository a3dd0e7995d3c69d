//! Predictor–corrector sampling (Song et al. 2021a, algorithm 1, with the corrector of algorithm 4; that of algorithm 5 has a factor
//! 1 − β_i more, which is near 1).

use advect_core::{Result, check, shape};
use advect_ops::combine;
use candle_core::Tensor;

use super::Rule;
use super::annealed_langevin::langevin;
use crate::grid::check_count;
use crate::{Level, Run, Transition};

/// A rule that makes a step of another rule, the predictor, and then Langevin steps `x ← x + δ s + √(2 δ) z` at the new level.
///
/// The size of the corrector's steps is `δ = 2 (r ‖z‖/‖s‖)²` with a signal-to-noise ratio r, 0.16 in the paper, for each sample
/// by itself; their code takes the batch's mean norms. A sample of few elements may have a score of nearly 0, where such a step would
/// leave the law: [`PredictorCorrector::by_level`] has `δ = 2 (r σ)²`, which is about the same in many dimensions.
///
/// There is no corrector at clean data.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_paths::{Prediction, schedule::VariancePreserving};
/// use advect_samplers::diffusion::ForwardDiffusion;
/// use advect_samplers::grid::UniformTime;
/// use advect_samplers::rule::{PredictorCorrector, ReverseSde, Rule};
/// use advect_samplers::{Model, Sampler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let predictor = ReverseSde::new(ForwardDiffusion::new(1.0)?);
/// let sampler = PredictorCorrector::new(predictor, 1, 0.16)?.on(UniformTime::within(1000, 0.0, 1.0 - 1e-3)?);
/// // The denoiser of data that is all 2.
/// let model = Model::new(field_fn(|_, x| Ok(x.affine(0.0, 2.0)?)), Prediction::Data, VariancePreserving::default());
/// let noise = Tensor::new(&[[0.3f64, -1.0]], &Device::Cpu)?;
/// let x = sampler.sample(&model, &noise, &mut Generator::from_seed(0))?.to_vec2::<f64>()?;
/// assert!((x[0][0] - 2.0).abs() < 0.1 && (x[0][1] - 2.0).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "score SDE")]
#[doc(alias = "PC sampler")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictorCorrector<P> {
    predictor: P,
    count: usize,
    ratio: f64,
    by_level: bool,
}

impl<P: Rule> PredictorCorrector<P> {
    /// Creates the rule from a predictor, a number of corrector steps and their signal-to-noise ratio.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 steps or more than 10⁷, or unless the ratio is above 0.
    pub fn new(predictor: P, count: usize, ratio: f64) -> Result<Self> {
        Ok(PredictorCorrector {
            predictor,
            count: check_count("count", count)?,
            ratio: check::positive("ratio", ratio)?,
            by_level: false,
        })
    }

    /// Lets the size of corrector steps depend on the noise level alone.
    pub fn by_level(self) -> Self {
        PredictorCorrector {
            by_level: true,
            ..self
        }
    }

    fn correct(&self, run: &mut Run<'_>, level: &Level, x: &Tensor) -> Result<Tensor> {
        if self.by_level {
            // δ s + √(2 δ) z, in Langevin's form with half of the score.
            let delta = 2.0 * (self.ratio * level.sigma).powi(2);
            return langevin(run, level, 2.0 * delta, x);
        }
        let z = run.normal_like(x)?;
        let score = run
            .evaluate(level.time, x)?
            .mix(0.0, -1.0 / level.sigma, &[])?;
        let squares = |x: &Tensor| -> Result<Vec<f64>> {
            let sums = shape::sum_squares_per_sample(x)?;
            Ok(sums.to_dtype(candle_core::DType::F64)?.to_vec1()?)
        };
        let ratios = squares(&z)?.into_iter().zip(squares(&score)?);
        // A score of exactly 0 leaves the state alone.
        let sizes = ratios.map(|(z, s)| match s == 0.0 {
            true => 0.0,
            false => 2.0 * self.ratio * self.ratio * z / s,
        });
        let sizes: Vec<f64> = sizes.collect();
        let deviations = sizes.iter().map(|d| (2.0 * d).sqrt()).collect();
        use advect_core::Coefficient::{PerSample, Shared};
        combine(&[
            (Shared(1.0), x),
            (PerSample(sizes), &score),
            (PerSample(deviations), &z),
        ])
    }
}

impl<P: Rule> Rule for PredictorCorrector<P> {
    type Memory = P::Memory;

    fn step(
        &self,
        run: &mut Run<'_>,
        memory: &mut P::Memory,
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let mut x = self.predictor.step(run, memory, transition, x)?;
        // In a last step to the mean the corrector would put noise back.
        if transition.to.is_clean() || run.is_quiet() {
            return Ok(x);
        }
        for _ in 0..self.count {
            x = self.correct(run, &transition.to, &x)?;
        }
        Ok(x)
    }

    fn forget_state(&self, memory: &mut P::Memory) {
        self.predictor.forget_state(memory);
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        self.predictor.denoise(run, transition, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Ddim;

    #[test]
    fn bad_settings_are_refused() {
        assert!(PredictorCorrector::new(Ddim::new(), 0, 0.16).is_err());
        assert!(PredictorCorrector::new(Ddim::new(), 1, -0.16).is_err());
    }
}
