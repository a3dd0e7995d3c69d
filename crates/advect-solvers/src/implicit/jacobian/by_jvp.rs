//! Jacobians by forward mode.

use advect_core::{Field, Jvp, Result};
use candle_core::{DType, Tensor};

use super::{Jacobian, Linearized};
use crate::implicit::{Coordinates, Matrices};

/// Jacobians by a field's own forward-mode derivatives: exact, at the price of a derivative for each element of a sample.
/// They don't count among the evaluations of an integration.
///
/// ```
/// use advect_core::Field;
/// use advect_core::testing::problems::{Problem, Rotation};
/// # use advect_core::{Jvp, Result, Time};
/// use advect_solvers::implicit::{ByJvp, ImplicitRungeKutta, Kvaerno3};
/// use advect_solvers::{Solver, controller::Fixed};
/// # use candle_core::Tensor;
/// # struct Turn(Rotation);
/// # impl Field for Turn { fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> { self.0.at(t, x) } }
/// # impl Jvp for Turn {
/// #     fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
/// #         Ok((self.0.at(t, x)?, self.0.at(t, dx)?))
/// #     }
/// # }
/// # fn main() -> advect_core::Result<()> {
/// # let turn = Turn(Rotation { omega: 1.0 });
/// let x = turn.0.solution(0.0)?;
/// let solver = Solver::new(Kvaerno3.with_jacobian(ByJvp(&turn)), Fixed::steps(100)?);
/// let end = solver.solve(&turn, &x, 0.0, 1.0)?.end()?;
/// let error = (end - turn.0.solution(1.0)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(error < 1e-6);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "jacfwd")]
#[doc(alias = "forward mode")]
pub struct ByJvp<F>(pub F);

impl<F: Jvp> Jacobian<Tensor> for ByJvp<F> {
    fn matrices(&self, _: &dyn Field, at: &Linearized<'_, Tensor>) -> Result<Matrices> {
        let (samples, width) = at.x.extent()?;
        let direction = |j: usize| {
            let ones = (0..samples * width).map(|i| if i % width == j { 1.0 } else { 0.0 });
            at.x.with_numbers(ones.collect())
        };
        let directions = (0..width).map(direction).collect::<Result<Vec<_>>>()?;
        let (_, columns) = self.0.jvp_each(at.t, at.x, &directions)?;
        let columns: Vec<Tensor> = columns
            .iter()
            .map(|c| c.detach().reshape((samples, width)))
            .collect::<candle_core::Result<_>>()?;
        Matrices::from_tensor(&Tensor::stack(&columns, 2)?.to_dtype(DType::F64)?)
    }
}
