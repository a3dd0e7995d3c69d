//! Gradients by backpropagation through the steps of a solver.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use advect_core::{Error, Field, Observer, Result, check, field_fn};
use candle_core::Tensor;

use super::{Adjoint, check_times};
use crate::controller::Controller;
use crate::detached::check_constant;
use crate::jumps::Jumps;
use crate::stepper::Stepper;
use crate::{AcceptedStep, Event, Save, Solution, Solver};

/// Gradients through the unrolled steps: every operation of every step is in the graph. It is the fastest for short
/// integrations, and its memory grows with the number of steps.
///
/// candle walks and drops graphs by recursion, so that a long one overflows the stack. Therefore an integration is
/// refused once it has evaluated the field more often than [`Unrolled::max_evaluations`] allows: 400 times, unless set,
/// those of rejected steps included.
#[derive(Debug, Clone)]
#[doc(alias = "DirectAdjoint")]
#[doc(alias = "backpropagation through the solver")]
pub struct Unrolled<S, C> {
    solver: Solver<S, C>,
    max_evaluations: usize,
    jumps: Jumps,
}

impl<S, C> Unrolled<S, C> {
    /// Creates an adjoint with the steps of a solver.
    pub fn new(solver: Solver<S, C>) -> Self {
        Unrolled {
            solver,
            max_evaluations: 400,
            jumps: Jumps::default(),
        }
    }

    /// Sets the times at which the field jumps, as [`Integration::jumps`](crate::Integration::jumps). Those outside of
    /// a solution's span play no part in it.
    ///
    /// # Errors
    /// [`Error::Range`] for times that are not finite.
    pub fn jumps(self, times: &[f64]) -> Result<Self> {
        let jumps = Jumps::new(times)?;
        Ok(Unrolled { jumps, ..self })
    }

    /// Sets the largest number of evaluations: about 8,000 operations in a chain are safe on a stack of 2 MiB. An
    /// evaluation adds the operations that the field has one after the other, and one more: a perceptron of this
    /// workspace two, one of candle's operations a dozen.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_evaluations(self, count: usize) -> Result<Self> {
        let max_evaluations = check::at_least_one("count", count)?;
        Ok(Unrolled {
            max_evaluations,
            ..self
        })
    }
}

impl<S: Stepper + Clone, C: Controller<S> + Clone> Adjoint for Unrolled<S, C> {
    fn solve_observed<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        _: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        self.run(field, x0, times, None, observer)
    }

    fn solve_to_event<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        _: &[Tensor],
        x0: &Tensor,
        span: [f64; 2],
        event: &Event,
    ) -> Result<Solution> {
        self.run(field, x0, &span, Some(event), &mut ())
    }
}

impl<S: Stepper + Clone, C: Controller<S> + Clone> Unrolled<S, C> {
    /// Integrates, to an event if there is one.
    fn run<F: Field + ?Sized>(
        &self,
        field: &Arc<F>,
        x0: &Tensor,
        times: &[f64],
        event: Option<&Event>,
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        check_times(times)?;
        let count = Cell::new(0);
        // The first evaluation that took the value out of the graph.
        let detached = RefCell::new(None);
        let limited = field_fn(|t, x| {
            count.set(count.get() + 1);
            if count.get() > self.max_evaluations {
                let accepted = format!(
                    "a number up to {} in one graph (Checkpointed takes more)",
                    self.max_evaluations
                );
                return Err(Error::range("evaluations", "a larger number", accepted));
            }
            let value = field.at(t, x)?;
            if x.track_op() && !value.track_op() {
                let mut detached = detached.borrow_mut();
                detached.get_or_insert_with(|| (t.clone(), x.detach(), value.clone()));
            }
            Ok(value)
        });
        let (start, end) = (times[0], times[times.len() - 1]);
        let solution = (self.solver.integration(&limited, x0, start, end))
            .save(Save::At(times.to_vec()))
            .jumping(self.jumps.clone())
            .until_any(event)
            .observe(observer)
            .run()?;
        // Without a graph nobody asks for derivatives.
        if let (true, Some((t, x, value))) = (solution.last_state.track_op(), detached.take()) {
            check_constant("field", |x| field.at(&t, x), &x, &value)?;
        }
        Ok(solution)
    }
}
