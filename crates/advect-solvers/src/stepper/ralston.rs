//! Ralston's method of order 2 (Ralston, Runge–Kutta methods with minimum error bounds, Math. Comp. 16, 1962).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// Ralston's method, `x' = x + h (k1 + 3 k2)/4` with `k2 = f(t + 2h/3, x + 2h/3 k1)`: the method of order 2 with two
/// evaluations that has the smallest bound of its error. The difference to Euler's method estimates the error.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Ralston};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = t³: ¾ (2/3)³.
/// let field = field_fn(|t, x| t.coefficient(|t| t.powi(3))?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// let end = Solver::new(Ralston, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 2.0 / 9.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ralston;

impl RungeKutta for Ralston {
    const TABLEAU: Tableau =
        Tableau::new(2, &[0.0, 2.0 / 3.0], &[&[], &[2.0 / 3.0]], &[0.25, 0.75])
            .with_error(1, &[-0.75, 0.75]);
}

impl EmbeddedRungeKutta for Ralston {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Ralston, order = 2, evaluations = 2, within = 2);
