//! Iterative α-(de)blending (Heitz, Belcour and Chambon 2023, section 4).

use advect_paths::path::Affine;
use advect_paths::schedule::CondOt;

use super::{Regression, rectified_flow};

/// `|D(x_α, α) − (x1 − x0)|² / d` with `x_α = (1 − α) x0 + α x1`: the mean difference of the ends that a blend may have. It
/// is [`rectified_flow`] by another name; sampling by Euler's steps is the paper's algorithm 4, and
/// [`blend`](advect_paths::closed_form::blend) the stochastic loop that it comes from.
///
/// ```
/// use advect_objectives::objective::{iadb, rectified_flow};
/// assert_eq!(iadb(), rectified_flow());
/// ```
pub fn iadb() -> Regression<Affine<CondOt>> {
    rectified_flow()
}
