//! The trapezoidal rule.

use super::ImplicitRungeKutta;
use super::implicit_runge_kutta::stepper_by_differences;
use crate::Tableau;

/// The trapezoidal rule, `x' = x + h/2 (f(t, x) + f(t + h, x'))`: order 2, A-stable, `R(z) = (1 + z/2) / (1 − z/2)`.
///
/// It keeps the size of oscillations, |R(iy)| = 1, and does not damp what decays fast: R(−∞) = −1. Its error estimate, of
/// order 1, is the difference to the implicit Euler method, `h/2 (f(t, x) − f(t + h, x'))`, multiplied by `(I − h/2 J)⁻¹` so
/// that it is bounded for stiff equations.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, implicit::TrapezoidalRule};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let turn = field_fn(|_, x| Ok(Tensor::cat(&[x.narrow(1, 1, 1)?.neg()?, x.narrow(1, 0, 1)?], 1)?));
/// let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
/// let end = Solver::new(TrapezoidalRule, Fixed::steps(10)?).solve(&turn, &x, 0.0, 50.0)?.end()?;
/// assert!((end.sqr()?.sum_all()?.to_scalar::<f64>()? - 25.0).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Crank-Nicolson")]
#[doc(alias = "Crank–Nicolson")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrapezoidalRule;

impl ImplicitRungeKutta for TrapezoidalRule {
    const TABLEAU: Tableau = Tableau::implicit(2, &[0.0, 1.0], &[&[], &[0.5, 0.5]], &[0.5, 0.5])
        .with_error(1, &[0.5, -0.5]);
    const ERROR_FILTER: Option<f64> = Some(0.5);
}

stepper_by_differences!(TrapezoidalRule);
