//! DDIM's steps with bounded data and unbounded noise.

use advect_core::{Result, check};
use advect_ops::combine;
use advect_samplers::rule::Rule;
use advect_samplers::threshold::Threshold;
use advect_samplers::{Estimate, Level, Run, Transition};
use candle_core::Tensor;

use super::clip::Clip;

/// The step `x' = α' clip(D) + σ' ε` with the expected data D and noise ε. A [`Thresholded`](advect_samplers::threshold::Thresholded) model
/// would give the noise that the bounded data leaves; diffusers' scheduler keeps that of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClippedDdim {
    pub(super) clip: Clip,
    /// Whether there is another step at the end, from the last level to itself, which does nothing without a bound.
    pub(super) stays: bool,
}

impl ClippedDdim {
    /// The bounded data of an estimate.
    fn data(&self, estimate: &Estimate<'_, '_>) -> Result<Tensor> {
        let data = estimate.data()?;
        // A bound would hide what is not finite.
        check::finite("field", &data)?;
        self.clip.apply(&data)
    }

    fn between(&self, run: &mut Run<'_>, from: Level, to: Level, x: &Tensor) -> Result<Tensor> {
        let estimate = run.evaluate(from.time, x)?;
        let data = self.data(&estimate)?;
        if to.is_clean() {
            return combine(&[(to.alpha.into(), &data)]);
        }
        let noise = estimate.noise()?;
        combine(&[(to.alpha.into(), &data), (to.sigma.into(), &noise)])
    }
}

impl Rule for ClippedDdim {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (from, to) = (transition.from, transition.to);
        let x = self.between(run, from, to, x)?;
        match self.stays && transition.is_last() {
            true => self.between(run, to, to, &x),
            false => Ok(x),
        }
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        self.data(&run.evaluate(transition.from.time, x)?)
    }
}
