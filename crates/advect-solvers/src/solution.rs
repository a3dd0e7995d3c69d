//! What an integration gives.

use advect_core::{Error, Result};
use candle_core::Tensor;

/// How an integration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// It reached the end.
    Reached,
    /// It made as many steps as the controller allows.
    StepLimit,
    /// The next step is too small to change the time: a singularity, a tolerance below what the dtype can
    /// resolve, or a grid finer than f64.
    StepUnderflow,
    /// The state became NaN or infinite.
    NonFinite,
}

/// What an integration cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Evaluations of the field.
    pub evaluations: usize,
    /// Steps accepted.
    pub accepted: usize,
    /// Steps rejected.
    pub rejected: usize,
}

/// The states of an integration as far as it came, how it ended, and what it cost.
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Solver, Status, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = x² from 1 is infinite at t = 1: what was reached is kept.
/// let explosion = |_: &Time, x: &Tensor| Ok(x.sqr()?);
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
/// let solution = solver.solve(&explosion, &x, 0.0, 2.0)?;
/// assert_ne!(solution.status, Status::Reached);
/// assert!(solution.last_time > 0.99 && solution.last_time < 1.01);
/// assert!(solution.end().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Solution {
    /// The times of the saved states.
    pub times: Vec<f64>,
    /// The saved states, each shaped like the initial state.
    pub states: Vec<Tensor>,
    /// The last time that was reached.
    pub last_time: f64,
    /// The state at the last time.
    pub last_state: Tensor,
    /// How the integration ended.
    pub status: Status,
    /// What it cost.
    pub statistics: Statistics,
}

impl Solution {
    /// The state at the end.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the integration did not reach the end; the solution's fields tell what it
    /// did reach.
    pub fn end(&self) -> Result<Tensor> {
        let reason = match self.status {
            Status::Reached => return Ok(self.last_state.clone()),
            Status::StepLimit => "the limit of steps was reached",
            Status::StepUnderflow => "the step size underflowed",
            Status::NonFinite => "the state became NaN or infinite",
        };
        Err(Error::stopped(format!("t = {}", self.last_time), reason))
    }
}
