//! Solutions, the results of integrations.

use advect_core::{Error, Result};
use candle_core::Tensor;

use crate::{DenseStep, State};

/// The end of an integration: a success, or the reason why it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The integration reached the end.
    Reached,
    /// The integration reached an [`Event`](crate::Event).
    Event,
    /// An observer stopped the integration.
    Halted,
    /// The integration reached the controller's limit of steps.
    StepLimit,
    /// The integration reached the controller's limit of steps, and the last of them were kept short by the stability of the
    /// explicit method and not by its accuracy: the equation is stiff, and wants an [`implicit`](crate::implicit) method such
    /// as [`Kvaerno5`](crate::implicit::Kvaerno5).
    ///
    /// This is known of integrations with one clock for the batch, by methods with two stages at the end of a step: those of
    /// Dormand and Prince and of Tsitouras. For others it is [`Status::StepLimit`].
    Stiff,
    /// No step was accepted, down to the smallest that the controller allows or the time resolves. The cause is a
    /// singularity or a jump.
    StepUnderflow,
    /// The equations of an implicit method were not solved, down to the smallest step that the controller allows: Newton's
    /// iteration did not converge.
    NoConvergence,
    /// The matrix of an implicit method's equations was singular, down to the smallest step that the controller allows.
    SingularMatrix,
    /// The rounding of the state to its dtype is larger than the tolerance.
    Unresolved,
    /// The field or the state became NaN or infinite.
    NonFinite,
}

impl Status {
    /// Returns the status where there is no smaller step to try, by the cause of the last rejection. `broken` says
    /// that it was NaN or an infinity.
    pub(crate) fn underflow(broken: bool) -> Self {
        match broken {
            true => Status::NonFinite,
            false => Status::StepUnderflow,
        }
    }

    /// Whether one sample is the cause.
    pub(crate) fn is_of_a_sample(self) -> bool {
        matches!(
            self,
            Status::NonFinite | Status::NoConvergence | Status::SingularMatrix
        )
    }

    /// Why the end was not reached, and what to try; `None` if it was.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Status::Reached => None,
            Status::Event => Some("an event came before the end"),
            Status::Halted => Some("an observer stopped the integration"),
            Status::StepLimit => Some(
                "the limit of steps was reached; allow more of them, or larger errors; where the solution changes far more \
                 slowly than the steps are short, the equation is stiff, which explicit methods are slow at",
            ),
            Status::Stiff => Some(
                "the limit of steps was reached, as stability keeps the steps of an explicit method short: the equation is stiff; \
                 use an implicit method, such as implicit::Kvaerno5",
            ),
            Status::StepUnderflow => Some(
                "the step size underflowed; the solution is singular or jumps here, so end before, or allow larger errors",
            ),
            Status::NoConvergence => Some(
                "Newton's iteration for an implicit step did not converge, however small the step; check that the field is smooth \
                 there and that its Jacobian is right, allow a matrix-free method more iterations, or take smaller steps",
            ),
            Status::SingularMatrix => Some(
                "the matrix of an implicit step was singular, however small the step; check the Jacobian there, or take smaller \
                 steps",
            ),
            Status::Unresolved => Some(
                "the state is rounded by more than the tolerance; allow larger errors, or take a wider dtype",
            ),
            Status::NonFinite => Some(
                "the field or the state became NaN or infinite; check the field there, or take smaller steps",
            ),
        }
    }
}

/// The cost of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// The number of evaluations of the field.
    #[doc(alias = "NFE")]
    pub evaluations: usize,
    /// The number of vector–Jacobian products of the field.
    pub vjps: usize,
    /// The number of accepted steps.
    pub accepted: usize,
    /// The number of rejected steps.
    pub rejected: usize,
    /// The number of Jacobians that an implicit method took.
    pub jacobians: usize,
    /// The number of matrices that an implicit method factorised.
    pub factorizations: usize,
    /// The number of products with Jacobians that an implicit method took in the place of matrices.
    pub products: usize,
}

impl Statistics {
    /// Adds the Jacobians, factorisations and products of a step.
    pub(crate) fn add_matrices(&mut self, of: Statistics) {
        self.jacobians += of.jacobians;
        self.factorizations += of.factorizations;
        self.products += of.products;
    }
}

