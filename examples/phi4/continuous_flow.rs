//! A continuous flow as an invertible map: the solution of an equation from time 0 to 1, with the integral of its divergence.

use advect::classics::flow::Layout;
use advect::prelude::*;
use advect::solvers::divergence::WithDivergence;

/// The map of a velocity whose divergence is known in closed form.
pub(crate) struct ContinuousFlow {
    flow: Flow<EquivariantVelocity, ClosedForm>,
    solver: Solver<Dopri5, Adaptive>,
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
    /// Creates the map on samples of a shape. Errors are held below a tolerance, in the density as in the field: with steps of a fixed
    /// size, a fit finds velocities whose error is the gain.
    ///
    /// # Errors
    /// [`Error::Range`] for a tolerance out of range.
    pub(crate) fn new(
        velocity: EquivariantVelocity,
        shape: &[usize],
        tolerance: f64,
    ) -> Result<Self> {
        Ok(ContinuousFlow {
            flow: Flow::new(velocity.clone(), ClosedForm(velocity)),
            solver: Solver::new(Dopri5, Adaptive::new(tolerance, tolerance)?),
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
