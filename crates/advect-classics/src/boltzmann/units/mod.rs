//! Visible units of a restricted Boltzmann machine.
//!
//! | units | values | law given `a = W h` |
//! | --- | --- | --- |
//! | [`BinaryUnits`] | 0 and 1 | Bernoulli, `σ(b + a)` |
//! | [`GaussianUnits`] | numbers | normal, mean `b + a`, variance σ² |

mod binary;
mod gaussian;

use advect_core::{Generator, Result};
use advect_ops::Value;
use candle_core::Tensor;

pub use binary::BinaryUnits;
pub(crate) use binary::check_binary;
pub use gaussian::GaussianUnits;

/// Visible units v with the energy `E₀(v)` that they have by themselves, and the form s(v) in which hidden units see them, `E(v, h) = E₀(v) − s(v)·Wh
/// − c·h`: an exponential family with the input `a = W h` as a parameter (Welling, Rosen-Zvi and Hinton 2005).
///
/// States and inputs are rows, `(batch, units)`.
pub trait VisibleUnits: Clone {
    /// Returns a parameter, `(units,)`, which shows the number of units, the dtype and the device.
    fn bias(&self) -> &Tensor;

    /// Checks that states are values of these units.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the argument otherwise.
    fn check(&self, argument: &'static str, v: &Tensor) -> Result<()>;

    /// Returns `E₀(v)`, `(batch,)`.
    ///
    /// # Errors
    /// Errors of candle.
    fn energy<V: Value>(&self, v: &V) -> Result<V>;

    /// Returns `s(v)`, like v.
    ///
    /// # Errors
    /// Errors of candle.
    fn seen<V: Value>(&self, v: &V) -> Result<V>;

    /// Returns `ln ∫ exp(s(v)·a − E₀(v)) dv` for inputs a, `(batch,)`; a sum where the values are discrete.
    ///
    /// # Errors
    /// Errors of candle.
    fn log_normalizer(&self, input: &Tensor) -> Result<Tensor>;

    /// Returns the expected values given inputs.
    ///
    /// # Errors
    /// Errors of candle.
    fn mean(&self, input: &Tensor) -> Result<Tensor>;

    /// Draws values given inputs.
    ///
    /// # Errors
    /// Errors of candle.
    fn sample(&self, input: &Tensor, rng: &mut Generator) -> Result<Tensor>;

    /// Returns the bias of independent units that fit data, rows.
    ///
    /// # Errors
    /// Errors of candle.
    fn fitted_bias(&self, data: &Tensor) -> Result<Tensor>;

    /// Returns the units with another bias.
    #[must_use]
    fn with_bias(&self, bias: Tensor) -> Self;

    /// Returns the units with parameters that are part of no graph.
    #[must_use]
    fn frozen(&self) -> Self;
}
