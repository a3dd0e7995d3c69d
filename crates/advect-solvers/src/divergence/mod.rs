//! Divergences of fields, and how densities change along them.
//!
//! | | exact for | cost in evaluations |
//! | --- | --- | --- |
//! | [`Exact`] | every field | 1 + d |
//! | [`Hutchinson`] | the mean over probes | 1 + probes |
//! | [`HutchPlusPlus`] | Jacobians of low rank, and the mean over probes | 1 + probes, twice over |
//!
//! All are made of [`Jvp`]s, so they are differentiable: a loss that contains them is trained by one backward pass.
//! [`Flow`] integrates a state together with its log-density. Fields without forward mode are evaluated through
//! [`Transposed`], by backward mode.

mod exact;
mod flow;
mod hutch_plus_plus;
mod hutchinson;
mod transposed;

use advect_core::{Jvp, Result, Time, forward_to, shape};
use candle_core::Tensor;

pub use exact::Exact;
pub use flow::{Flow, Transported, pack, unpack};
pub use hutch_plus_plus::HutchPlusPlus;
pub use hutchinson::{Hutchinson, Probe};
pub use transposed::Transposed;

/// A field's value, and its divergence `∇·f = Σ_i ∂f_i/∂x_i` for each sample.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WithDivergence {
    /// The value, shaped like the state.
    pub value: Tensor,
    /// The divergence or its estimate, `(batch,)`; in f32 for states of 16 bits.
    pub divergence: Tensor,
    /// The standard error of the estimate, `(batch,)`, if there are two probes or more to tell it from.
    pub standard_error: Option<Tensor>,
}

impl WithDivergence {
    /// A value and a divergence without error.
    pub fn new(value: Tensor, divergence: Tensor) -> Self {
        WithDivergence {
            value,
            divergence,
            standard_error: None,
        }
    }
}

/// A way to find a field's divergence.
pub trait Divergence {
    /// The value and the divergence at `(t, x)`.
    ///
    /// # Errors
    /// Those of the field; a typed error if probes don't fit the state.
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence>;
}

forward_to!([] Divergence {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence>;
});

/// `Σ a b` over each sample, of 16 bits in f32.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    shape::sum_per_sample(&(shape::wide(a)? * shape::wide(b)?)?)
}
