//! Adjoints: gradients of solutions with respect to the initial state, the parameters of the field, and the times.
//!
//! | adjoint | gradient | memory | evaluations backwards |
//! | --- | --- | --- | --- |
//! | [`Unrolled`] | of the numerical solution, exact | all steps | none |
//! | [`Checkpointed`] | of the numerical solution, exact | one step and the requested number of states | one more pass, and again the steps between checkpoints |
//! | [`Reversible`] | of the numerical solution by [`ReversibleHeun`](crate::reversible::ReversibleHeun), exact | one step | one more pass |
//! | [`Backsolve`] | of the true solution, to tolerance | one evaluation | a second integration, backwards |
//!
//! [`Adjoint::solve_until`] integrates to an event, whose time and state have gradients too.
//!
//! In all of them the steps themselves are constants: the response of the error control to its inputs is not
//! differentiated.
//!
//! The field is shared with the graph, so it comes in an [`Arc`]; the tensors that it is to be differentiated by are
//! listed. They are variables, as a parameter store hands them out; tracked tensors that are not listed get no gradient
//! except from [`Unrolled`], so that values computed from variables belong inside the field.
//!
//! Values that were taken out of the graph are reported: a field whose value changes with the state although no graph connects the two
//! (a gradient that it took by candle's `backward`, say; use [`GradientField`](crate::energy::GradientField)), and, except by
//! [`Unrolled`], a variable that is listed but has no gradient, are an [`Error::Detached`] of the
//! backward pass. A field that does not change with the state is fine. Leave out, or list
//! [detached](candle_core::Tensor::detach), parameters that the field does not compute with.
//!
//! Forward passes except those of [`Unrolled`] run [without a graph](advect_ops::without_graph): a field that takes gradients itself
//! computes what it differentiates [with one](advect_ops::with_graph).
//!
//! ```
//! use std::sync::Arc;
//! use advect_core::{Time, field_fn};
//! use advect_solvers::adjoint::{Backsolve, Checkpointed, Adjoint, Unrolled};
//! use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
//! use candle_core::{Device, Tensor, Var};
//! # fn main() -> advect_core::Result<()> {
//! // dx/dt = −rate · x, whose x(1) = x(0) exp(−rate).
//! let rate = Var::new(&[0.5f64], &Device::Cpu)?;
//! let parameters = [rate.as_tensor().clone()];
//! let x0 = Var::new(&[[2f64]], &Device::Cpu)?;
//! let field = {
//!     let rate = rate.as_tensor().clone();
//!     Arc::new(field_fn(move |_, x| Ok(x.broadcast_mul(&rate)?.neg()?)))
//! };
//!
//! let solver = Solver::new(Dopri5, Adaptive::new(1e-10, 1e-10)?);
//! let solve = |solution: &dyn Fn() -> advect_core::Result<Tensor>| -> advect_core::Result<[f64; 2]> {
//!     let gradients = solution()?.sum_all()?.backward()?;
//!     let number = |v: &Var| Ok::<f64, advect_core::Error>(gradients.get(v).unwrap().sum_all()?.to_scalar()?);
//!     Ok([number(&rate)?, number(&x0)?])
//! };
//! let end = (-0.5f64).exp();
//! for [by_rate, by_start] in [
//!     solve(&|| Unrolled::new(solver.clone()).solve(&field, &parameters, &x0, &[0.0, 1.0])?.end())?,
//!     solve(&|| Checkpointed::new(solver.clone(), 5)?.solve(&field, &parameters, &x0, &[0.0, 1.0])?.end())?,
//!     solve(&|| Backsolve::new(solver.clone()).solve(&field, &parameters, &x0, &[0.0, 1.0])?.end())?,
//! ] {
//!     assert!((by_rate + 2.0 * end).abs() < 1e-8 && (by_start - end).abs() < 1e-8);
//! }
//! # Ok(())
//! # }
//! ```

mod augmented;
mod backsolve;
mod checkpointed;
mod checkpoints;
mod event;
mod reversible;
mod traced;
mod unrolled;
mod vjp;

use std::sync::{Arc, Mutex, PoisonError};

use advect_core::{Error, Field, Observer, Result, Time, check};
use advect_ops::without_graph;
use candle_core::{DType, Tensor};

