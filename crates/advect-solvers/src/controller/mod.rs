//! Controllers, which choose the sizes of steps.
//!
//! | controller | steps |
//! | --- | --- |
//! | [`Fixed`] | a number of equal steps, a given size, or a given grid |
//! | [`Adaptive`] | as long as the error estimate allows |

mod adaptive;
mod adaptive_each;
mod fixed;
mod initial_step;
mod norm;
mod response;
mod tolerances;

use advect_core::{Field, Result};
use candle_core::Tensor;

use crate::stepper::Step;
use crate::{State, Status};

pub use adaptive::Adaptive;
pub use fixed::{Fixed, FixedMemory};
pub use norm::Norm;
pub use response::AdaptiveMemory;
pub(crate) use response::{Tried, exponent};
pub use tolerances::Tolerances;

/// The current place of an integration: time, state and the end to come.
#[derive(Debug)]
#[non_exhaustive]
pub struct Position<'a, X = Tensor> {
    /// The current time.
    pub t: f64,
    /// The current state.
    pub x: &'a X,
    /// The time at which the integration ends.
    pub end: f64,
}

impl<X> Clone for Position<'_, X> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X> Copy for Position<'_, X> {}

impl<'a, X> Position<'a, X> {
    /// Creates the position in state `x` at time `t` of an integration to `end`.
    pub fn new(t: f64, x: &'a X, end: f64) -> Self {
        Position { t, x, end }
    }

    /// The time after a step of this size, not beyond the end by a rounding.
    pub(crate) fn after(&self, h: f64) -> f64 {
        let (low, high) = (self.t.min(self.end), self.t.max(self.end));
        (self.t + h).clamp(low, high)
    }
}

/// A step that was tried.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<'a, X = Tensor> {
    /// The position at which it began.
    pub from: Position<'a, X>,
    /// The size of the step, negative backwards in time.
    pub h: f64,
    /// The result of the step.
    pub step: &'a Step<X>,
    /// Whether the new state is free of NaN and infinities.
    pub finite: bool,
    /// Whether an implicit method solved its equations.
    pub solved: bool,
    /// Whether the step was shorter than the controller's choice, to end where a state is to be saved or the field jumps.
    pub shortened: bool,
}

impl<'a, X> Attempt<'a, X> {
    /// Creates an attempt of size `h` from a position, with a finite new state, solved and not shortened. Set the fields
    /// afterwards if it is otherwise.
    pub fn new(from: Position<'a, X>, h: f64, step: &'a Step<X>) -> Self {
        Attempt {
            from,
            h,
            step,
            finite: true,
            solved: true,
            shortened: false,
        }
    }
}

/// A controller's judgement of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Go on from the new state.
    Accept,
    /// Try again from the old state.
    Reject,
    /// Give up at the old state, for this reason: there is no other step to try.
    Stop(Status),
}

/// A controller, which chooses step sizes for steppers of type `S` and judges their steps.
///
/// A controller is configuration only; what changes during an integration is its `Memory`.
pub trait Controller<S: ?Sized, X: State = Tensor> {
    /// The memory from step to step.
    type Memory;

    /// Begins an integration. It may evaluate the field: if it did, it returns the slope f(t, x), which serves the
    /// first step. If that slope is NaN or infinite, the integration ends at once.
    ///
    /// # Errors
    /// A typed error for settings that don't fit the span of time; the errors of the field.
    fn begin(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(Self::Memory, Option<X>)>;

    /// Restarts the control within an integration, after a jump of the field or the state. Like [`Controller::begin`], it
    /// may evaluate the field, and returns the slope if it did. Unless implemented, the memory stays as it is.
    ///
    /// # Errors
    /// The errors of the field.
    fn restart(
        &self,
        memory: &mut Self::Memory,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<Option<X>> {
        let _ = (memory, stepper, field, at);
        Ok(None)
    }

    /// Returns the time at which the next step should end. The integration ends the step earlier if a state is to be
    /// saved there, and stops if it is the current time, or the end of the step just rejected.
    fn next(&self, memory: &Self::Memory, at: Position<'_, X>) -> f64;

    /// Judges a step, and adapts the memory to it.
    ///
    /// # Errors
    /// The errors of candle.
    fn judge(
        &self,
        memory: &mut Self::Memory,
        stepper: &S,
        attempt: Attempt<'_, X>,
    ) -> Result<Judgement>;

    /// Returns the number of steps, accepted and rejected, after which the integration gives up.
    fn step_limit(&self) -> usize;

    /// Returns the errors that are allowed, if the controller looks at errors. Implicit methods then solve
    /// their equations to a part of them, and otherwise up to rounding.
    fn tolerances(&self) -> Option<Tolerances> {
        None
    }

    /// Returns `true` if the last step may go beyond the end. The state at the end is then interpolated.
    fn oversteps(&self) -> bool {
        false
    }
}
