//! Bridge matching (Shi et al. 2023, "Diffusion Schrödinger bridge matching"; Peluchetti 2023, "Diffusion bridge
//! mixture transports, Schrödinger bridge problems and generative modeling"; Liu et al. 2022, "Let us build
//! bridges").

use advect_core::Result;
use advect_paths::path::BridgeDrift;
use advect_paths::{Direction, Prediction};

use super::Regression;
use crate::time_sampler::Uniform;
use crate::weighting::RemainingTime;

/// Creates the regression of a drift on that of Brownian bridges of diffusion σ:
/// `(1 − t) |b(t, x_t) − (x1 − x_t)/(1 − t)|² / d` forwards, `t |b(t, x_t) − (x_t − x0)/t|² / d` backwards.
///
/// Its minimiser is the drift of the Markov process `dx = b dt + σ dw` with the marginals of the mixture of bridges
/// between the pairs, in the direction of [`BridgeDrift`]. If the pairs are those of the static Schrödinger bridge,
/// the process is the Schrödinger bridge. If not, the process makes pairs that are nearer to it, on which the drift
/// of the other direction is trained next: iterative Markovian fitting, which `MarkovianFitting` of `advect-samplers`
/// drives.
///
/// Without the weights [`RemainingTime`] the expected loss is infinite. Other weights, and times away from the end
/// ([`UniformWithin`](crate::time_sampler::UniformWithin)), serve as well: it is a [`Regression`], in which they are
/// set.
///
/// ```
/// use advect_core::{Generator, field_fn};
/// use advect_objectives::objective::{Objective, bridge_matching};
/// use advect_paths::Direction;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = Tensor::zeros((20_000, 1), DType::F64, &Device::Cpu)?;
/// // From 0 to 0 the drift is −σ √(t/(1 − t)) z, of the mean square σ² t/(1 − t).
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let loss = bridge_matching(2.0, Direction::Forwards)?.loss(&still, &x, &x, &mut rng)?;
/// assert!((loss.to_scalar::<f64>()? - 4.0 * 0.5).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) unless σ is finite and above 0.
#[doc(alias = "DSBM")]
#[doc(alias = "IMF")]
#[doc(alias = "bridge matching")]
pub fn bridge_matching(
    sigma: f64,
    direction: Direction,
) -> Result<Regression<BridgeDrift, Uniform, RemainingTime>> {
    let path = BridgeDrift::new(sigma, direction)?;
    let regression = Regression::new(path, Prediction::Velocity);
    Ok(regression.weighting(RemainingTime::new(direction)))
}
