//! The explicit midpoint method (Runge 1895).

use super::{EmbeddedRungeKutta, RungeKutta};
use crate::Tableau;

/// The midpoint method, `x' = x + h f(t + h/2, x + h/2 f(t, x))`: order 2, two evaluations per step. The difference
/// to Euler's method estimates the error.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Midpoint};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = t³ in the middle.
/// let field = field_fn(|t, x| t.coefficient(|t| t.powi(3))?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// let end = Solver::new(Midpoint, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 0.125).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "modified Euler")]
pub struct Midpoint;

impl RungeKutta for Midpoint {
    const TABLEAU: Tableau =
        Tableau::new(2, &[0.0, 0.5], &[&[], &[0.5]], &[0.0, 1.0]).with_error(1, &[-1.0, 1.0]);
}

impl EmbeddedRungeKutta for Midpoint {}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(Midpoint, order = 2, evaluations = 2, within = 2);
