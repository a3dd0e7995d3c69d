//! Heun's method of order 2 (Heun 1900), the explicit trapezoidal rule.

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// Heun's method, `x' = x + h/2 (k1 + f(t + h, x + h k1))` with `k1 = f(t, x)`: order 2, two evaluations per step.
/// The difference to Euler's method estimates the error.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Heun};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = t³ by the trapezoidal rule: (0 + 1)/2.
/// let field = field_fn(|t, x| t.coefficient(|t| t.powi(3))?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// let end = Solver::new(Heun, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 0.5).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "explicit trapezoid")]
#[doc(alias = "heun2")]
#[doc(alias = "improved Euler")]
pub struct Heun;

impl RungeKutta for Heun {
    const TABLEAU: Tableau =
        Tableau::new(2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5]).with_error(1, &[-0.5, 0.5]);
}

impl EmbeddedRungeKutta for Heun {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Heun, order = 2, evaluations = 2, within = 2);
