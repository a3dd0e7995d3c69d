//! Euler's method (Euler 1768).

use super::RungeKutta;
use crate::Tableau;

/// Euler's method, `x' = x + h f(t, x)`: order 1, one evaluation per step.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Euler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = x: 1 + h.
/// let field = field_fn(|_, x| Ok(x.clone()));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let end = Solver::new(Euler, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 2.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "forward Euler")]
pub struct Euler;

impl RungeKutta for Euler {
    const TABLEAU: Tableau = Tableau::new(1, &[0.0], &[&[]], &[1.0]);
}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Euler, order = 1, evaluations = 1, within = 1);
