//! The method of Bogacki and Shampine, 3(2) (A 3(2) pair of Runge–Kutta formulas, Appl. Math. Lett. 2, 1989).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// Order 3 with an embedded method of order 2; the last of its four stages is the first one of the next step, so that
/// an accepted step costs three evaluations. For tolerances of about 1e-2 to 1e-4.
///
/// ```
/// use advect_solvers::stepper::{Bosh3, Method, RungeKutta};
/// assert_eq!(Bosh3.order(), 3.0);
/// assert!(Bosh3::TABLEAU.first_same_as_last());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bosh3;

impl RungeKutta for Bosh3 {
    const TABLEAU: Tableau = Tableau::new(
        3,
        &[0.0, 1.0 / 2.0, 3.0 / 4.0, 1.0],
        &[
            &[],
            &[1.0 / 2.0],
            &[0.0, 3.0 / 4.0],
            &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0],
        ],
        &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0],
    )
    .with_error(
        2,
        &[
            2.0 / 9.0 - 7.0 / 24.0,
            1.0 / 3.0 - 1.0 / 4.0,
            4.0 / 9.0 - 1.0 / 3.0,
            -1.0 / 8.0,
        ],
    );
}

impl EmbeddedRungeKutta for Bosh3 {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Bosh3, order = 3, evaluations = 3, within = 3);
