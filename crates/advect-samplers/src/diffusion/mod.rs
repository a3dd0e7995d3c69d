//! The noise of an SDE along a path: the square of its diffusion coefficient, w²(t).
//!
//! | coefficient | w²(t) |
//! | --- | --- |
//! | [`ForwardDiffusion`] | `c g²` with the g of the forward process: the reverse SDE of score models for c = 1, the flow for c = 0 |
//! | [`NoiseLevel`] | `c σ`, and `c γ` on a stochastic interpolant: `w² s` is finite everywhere (one of SiT's choices) |
//! | [`diffusion_fn`] | a closure on time |

use advect_core::{FromFn, Result, check, forward_to};
use advect_paths::schedule::Schedule;

/// The square of the diffusion coefficient of a [`PathSde`](crate::PathSde) or a [`ReverseSde`](crate::rule::ReverseSde).
pub trait DiffusionCoefficient {
    /// Returns w²(t), which is not negative. The schedule is [`ScoredVelocity::schedule`](crate::ScoredVelocity::schedule), whose σ is the
    /// γ of a stochastic interpolant.
    fn squared(&self, schedule: &dyn Schedule, t: f64) -> f64;
}

forward_to!([] DiffusionCoefficient {
    fn squared(&self, schedule: &dyn Schedule, t: f64) -> f64;
});

impl<F: Fn(f64) -> f64> DiffusionCoefficient for FromFn<F> {
    fn squared(&self, _: &dyn Schedule, t: f64) -> f64 {
        (self.0)(t)
    }
}

/// Creates a [`DiffusionCoefficient`] from a closure that returns w²(t).
pub fn diffusion_fn<F: Fn(f64) -> f64>(f: F) -> FromFn<F> {
    FromFn(f)
}

/// The coefficient `c g²`, a multiple of that of the forward process (Song et al. 2021a, eq. 6). It is infinite where α = 0.
///
/// ```
/// use advect_paths::schedule::{Schedule, VariancePreserving};
/// use advect_samplers::diffusion::{DiffusionCoefficient, ForwardDiffusion};
/// # fn main() -> advect_core::Result<()> {
/// let vp = VariancePreserving::default();
/// assert_eq!(ForwardDiffusion::new(1.0)?.squared(&vp, 1.0), 0.1); // g² = β
/// # Ok(())
/// # }
/// ```
#[doc(alias = "score SDE")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ForwardDiffusion(f64);

impl ForwardDiffusion {
    /// Creates the coefficient with a factor c.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and not negative.
    pub fn new(factor: f64) -> Result<Self> {
        Ok(ForwardDiffusion(check::non_negative("factor", factor)?))
    }
}

impl DiffusionCoefficient for ForwardDiffusion {
    fn squared(&self, schedule: &dyn Schedule, t: f64) -> f64 {
        match self.0 == 0.0 {
            true => 0.0,
            false => self.0 * schedule.diffusion_squared(t),
        }
    }
}

/// The coefficient `c σ(t)` (Ma et al., SiT, 2024). Their code, whose noise is `√(2 D)`, has c = 2 by its form "sigma".
///
/// On a stochastic interpolant it is `c γ(t)`: with the expected noise η, `w² s = −c η` is finite at both ends.
#[doc(alias = "SiT")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel(f64);

impl NoiseLevel {
    /// Creates the coefficient with a factor c.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless it is finite and not negative.
    pub fn new(factor: f64) -> Result<Self> {
        Ok(NoiseLevel(check::non_negative("factor", factor)?))
    }
}

impl DiffusionCoefficient for NoiseLevel {
    fn squared(&self, schedule: &dyn Schedule, t: f64) -> f64 {
        self.0 * schedule.sigma(t)
    }
}
