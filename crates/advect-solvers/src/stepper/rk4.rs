//! The classical Runge–Kutta method (Kutta 1901).

use super::RungeKutta;
use crate::Tableau;

/// The classical Runge–Kutta method of order 4, with four evaluations per step.
///
/// Some libraries name the [3/8 rule](super::Rk4ThreeEighths) "rk4"; this is the one with two stages at
/// the midpoint.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = t⁴ by Simpson's rule: (0 + 4/16 + 1)/6.
/// let field = field_fn(|t, x| t.coefficient(|t| t.powi(4))?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// let end = Solver::new(Rk4, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 5.0 / 24.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "RK4")]
#[doc(alias = "Runge-Kutta")]
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
