//! The 3/8 rule (Kutta 1901).

use super::RungeKutta;
use crate::Tableau;

/// Kutta's 3/8 rule of order 4, with four evaluations per step and slightly smaller error constants than the
/// [classical method](super::Rk4).
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed, stepper::Rk4ThreeEighths};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = t⁴ by the 3/8 rule: (0 + 3/81 + 48/81 + 1)/8.
/// let field = field_fn(|t, x| t.coefficient(|t| t.powi(4))?.times(&x.ones_like()?));
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// let end = Solver::new(Rk4ThreeEighths, Fixed::steps(1)?).solve(&field, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 11.0 / 54.0).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "rk4")]
pub struct Rk4ThreeEighths;

impl RungeKutta for Rk4ThreeEighths {
    const TABLEAU: Tableau = Tableau::new(
        4,
        &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0],
        &[&[], &[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0]],
        &[1.0 / 8.0, 3.0 / 8.0, 3.0 / 8.0, 1.0 / 8.0],
    );
}

#[cfg(test)]
crate::stepper::contract::stepper_contract!(
    Rk4ThreeEighths,
    order = 4,
    evaluations = 4,
    within = 4
);
