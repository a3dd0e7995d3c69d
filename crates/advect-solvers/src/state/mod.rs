//! The states of differential equations.
//!
//! | state | use |
//! | --- | --- |
//! | [`Tensor`](candle_core::Tensor) | almost everything |
//! | `(A, B)`, `(A, B, C)` | several states at once: a sample and its log-density, say |
//! | `Vec<S>` | any number of states of one type |
//! | `[f64; N]`, `[f32; N]` | one trajectory of numbers, without a tensor |

mod list;
mod numbers;
mod tensor;
mod tuple;

use std::fmt::Debug;

use advect_core::{Coefficient, Result};
use advect_ops::ScaledError;

use crate::Interval;

/// A state that a [`Solver`](crate::Solver) can integrate: an element of a vector space whose size can be measured.
///
/// A pair is a state if both parts are, so that several tensors are one problem with one step size:
///
/// ```
/// use advect_core::{Time, system_fn};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A point on a circle, and the length of its way.
/// let field = system_fn(|_: &Time, (x, _): &(Tensor, Tensor)| {
///     let v = Tensor::cat(&[x.narrow(1, 1, 1)?.neg()?, x.narrow(1, 0, 1)?], 1)?;
///     let speed = v.sqr()?.sum(1)?.sqrt()?;
///     Ok((v, speed))
/// });
/// let x = Tensor::new(&[[1f64, 0.0], [0.0, 3.0]], &Device::Cpu)?;
/// let start = (x, Tensor::new(&[0f64, 0.0], &Device::Cpu)?);
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let (_, length) = solver.solve(&field, &start, 0.0, 1.0)?.end()?;
/// let length = length.to_vec1::<f64>()?;
/// assert!((length[0] - 1.0).abs() < 1e-8 && (length[1] - 3.0).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
///
/// An array of numbers is one trajectory, without a tensor and almost without an allocation:
///
/// ```
/// use advect_core::{Time, system_fn};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// # fn main() -> advect_core::Result<()> {
/// let pendulum = system_fn(|_: &Time, [angle, speed]: &[f64; 2]| Ok([*speed, -angle.sin()]));
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let [angle, speed] = solver.solve(&pendulum, &[0.5, 0.0], 0.0, 10.0)?.end()?;
/// let energy = 0.5 * speed * speed - angle.cos();
/// assert!((energy + 0.5f64.cos()).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
pub trait State: Clone + Debug {
    /// Returns `Σ_k c_k x_k`. The factors may differ from sample to sample.
    ///
    /// # Errors
    /// [`Error::Empty`](advect_core::Error::Empty) without terms; a typed error if their shapes differ.
    fn combine(terms: &[(Coefficient, &Self)]) -> Result<Self>;

    /// Returns `x + h Σ_i w_i k_i`, or `h Σ_i w_i k_i` without `x`, with h the size of a step and k the slopes of its stages.
    /// Weights of 0 are left out; at least one is another number, or there is an `x`.
    ///
    /// It is [`State::combine`] of these terms, and a state for which a list of terms is dear overrides it.
    ///
    /// # Errors
    /// As [`State::combine`].
    fn combine_stages(
        interval: &Interval,
        weights: &[f64],
        slopes: &[Self],
        x: Option<&Self>,
    ) -> Result<Self> {
        combine_stages(interval, weights, slopes, x)
    }

    /// Checks that this state can be the start of an integration: floats, not empty, finite.
    ///
    /// # Errors
    /// A typed error naming `argument`.
    fn check(&self, argument: &'static str) -> Result<()>;

    /// Checks that this state has the shape, dtype and device of another one.
    ///
    /// # Errors
    /// A typed error naming `argument`.
    fn alike(&self, argument: &'static str, name: &'static str, reference: &Self) -> Result<()>;

    /// Returns the sample, counted along the first dimension, of the first element that is NaN or infinite.
    ///
    /// # Errors
    /// The errors of candle.
    fn not_finite(&self) -> Result<Option<usize>>;

    /// Returns the same state outside of any graph.
    fn detach(&self) -> Self;

    /// Returns the largest relative error of rounding a number to the state's dtype: half of the distance from 1 to
    /// the next number. Tolerances are compared with it.
    fn unit_roundoff(&self) -> f64;

    /// Scales this error of a step from x to y by tolerances.
    ///
    /// # Errors
    /// The errors of candle.
    fn scaled_error(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<ScaledError>;
}

/// `x + h Σ_i w_i k_i`, by a list of terms.
fn combine_stages<X: State>(
    interval: &Interval,
    weights: &[f64],
    slopes: &[X],
    x: Option<&X>,
) -> Result<X> {
    let used = weights.iter().zip(slopes).filter(|(w, _)| **w != 0.0);
    let mut terms = Vec::with_capacity(slopes.len() + 1);
    terms.extend(used.map(|(w, slope)| (interval.factor(*w), slope)));
    // Last, so that the small terms are summed before they are rounded to the digits of x.
    terms.extend(x.map(|x| (Coefficient::Shared(1.0), x)));
    X::combine(&terms)
}

/// A [`State`] made of samples along the first dimension, each of which can be integrated at its own pace.
pub trait Samples: State {
    /// Returns the number of samples.
    ///
    /// # Errors
    /// A typed error naming `argument` if parts don't agree.
    fn samples(&self, argument: &'static str) -> Result<usize>;

    /// Gathers samples by their positions in several states, which count as one after the other.
    ///
    /// # Errors
    /// The errors of candle.
    fn gather(parts: &[&Self], positions: &[u32]) -> Result<Self>;

    /// Scales this error of a step by tolerances, sample by sample, as [`State::scaled_error`].
    ///
    /// # Errors
    /// The errors of candle.
    fn scaled_errors(&self, x: &Self, y: &Self, rtol: f64, atol: f64) -> Result<Vec<ScaledError>>;
}