/// The result of an integration: the states up to the last time that it reached, its status and its cost.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Solver, Status, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = x² from 1 is infinite at t = 1: the states before are kept.
/// let explosion = field_fn(|_, x| Ok(x.sqr()?));
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
/// let solution = solver.solve(&explosion, &x, 0.0, 2.0)?;
/// assert_eq!(solution.status, Status::StepUnderflow);
/// assert!((solution.last_time - 1.0).abs() < 1e-5);
/// assert!(solution.end().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Solution<X = Tensor> {
    /// The times of the saved states.
    pub times: Vec<f64>,
    /// The saved states, each shaped like the initial state.
    pub states: Vec<X>,
    /// The last time that was reached.
    pub last_time: f64,
    /// The state at the last time.
    pub last_state: X,
    /// The status at the last time.
    pub status: Status,
    /// The cost of the integration.
    pub statistics: Statistics,
    /// The first sample that was NaN or infinite in the last step that was tried, or whose equations were not solved.
    pub failed_sample: Option<usize>,
    /// The size of the last step that was tried, if it was rejected; below 0 backwards in time.
    pub rejected_size: Option<f64>,
    /// The steps, with [`Save::Dense`](crate::Save::Dense).
    pub steps: Vec<DenseStep<X>>,
    /// The events that happened, in the order of time.
    pub events: Vec<Occurrence<X>>,
    /// The states to which events changed others, and their times.
    pub(crate) changes: Vec<(f64, X)>,
}

/// An [`Event`](crate::Event) that happened during an integration.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Occurrence<X = Tensor> {
    /// The event, counted from 0 in the order in which the events were added to the integration.
    pub event: usize,
    /// The time at which it happened.
    pub t: f64,
    /// The state at that time.
    pub x: X,
}

impl<X> Occurrence<X> {
    /// Creates an occurrence of the event with a number, at the time `t` and in the state `x`.
    pub fn new(event: usize, t: f64, x: X) -> Self {
        Occurrence { event, t, x }
    }
}

impl<X> Solution<X> {
    /// Creates a solution that ended with a status in `last_state` at `last_time`, without saved states and without
    /// cost. The other fields can be set afterwards.
    pub fn new(status: Status, last_time: f64, last_state: X) -> Self {
        Solution {
            times: Vec::new(),
            states: Vec::new(),
            last_time,
            last_state,
            status,
            statistics: Statistics::default(),
            failed_sample: None,
            rejected_size: None,
            steps: Vec::new(),
            events: Vec::new(),
            changes: Vec::new(),
        }
    }
}

impl<X: State> Solution<X> {
    /// Returns the state at the end.
    ///
    /// # Errors
    /// [`Error::Stopped`] if the integration did not reach the end; it says where, why and what to try, and the
    /// solution's fields hold what was reached.
    pub fn end(&self) -> Result<X> {
        match self.stopped() {
            None => Ok(self.last_state.clone()),
            Some(error) => Err(error),
        }
    }

    /// The error that says where and why the integration stopped, if it did before the end.
    pub(crate) fn stopped(&self) -> Option<Error> {
        let reason = self.status.reason()?;
        let Statistics {
            accepted, rejected, ..
        } = self.statistics;
        let mut at = format!(
            "t = {}, after {accepted} steps accepted and {rejected} rejected",
            self.last_time
        );
        if let Some(size) = self.rejected_size {
            at += &format!(", the last one of size {size:.2e}");
        }
        if let Some(sample) = self.failed_sample {
            at += &format!(", sample {sample}");
        }
        Some(Error::stopped(at, reason))
    }

    /// Returns the state at any time that was reached, if the integration was saved by
    /// [`Save::Dense`](crate::Save::Dense).
    ///
    /// # Errors
    /// [`Error::Range`] for a time that was not reached, or without dense output.
    pub fn at(&self, t: f64) -> Result<X> {
        if let (Some(&first), Some(x)) = (self.times.first(), self.states.first())
            && first == t
        {
            return Ok(x.clone());
        }
        let (Some(first), Some(last)) = (self.steps.first(), self.steps.last()) else {
            return Err(Error::range(
                "t",
                t,
                "a time of an integration with Save::Dense",
            ));
        };
        let forwards = last.end >= first.start;
        let before = |step: &DenseStep<X>| match forwards {
            true => step.end < t,
            false => step.end > t,
        };
        let index = self.steps.partition_point(before);
        // The last step may go beyond the end.
        let reached = match forwards {
            true => t <= self.last_time,
            false => t >= self.last_time,
        };
        match self.steps.get(index) {
            Some(step) if step.contains(t) && reached => step.at(t),
            _ => {
                let accepted = format!("a time from {} to {}", first.start, self.last_time);
                Err(Error::range("t", t, accepted))
            }
        }
    }
}