use crate::{AcceptedStep, Event, Solution, Statistics, Status};

pub use augmented::Augmented;
pub use backsolve::Backsolve;
pub use checkpointed::Checkpointed;
pub use event::{DifferentiableEvent, Reached};
pub use reversible::Reversible;
pub use unrolled::Unrolled;

/// A method for solving a differential equation so that a loss of the solution can be differentiated.
///
/// The saved states are at given times. The time of an event depends on the parameters, which [`Adjoint::solve_until`]
/// counts in.
#[doc(alias = "neural ODE")]
#[doc(alias = "torchdiffeq")]
#[doc(alias = "adjoint sensitivity")]
#[doc(alias = "odeint_adjoint")]
#[doc(alias = "Gradient")]
#[doc(alias = "backpropagation")]
pub trait Adjoint {
    /// Integrates `dx/dt = field(t, x)` from `x0` at the first of `times` to the last, and saves the states at all of
    /// them, as part of the graph of `x0` and `parameters`.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are two times or more, strictly monotone; those of
    /// [`Solver::solve`](crate::Solver::solve). The backward pass gives [`Error::Detached`] for what is in no graph.
    fn solve<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
    ) -> Result<Solution> {
        self.solve_observed(field, parameters, x0, times, &mut ())
    }

    /// Integrates with an observer of the accepted steps, which can stop the integration like an observer of
    /// [`Integration::observe`](crate::Integration::observe). [`Solution::last_state`] is then part of the graph.
    ///
    /// # Errors
    /// As [`Adjoint::solve`], and the errors of the observer.
    fn solve_observed<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution>;

    /// Integrates so that the solution is differentiable in the times too, which are a tensor of rank 1:
    /// `∂x(t)/∂t = f(t, x(t))`, and a change of the first time changes all states after it.
    ///
    /// # Errors
    /// As [`Adjoint::solve`].
    fn solve_at<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &Tensor,
    ) -> Result<Solution> {
        if times.rank() != 1 {
            return Err(Error::shape("times", times.dims(), "(times,)"));
        }
        let values = times.detach().to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if !times.track_op() {
            return self.solve(field, parameters, x0, &values);
        }
        let moved = |x: &Tensor, i: usize, sign: f64| -> Result<Tensor> {
            let at = Time::Shared(values[i]);
            let slope = without_graph(|| field.at(&at, &x.detach()))?.detach();
            moved(x, &slope, &times.get(i)?, sign)
        };
        check_times(&values)?;
        check::batch("x0", x0)?;
        let mut solution = self.solve(field, parameters, &moved(x0, 0, -1.0)?, &values)?;
        for (i, state) in solution.states.iter_mut().enumerate() {
            // The first state is where the solution starts, whenever that is.
            *state = match i {
                0 => x0.clone(),
                _ => moved(state, i, 1.0)?,
            };
        }
        if let (true, Some(last)) = (solution.stopped().is_none(), solution.states.last()) {
            solution.last_state = last.clone();
        }
        Ok(solution)
    }

    /// Integrates from `x0` to an event, with [`Solution::last_state`] at the event and in the graph of `x0` and
    /// `parameters`, at a fixed time. [`Adjoint::solve_until`] is made of it.
    ///
    /// # Errors
    /// As [`Adjoint::solve`]; [`Error::Range`] for an adjoint that does not implement it.
    fn solve_to_event<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        span: [f64; 2],
        event: &Event,
    ) -> Result<Solution> {
        let _ = (field, parameters, x0, span, event);
        let accepted = "one that implements Adjoint::solve_to_event";
        Err(Error::range("adjoint", "one without events", accepted))
    }

    /// Integrates to an event, whose time and state are differentiable in `x0`, `parameters`, the first time of `span`, and
    /// what the event computes with. `span` holds two times: the start, and the latest time at which the event may come.
    ///
    /// A state changed at an event is a start like any other, so that a whole chain of events is differentiable: go on from
    /// a function of [`Reached::x`] at a span that begins with [`Reached::t`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use advect_core::field_fn;
    /// use advect_solvers::adjoint::{Adjoint, Checkpointed, DifferentiableEvent};
    /// use advect_solvers::{Crossing, Solver, controller::Adaptive, stepper::Dopri5};
    /// use candle_core::{Device, Tensor, Var};
    /// # fn main() -> advect_core::Result<()> {
    /// // A ball falls from h, with g = 10, and keeps half of its speed: it lands at √(h/5), and again after as long.
    /// let fall = Arc::new(field_fn(|_, x: &Tensor| {
    ///     let speed = x.narrow(1, 1, 1)?;
    ///     Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -10.0)?], 1)?)
    /// }));
    /// let ground = DifferentiableEvent::new(|_, x| Ok(x.narrow(1, 0, 1)?)).crossing(Crossing::Falling);
    /// let adjoint = Checkpointed::new(Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?), 10)?;
    /// let height = Var::new(&[[5f64]], &Device::Cpu)?;
    /// let mut x = Tensor::cat(&[height.as_tensor(), &height.zeros_like()?], 1)?;
    /// let mut t = Tensor::new(0f64, &Device::Cpu)?;
    /// for _ in 0..2 {
    ///     let end = Tensor::new(10f64, &Device::Cpu)?;
    ///     let landed = adjoint.solve_until(&fall, &[], &x, &Tensor::stack(&[&t, &end], 0)?, &ground)?;
    ///     t = landed.t;
    ///     x = landed.x.broadcast_mul(&Tensor::new(&[[0.0, -0.5]], &Device::Cpu)?)?;
    /// }
    /// assert!((t.to_scalar::<f64>()? - 2.0).abs() < 1e-8);
    /// let gradient = t.backward()?.get(&height).unwrap().sum_all()?.to_scalar::<f64>()?;
    /// assert!((gradient - 0.2).abs() < 1e-8); // of 2 √(h/5)
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Adjoint::solve`]; [`Error::Stopped`] if no event comes; [`Error::Range`] for one whose function does not cross 0.
    fn solve_until<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        span: &Tensor,
        event: &DifferentiableEvent,
    ) -> Result<Reached> {
        if span.dims() != [2] {
            return Err(Error::shape(
                "span",
                span.dims(),
                "(2,), a start and an end",
            ));
        }
        let values = span.detach().to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let (start, end) = (values[0], values[1]);
        check::batch("x0", x0)?;
        let mut begin = x0.clone();
        if span.track_op() {
            let slope = without_graph(|| field.at(&Time::Shared(start), &x0.detach()))?.detach();
            begin = moved(x0, &slope, &span.get(0)?, -1.0)?;
        }
        let plain = event.plain();
        let solution = self.solve_to_event(field, parameters, &begin, [start, end], &plain)?;
        match (solution.status, solution.stopped()) {
            (Status::Event, _) => event.reached(&**field, solution),
            (_, Some(error)) => Err(error),
            (_, None) => Err(Error::stopped(format!("t = {end}"), "no event came before")),
        }
    }
}

/// `x + sign · slope · (t − its own value)`: the same state, which changes with a time.
fn moved(x: &Tensor, slope: &Tensor, t: &Tensor, sign: f64) -> Result<Tensor> {
    let t = t.to_dtype(x.dtype())?.to_device(x.device())?;
    Ok((x + (slope * sign)?.broadcast_mul(&(&t - t.detach())?)?)?)
}

/// Checks that parameters are variables: candle keeps gradients of no others.
pub(crate) fn check_parameters(parameters: &[Tensor]) -> Result<()> {
    match parameters.iter().any(|p| p.track_op() && !p.is_variable()) {
        true => Err(Error::range(
            "parameters",
            "a tensor computed from others",
            "a variable (compute from it inside the field)",
        )),
        false => Ok(()),
    }
}

fn check_times(times: &[f64]) -> Result<()> {
    let rising = times.windows(2).all(|w| w[0] < w[1]);
    let falling = times.windows(2).all(|w| w[0] > w[1]);
    if times.len() >= 2 && (rising || falling) && times.iter().all(|t| t.is_finite()) {
        return Ok(());
    }
    let given = format!("{times:?}");
    let accepted = "a list of at least two finite, strictly monotone times";
    Err(Error::range("times", given, accepted))
}

/// The cost of the last backward pass.
#[derive(Debug, Clone, Default)]
struct Record(Arc<Mutex<Statistics>>);

impl Record {
    fn set(&self, statistics: Statistics) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = statistics;
    }

    fn get(&self) -> Statistics {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
