//! Accepted steps, with the solution at every time within them.

use advect_core::{Coefficient, Error, Result};
use candle_core::Tensor;

use crate::interpolant::hermite;
use crate::stepper::lagrange::weights;
use crate::{Interpolant, State, Tableau};

/// An accepted step with the solution within it: [`DenseStep::at`] returns the state at any time of the step.
///
/// [`Integration::observe_within`](crate::Integration::observe_within) shows each step of an integration, and
/// [`Save::Dense`](crate::Save::Dense) keeps all of them in [`Solution::steps`](crate::Solution::steps).
#[doc(alias = "dense output")]
#[doc(alias = "interpolation")]
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias = "Piece")]
pub struct DenseStep<X = Tensor> {
    /// The time at which the step starts.
    pub start: f64,
    /// The time at which the step ends, before `start` backwards in time.
    pub end: f64,
    /// The state at the start.
    pub x: X,
    /// The state at the end.
    pub end_x: X,
    pub(crate) slopes: Vec<X>,
    pub(crate) end_slope: Option<X>,
    pub(crate) tableau: Option<&'static Tableau>,
    pub(crate) nodes: Vec<f64>,
}

impl<X: State> DenseStep<X> {
    /// Returns `true` if `t` is within the step, its ends included.
    pub fn contains(&self, t: f64) -> bool {
        (self.start <= t && t <= self.end) || (self.end <= t && t <= self.start)
    }

    /// Returns the state at time `t` within the step, by the method's own interpolant, whose order its documentation
    /// states.
    ///
    /// # Errors
    /// [`Error::Range`] for a time outside of the step, and for one that is not its start or end if the method has no
    /// states between them ([`Method::is_continuous`](crate::stepper::Method::is_continuous)): a stochastic equation's
    /// solution within the step is not a function of its ends.
    pub fn at(&self, t: f64) -> Result<X> {
        if !self.contains(t) {
            let accepted = format!("a time from {} to {}", self.start, self.end);
            return Err(Error::range("t", t, accepted));
        }
        if t == self.end {
            return Ok(self.end_x.clone());
        }
        if t == self.start {
            return Ok(self.x.clone());
        }
        let h = self.end - self.start;
        let theta = (t - self.start) / h;
        let shared = Coefficient::Shared;
        let mut terms = Vec::with_capacity(self.slopes.len() + 2);
        match (self.tableau, &self.end_slope) {
            _ if !self.nodes.is_empty() => {
                let weights = weights(&self.nodes, theta);
                let weights = weights.iter().zip(&self.slopes);
                terms.extend(weights.map(|(w, k)| (shared(h * w), k)));
                terms.push((shared(1.0), &self.x));
            }
            (Some(tableau), _) if tableau.interpolant() != Interpolant::Hermite => {
                let weights = tableau.interpolant().weights(tableau.weights(), theta);
                let weights = weights.iter().zip(&self.slopes);
                let used = weights.filter(|(w, _)| **w != 0.0);
                terms.extend(used.map(|(w, k)| (shared(h * w), k)));
                terms.push((shared(1.0), &self.x));
            }
            (Some(_), Some(end_slope)) => {
                let [start, end, whole, _] = hermite(theta);
                terms.push((shared(h * start), &self.slopes[0]));
                terms.push((shared(h * end), end_slope));
                terms.push((shared(1.0 - whole), &self.x));
                terms.push((shared(whole), &self.end_x));
            }
            _ => {
                let accepted = format!(
                    "{} or {} (the method has no states between them; end a step there by Save::At)",
                    self.start, self.end
                );
                return Err(Error::range("t", t, accepted));
            }
        }
        X::combine(&terms)
    }
}
