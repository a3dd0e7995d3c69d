//! The method of Bogacki and Shampine, 3(2) (A 3(2) pair of Runge–Kutta formulas, Appl. Math. Lett. 2, 1989).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// The pair of Bogacki and Shampine, of order 3 with an embedded method of order 2. The last of its four stages is
/// the first one of the next step, so that an accepted step costs three evaluations. It suits tolerances of about 1e-2 to 1e-4.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Bosh3};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solution = Solver::new(Bosh3, Adaptive::new(1e-4, 1e-4)?).solve(&decay, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - (-1f64).exp()).abs() < 10.0 * 1e-4);
/// // Two evaluations choose the first step, one of which it begins with.
/// let cost = solution.statistics;
/// assert_eq!(cost.evaluations, 2 + 3 * (cost.accepted + cost.rejected));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "RK23")]
#[doc(alias = "ode23")]
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
