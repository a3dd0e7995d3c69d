//! Draws of binary units.

use advect_core::{Generator, Result};
use candle_core::Tensor;

/// Draws ones with the given probabilities, and zeros otherwise.
pub(crate) fn bernoulli(probabilities: &Tensor, rng: &mut Generator) -> Result<Tensor> {
    let p = probabilities.detach();
    let uniform = rng.uniform(0.0..1.0, p.shape(), p.dtype(), p.device())?;
    Ok(uniform.lt(&p)?.to_dtype(p.dtype())?)
}
