//! A continuous flow as an invertible map: the solution of an equation from time 0 to 1, with the integral of its divergence.

use advect::classics::flow::Layout;
use advect::prelude::*;
use advect::solvers::divergence::WithDivergence;

/// The map of a velocity whose divergence is known in closed form.
pub(crate) struct ContinuousFlow {
    flow: Flow<EquivariantVelocity, ClosedForm>,
    solver: Solver<Rk4, Fixed>,
    shape: Vec<usize>,
}

/// The divergence that the velocity itself knows.
struct ClosedForm(EquivariantVelocity);

impl Divergence for ClosedForm {
    fn at(&self, _: &dyn Jvp, t: &Time, x: &Tensor) -> Result<WithDivergence> {
        let (value, divergence) = self.0.with_divergence(t, x)?;
        Ok(WithDivergence::new(value, divergence))
    }
}

impl ContinuousFlow {
    /// Creates the map on samples of a shape, by a number of Runge–Kutta steps.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub(crate) fn new(
        velocity: EquivariantVelocity,
        shape: &[usize],
        steps: usize,
    ) -> Result<Self> {
        Ok(ContinuousFlow {
            flow: Flow::new(velocity.clone(), ClosedForm(velocity)),
            solver: Solver::new(Rk4, Fixed::steps(steps)?),
            shape: shape.to_vec(),
        })
    }

    fn moved(&self, x: &Tensor, start: f64, end: f64) -> Result<(Tensor, Tensor)> {
        let moved = self.flow.transport(&self.solver, x, start, end)?;
        Ok((moved.x, moved.log_density_change.neg()?))
    }
}

impl Bijection for ContinuousFlow {
    fn forward_given(&self, x: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.moved(x, 0.0, 1.0)
    }

    fn inverse_given(&self, y: &Tensor, _: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.moved(y, 1.0, 0.0)
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        let accepted = format!("samples of the shape {:?}", self.shape);
        if data.shape() != self.shape {
            return Err(Error::shape("data", data.shape(), accepted));
        }
        data.clone().with_changed(vec![true; data.changed().len()])
    }
}
