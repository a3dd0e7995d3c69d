//! The implicit Euler method.

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::Tableau;

/// The implicit Euler method, `x' = x + h f(t + h, x')`: order 1, L-stable, `R(z) = 1 / (1 − z)`.
///
/// Its error estimate is the difference to the trapezoidal rule, `h/2 (f(t + h, x') − f(t, x))`, multiplied by
/// `(I − h J)⁻¹` so that it is bounded for stiff equations.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, implicit::ImplicitEuler};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok((x * -99.0)?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let end = Solver::new(ImplicitEuler, Fixed::steps(2)?).solve(&decay, &x, 0.0, 2.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 1e-4).abs() < 1e-12); // (1 / (1 + 99))²
/// # Ok(())
/// # }
/// ```
#[doc(alias = "backward Euler")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImplicitEuler;

impl ImplicitRungeKutta for ImplicitEuler {
    const TABLEAU: Tableau = Tableau::implicit(1, &[0.0, 1.0], &[&[], &[0.0, 1.0]], &[0.0, 1.0])
        .with_error(2, &[-0.5, 0.5]);
    const ERROR_FILTER: Option<f64> = Some(1.0);
}

stepper_by_differences!(ImplicitEuler);
