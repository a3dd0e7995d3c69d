//! Divergences of fields, and the change of densities along them.
//!
//! | divergence | exact for | cost in evaluations |
//! | --- | --- | --- |
//! | [`Exact`] | every field | 1 + d |
//! | [`Hutchinson`] | the mean over probes | 1 + probes |
//! | [`HutchPlusPlus`] | Jacobians of low rank, and the mean over probes | 2 + 2 · sketches + probes |
//!
//! All are made of [`Jvp`]s, so they are differentiable: a loss that contains them is trained by one backward pass.
//! Fields without forward mode are evaluated through [`Transposed`], by backward mode. [`Flow`] integrates a state together
//! with its log-density: the change of variables on which likelihoods stand.

mod exact;
mod flow;
mod hutch_plus_plus;
mod hutchinson;
mod packed;
mod transported;
mod transposed;

use advect_core::{Error, Jvp, Result, Time, forward_to, shape};
use candle_core::Tensor;

pub use exact::Exact;
pub use flow::Flow;
pub use hutch_plus_plus::HutchPlusPlus;
pub use hutchinson::{Hutchinson, Probe};
pub use transported::Transported;
pub use transposed::Transposed;

/// A field's value and its divergence `∇·f = Σ_i ∂f_i/∂x_i` for each sample.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WithDivergence {
    /// The value, shaped like the state.
    pub value: Tensor,
    /// The divergence or its estimate, `(batch,)`; in f32 for states of 16 bits.
    pub divergence: Tensor,
    /// The standard error of the estimate, `(batch,)`, if there are two probes or more.
    pub standard_error: Option<Tensor>,
    /// The independent estimates whose mean is the divergence, each `(batch,)`; none if there is only one
    /// ([`Divergence::estimates`]).
    pub estimates: Vec<Tensor>,
    /// The square of the Jacobian's Frobenius norm, `‖∂f/∂x‖² = Σ_ij (∂f_i/∂x_j)²`, or its estimate, `(batch,)`; from
    /// [`Divergence::with_norm`].
    pub jacobian_norm: Option<Tensor>,
}

impl WithDivergence {
    /// Creates the result of a value and a divergence without a standard error. Set the other fields afterwards if
    /// they are known.
    pub fn new(value: Tensor, divergence: Tensor) -> Self {
        WithDivergence {
            value,
            divergence,
            standard_error: None,
            estimates: Vec::new(),
            jacobian_norm: None,
        }
    }
}

/// A method for the divergence of a field.
///
/// Of a new one [`Divergence::at`] is all that is needed.
#[doc(alias = "trace of the Jacobian")]
pub trait Divergence {
    /// Returns the value and the divergence at `(t, x)`.
    ///
    /// # Errors
    /// The errors of the field; a typed error if probes don't fit the state.
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence>;

    /// Returns the value, the divergence, and [`WithDivergence::jacobian_norm`], at `(t, x)`.
    ///
    /// # Errors
    /// As [`Divergence::at`]; [`Error::Range`] unless implemented: [`Exact`] and [`Hutchinson`] do.
    fn with_norm(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        let _ = (field, t, x);
        let accepted = "Exact or Hutchinson, which find it with the divergence";
        Err(Error::range(
            "divergence",
            "one without the norm of the Jacobian",
            accepted,
        ))
    }

    /// Returns the number of independent estimates whose mean is the divergence. If there are two or more,
    /// [`WithDivergence::estimates`] holds them, and a [`Flow`] integrates each, for a standard error at the end.
    fn estimates(&self) -> usize {
        1
    }
}

forward_to!([] Divergence {
    fn at(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence>;
    fn with_norm(&self, field: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence>;
    fn estimates(&self) -> usize;
});

/// `Σ a b` over each sample, of 16 bits in f32.
fn dot(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    shape::sum_per_sample(&(shape::wide(a)? * shape::wide(b)?)?)
}

/// Adds a part to a sum.
fn add(sum: &mut Option<Tensor>, part: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + part)?,
        None => part,
    });
    Ok(())
}
