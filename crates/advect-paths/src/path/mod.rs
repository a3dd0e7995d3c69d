//! Paths: the state of a pair (x0, x1) at time t, its velocity, and the other targets for a field there.
//!
//! | path | x_t | velocity |
//! | --- | --- | --- |
//! | [`Affine`] | `α x1 + σ x0` | `α' x1 + σ' x0` |
//! | [`ConstantSigma`] | `t x1 + (1 − t) x0 + σ z` | `x1 − x0` |
//! | [`SchrodingerBridge`] | `t x1 + (1 − t) x0 + σ √(t(1 − t)) z` | `x1 − x0 + σ (1 − 2t)/(2√(t(1 − t))) z` |
//! | [`BridgeDrift`] | the same | `(x1 − x_t)/(1 − t)`, or `(x_t − x0)/t` |
//! | [`Interpolant`] | `α x1 + σ x0 + γ z` | `α' x1 + σ' x0 + γ' z` |
//! | [`ConditionalGaussian`] | `μ_t(x1) + σ_t(x1) x0` | `μ' + σ' x0` |
//! | [`Marginal`] | the x_t of another path | any field, at x_t |

mod affine;
mod bridge_drift;
mod conditional_gaussian;
mod constant_sigma;
#[cfg(test)]
mod contract;
pub mod gamma;
mod interpolant;
mod marginal;
mod moments;
mod point;
mod schrodinger_bridge;

use advect_core::{Coefficient, Error, Generator, Result, Time, check, forward_to};
use candle_core::Tensor;

pub use affine::Affine;
pub use bridge_drift::BridgeDrift;
pub use conditional_gaussian::ConditionalGaussian;
pub use constant_sigma::ConstantSigma;
pub use interpolant::Interpolant;
pub use marginal::Marginal;
pub use moments::{Moments, moments_fn};
pub use point::PathPoint;
pub use schrodinger_bridge::SchrodingerBridge;

/// A conditional probability path p_t(x | x0, x1) with its velocity.
///
/// Your own path is one impl. A path that needs no randomness leaves `rng` alone:
///
/// ```
/// use advect_core::{Generator, Result, Time};
/// use advect_paths::path::{Path, PathPoint};
/// use candle_core::{Device, Tensor};
///
/// /// A detour: `x_t = x0 + t² (x1 − x0)`.
/// struct Late;
///
/// impl Path for Late {
///     fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<PathPoint> {
///         let way = (x1 - x0)?;
///         let x = (x0 + t.coefficient(|t| t * t)?.times(&way)?)?;
///         Ok(PathPoint::new(x, t.coefficient(|t| 2.0 * t)?.times(&way)?))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let (x0, x1) = (Tensor::new(&[0.0f32], &Device::Cpu)?, Tensor::new(&[8.0f32], &Device::Cpu)?);
/// let point = Late.sample(&Time::Shared(0.5), &x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!((point.x.to_vec1::<f32>()?, point.velocity()?.to_vec1::<f32>()?), (vec![2.0], vec![8.0]));
/// # Ok(())
/// # }
/// ```
pub trait Path {
    /// Returns a point at time `t` (in [0, 1]) of the path between `x0` and `x1`, batches `(batch, ...)` of one
    /// shape, dtype and device. The path's own noise comes from `rng`.
    ///
    /// # Errors
    /// Typed errors for endpoints or times that do not fit.
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint>;
}

/// Checks the arguments of [`Path::sample`] and returns the times, for your own paths. The endpoints must be floats
/// of one shape, dtype and device, and the times in \[0, 1\], one for all or one for each sample.
///
/// # Errors
/// Typed errors that name the argument.
pub fn check_ends(t: &Time, x0: &Tensor, x1: &Tensor) -> Result<Vec<f64>> {
    check::float("x0", x0)?;
    check::alike("x1", x1, "x0", x0)?;
    t.fits(check::batch("x0", x0)?)?;
    let times = t.values()?;
    match times.iter().find(|t| !(0.0..=1.0).contains(*t)) {
        Some(outside) => Err(Error::range("t", outside, "a time in [0, 1]")),
        None => Ok(times),
    }
}

/// Turns a function of time into a factor for [`PathPoint::linear`], at the times of `t` that [`check_ends`]
/// returned. Unlike [`Time::coefficient`], it accepts values that are not finite, which are errors only if a target
/// that needs them is asked for.
pub fn factor(t: &Time, times: &[f64], f: &dyn Fn(f64) -> f64) -> Coefficient {
    match t {
        Time::Shared(_) => Coefficient::Shared(times.first().map_or(f64::NAN, |&t| f(t))),
        Time::PerSample(_) => Coefficient::PerSample(times.iter().map(|&t| f(t)).collect()),
    }
}

forward_to!([] Path {
    fn sample(&self, t: &Time, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<PathPoint>;
});
