//! The classical Runge–Kutta method (Kutta 1901).

use super::RungeKutta;
use crate::Tableau;

/// The classical method of order 4, four evaluations a step.
///
/// Some libraries name the [3/8 rule](super::Rk4ThreeEighths) "rk4"; this is the one with two stages at
/// the midpoint.
///
/// ```
/// use advect_solvers::stepper::{Method, Rk4};
/// assert_eq!(Rk4.order(), 4.0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rk4;

impl RungeKutta for Rk4 {
    const TABLEAU: Tableau = Tableau::new(
        4,
        &[0.0, 0.5, 0.5, 1.0],
        &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
        &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    );
}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Rk4, order = 4, evaluations = 4, within = 4);
