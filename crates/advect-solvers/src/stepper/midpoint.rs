//! The explicit midpoint method (Runge 1895).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// `x' = x + h f(t + h/2, x + h/2 f(t, x))`: order 2, two evaluations a step; the difference to
/// Euler's method estimates the error.
///
/// ```
/// use advect_solvers::stepper::{Method, Midpoint};
/// assert_eq!(Midpoint.order(), 2.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Midpoint;

impl RungeKutta for Midpoint {
    const TABLEAU: Tableau =
        Tableau::new(2, &[0.0, 0.5], &[&[], &[0.5]], &[0.0, 1.0]).with_error(1, &[-1.0, 1.0]);
}

impl EmbeddedRungeKutta for Midpoint {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Midpoint, order = 2, evaluations = 2, within = 2);
