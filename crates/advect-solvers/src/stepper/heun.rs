//! Heun's method of order 2 (Heun 1900), the explicit trapezoidal rule.

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// `x' = x + h/2 (k1 + f(t + h, x + h k1))` with `k1 = f(t, x)`: order 2, two evaluations a step; the difference to
/// Euler's method estimates the error.
///
/// ```
/// use advect_solvers::stepper::{Heun, Method};
/// assert_eq!(Heun.order(), 2.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heun;

impl RungeKutta for Heun {
    const TABLEAU: Tableau =
        Tableau::new(2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5]).with_error(1, &[-0.5, 0.5]);
}

impl EmbeddedRungeKutta for Heun {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Heun, order = 2, evaluations = 2, within = 2);
