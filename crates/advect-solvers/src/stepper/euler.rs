//! Euler's method (Euler 1768).

use super::RungeKutta;
use crate::Tableau;

/// `x' = x + h f(t, x)`: order 1, one evaluation a step.
///
/// ```
/// use advect_solvers::stepper::{Euler, Method};
/// assert_eq!(Euler.order(), 1.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Euler;

impl RungeKutta for Euler {
    const TABLEAU: Tableau = Tableau::new(1, &[0.0], &[&[]], &[1.0]);
}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Euler, order = 1, evaluations = 1, within = 1);
