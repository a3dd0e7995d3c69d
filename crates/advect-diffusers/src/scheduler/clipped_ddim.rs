//! DDIM's steps with bounded data and unbounded noise.

use advect_core::Result;
use advect_ops::combine;
use advect_samplers::rule::Rule;
use advect_samplers::threshold::Threshold;
use advect_samplers::{Run, Transition};
use candle_core::Tensor;

use super::clip::Clip;

/// The step `x' = α' clip(D) + σ' ε` with the expected data D and noise ε. A [`Thresholded`](advect_samplers::threshold::Thresholded) model
/// would give the noise that the bounded data leaves; diffusers' scheduler keeps that of the network.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClippedDdim(pub(super) Clip);

impl Rule for ClippedDdim {
    type Memory = ();

    fn step(
        &self,
        run: &mut Run<'_>,
        _: &mut (),
        transition: &Transition,
        x: &Tensor,
    ) -> Result<Tensor> {
        let (to, estimate) = (transition.to, run.evaluate(transition.from.time, x)?);
        let data = self.0.apply(&estimate.data()?)?;
        if to.is_clean() {
            return combine(&[(to.alpha.into(), &data)]);
        }
        let noise = estimate.noise()?;
        combine(&[(to.alpha.into(), &data), (to.sigma.into(), &noise)])
    }

    fn denoise(&self, run: &mut Run<'_>, transition: &Transition, x: &Tensor) -> Result<Tensor> {
        self.0
            .apply(&run.evaluate(transition.from.time, x)?.data()?)
    }
}
