//! Dormand and Prince's method with the error estimate of Shampine (Some practical Runge–Kutta formulas, Math. Comp. 46,
//! 1986, p. 149).

use super::{Dopri5, EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// The method [`Dopri5`] with another embedded method of order 4, whose estimates are smaller: at the same tolerance,
/// steps are longer. It is the dopri5 of torchdiffeq and diffrax; SciPy, MATLAB and Hairer's DOPRI5 use [`Dopri5`].
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::stepper::{Dopri5, Dopri5Shampine, Embedded};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let steps = |stepper: &dyn Embedded| -> advect_core::Result<usize> {
///     let solution = Solver::new(stepper, Adaptive::new(1e-9, 1e-9)?).solve(&decay, &x, 0.0, 10.0)?;
///     Ok(solution.statistics.accepted)
/// };
/// assert!(steps(&Dopri5Shampine)? < steps(&Dopri5)?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "torchdiffeq")]
#[doc(alias = "diffrax")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "RK45")]
#[doc(alias = "DOPRI5")]
pub struct Dopri5Shampine;

impl RungeKutta for Dopri5Shampine {
    const TABLEAU: Tableau = Dopri5::TABLEAU.with_error(
        4,
        &[
            35.0 / 384.0 - 1951.0 / 21600.0,
            0.0,
            500.0 / 1113.0 - 22642.0 / 50085.0,
            125.0 / 192.0 - 451.0 / 720.0,
            -2187.0 / 6784.0 + 12231.0 / 42400.0,
            11.0 / 84.0 - 649.0 / 6300.0,
            -1.0 / 60.0,
        ],
    );
}

impl EmbeddedRungeKutta for Dopri5Shampine {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Dopri5Shampine, order = 5, evaluations = 6, within = 5);
