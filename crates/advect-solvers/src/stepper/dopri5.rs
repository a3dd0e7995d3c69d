//! The method of Dormand and Prince, 5(4) (A family of embedded Runge–Kutta formulae, J. Comput. Appl.
//! Math. 6, 1980, table 2).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::{Interpolant, Tableau};

/// The pair of Dormand and Prince, of order 5 with an embedded method of order 4. The last of its seven stages is the
/// first one of the next step, so that an accepted step costs six evaluations. It advances with the weights of order 5.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solution = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?).solve(&decay, &x, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - (-1f64).exp()).abs() < 10.0 * 1e-6);
/// // Two evaluations choose the first step, one of which it begins with.
/// let cost = solution.statistics;
/// assert_eq!(cost.evaluations, 2 + 6 * (cost.accepted + cost.rejected));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Dormand–Prince")]
#[doc(alias = "Dormand-Prince")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "RK45")]
#[doc(alias = "ode45")]
#[doc(alias = "DOPRI5")]
#[doc(alias = "dopri")]
pub struct Dopri5;

impl RungeKutta for Dopri5 {
    const TABLEAU: Tableau = Tableau::new(
        5,
        &[0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0, 1.0],
        &[
            &[],
            &[1.0 / 5.0],
            &[3.0 / 40.0, 9.0 / 40.0],
            &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
            &[
                19372.0 / 6561.0,
                -25360.0 / 2187.0,
                64448.0 / 6561.0,
                -212.0 / 729.0,
            ],
            &[
                9017.0 / 3168.0,
                -355.0 / 33.0,
                46732.0 / 5247.0,
                49.0 / 176.0,
                -5103.0 / 18656.0,
            ],
            &[
                35.0 / 384.0,
                0.0,
                500.0 / 1113.0,
                125.0 / 192.0,
                -2187.0 / 6784.0,
                11.0 / 84.0,
            ],
        ],
        &[
            35.0 / 384.0,
            0.0,
            500.0 / 1113.0,
            125.0 / 192.0,
            -2187.0 / 6784.0,
            11.0 / 84.0,
            0.0,
        ],
    )
    .with_error(
        4,
        &[
            35.0 / 384.0 - 5179.0 / 57600.0,
            0.0,
            500.0 / 1113.0 - 7571.0 / 16695.0,
            125.0 / 192.0 - 393.0 / 640.0,
            -2187.0 / 6784.0 + 92097.0 / 339200.0,
            11.0 / 84.0 - 187.0 / 2100.0,
            -1.0 / 40.0,
        ],
    )
    .with_interpolant(4, Interpolant::Quartic(&MIDDLE));
}

/// The weights of the state in the middle of a step (Shampine, Some practical Runge–Kutta formulas, Math. Comp. 46,
/// 1986); the interpolant is the one of Hairer, Nørsett and Wanner's DOPRI5.
const MIDDLE: [f64; 7] = [
    6025192743.0 / 30085553152.0 / 2.0,
    0.0,
    51252292925.0 / 65400821598.0 / 2.0,
    -2691868925.0 / 45128329728.0 / 2.0,
    187940372067.0 / 1594534317056.0 / 2.0,
    -1776094331.0 / 19743644256.0 / 2.0,
    11237099.0 / 235043384.0 / 2.0,
];

impl EmbeddedRungeKutta for Dopri5 {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Dopri5, order = 5, evaluations = 6, within = 5);
