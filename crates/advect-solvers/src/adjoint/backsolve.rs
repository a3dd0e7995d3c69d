//! The continuous adjoint, integrated backwards.

use std::cell::RefCell;
use std::sync::Arc;

use advect_core::{Field, Observer, Result, Time, field_fn, shape, system_fn};
use advect_ops::{with_gradient, without_graph};
use candle_core::Tensor;

use super::augmented::Augmented;
use super::traced::Traced;
use super::vjp::{pull_back, without_gradient};
use super::{Adjoint, Record, check_parameters, check_times};
use crate::controller::Controller;
use crate::jumps::Jumps;
use crate::stepper::Stepper;
use crate::{AcceptedStep, Event, Save, Solution, Solver, Statistics};

/// The continuous adjoint (Chen et al., Neural ordinary differential equations, 2018, algorithm 1): with
/// `a = ∂L/∂x(t)`, the equations `dx/dt = f`, `da/dt = −aᵀ ∂f/∂x` and `dg/dt = −aᵀ ∂f/∂θ` are integrated from the end
/// to the start, where a and g are the gradients.
///
/// Memory is that of one evaluation, whatever the number of steps. The state is integrated backwards too, from each
/// state saved, and does not come back exactly: the gradient is that of the true solution, to about the tolerance, and
/// not that of the numerical one. Where the equation contracts strongly forwards it explodes backwards, by whatever
/// method; use [`Checkpointed`](super::Checkpointed) there. For an [`implicit`](crate::implicit) method backwards the whole state
/// of the backward pass is one sample: the batch, its adjoint and the gradients of the parameters. So
/// [`MatrixFree`](crate::implicit::MatrixFree) is the one for all but the smallest.
///
/// The gradients of the parameters are no part of the errors that choose the steps (Kidger, Chen and Lyons, "Hey, that's
/// not an ODE", 2021): they don't act back on anything, and steps are longer without them. [`Backsolve::measure_all`]
/// counts them in, as torchdiffeq does.
#[doc(alias = "neural ODE")]
#[doc(alias = "torchdiffeq")]
#[derive(Debug, Clone)]
#[doc(alias = "adjoint sensitivity")]
#[doc(alias = "odeint_adjoint")]
#[doc(alias = "BacksolveAdjoint")]
#[doc(alias = "optimize then discretize")]
pub struct Backsolve<S, C, SB = S, CB = C> {
    solver: Solver<S, C>,
    backward: Solver<SB, CB>,
    measured: bool,
    jumps: Jumps,
    record: Record,
}

impl<S: Clone, C: Clone> Backsolve<S, C> {
    /// Creates an adjoint with the same solver forwards and backwards.
    pub fn new(solver: Solver<S, C>) -> Self {
        let backward = solver.clone();
        Backsolve {
            solver,
            backward,
            measured: false,
            jumps: Jumps::default(),
            record: Record::default(),
        }
    }
}

impl<S, C, SB, CB> Backsolve<S, C, SB, CB> {
    /// Sets the solver of the backward pass.
    pub fn backward<S2, C2>(self, backward: Solver<S2, C2>) -> Backsolve<S, C, S2, C2> {
        Backsolve {
            solver: self.solver,
            backward,
            measured: self.measured,
            jumps: self.jumps,
            record: self.record,
        }
    }

    /// Sets the times at which the field jumps, as [`Integration::jumps`](crate::Integration::jumps). Those outside of
    /// a solution's span play no part in it.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for times that are not finite.
    pub fn jumps(self, times: &[f64]) -> Result<Self> {
        let jumps = Jumps::new(times)?;
        Ok(Backsolve { jumps, ..self })
    }

    /// Includes the gradients of the parameters in the error control of the backward pass.
    pub fn measure_all(self) -> Self {
        Backsolve {
            measured: true,
            ..self
        }
    }

    /// Returns the cost of the last backward pass.
    pub fn backward_statistics(&self) -> Statistics {
        self.record.get()
    }
}

impl<S, C, SB, CB> Adjoint for Backsolve<S, C, SB, CB>
where
    S: Stepper + Clone,
    C: Controller<S> + Clone,
    SB: Stepper<Augmented> + Clone + Send + Sync + 'static,
    CB: Controller<SB, Augmented> + Clone + Send + Sync + 'static,
{
    fn solve_observed<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        self.run(field, parameters, x0, times, None, observer)
    }

    fn solve_to_event<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        span: [f64; 2],
        event: &Event,
    ) -> Result<Solution> {
        self.run(field, parameters, x0, &span, Some(event), &mut ())
    }
}

impl<S, C, SB, CB> Backsolve<S, C, SB, CB>
where
    S: Stepper + Clone,
    C: Controller<S> + Clone,
    SB: Stepper<Augmented> + Clone + Send + Sync + 'static,
    CB: Controller<SB, Augmented> + Clone + Send + Sync + 'static,
{
    /// Integrates, to an event if there is one.
    fn run<F: Field + Send + Sync + ?Sized + 'static>(
        &self,
        field: &Arc<F>,
        parameters: &[Tensor],
        x0: &Tensor,
        times: &[f64],
        event: Option<&Event>,
        observer: &mut dyn Observer<AcceptedStep>,
    ) -> Result<Solution> {
        check_times(times)?;
        check_parameters(parameters)?;
        let plain = field_fn(|t, x| Ok(field.at(t, x)?.detach()));
        let (start, end) = (times[0], times[times.len() - 1]);
        let x0_alone = x0.detach();
        let integration = (self.solver.integration(&plain, &x0_alone, start, end))
            .save(Save::At(times.to_vec()))
            .jumping(self.jumps.clone())
            .until_any(event)
            .observe(observer)
            .detached();
        let mut solution = without_graph(|| integration.run())?;
        let mut saved = solution.states.clone();
        let mut saved_times = solution.times.clone();
        saved.push(solution.last_state.clone());
        saved_times.push(solution.last_time);
        let states = Tensor::stack(&saved, 0)?;

        let mut inputs = vec![x0.clone()];
        inputs.extend_from_slice(parameters);
        let walk = Walk {
            field: field.clone(),
            solver: self.backward.clone(),
            parameters: parameters.to_vec(),
            times: saved_times,
            states: saved,
            measured: self.measured,
            jumps: self.jumps.clone(),
            record: self.record.clone(),
        };
        let states = with_gradient(&states, &inputs, move |g, _| walk.backwards(g))?;
        for (i, state) in solution.states.iter_mut().enumerate() {
            *state = states.get(i)?;
        }
        solution.last_state = states.get(solution.states.len())?;
        Ok(solution)
    }
}

/// The record of the forward pass that the backward pass needs.
struct Walk<F: ?Sized, S, C> {
    field: Arc<F>,
    solver: Solver<S, C>,
    parameters: Vec<Tensor>,
    times: Vec<f64>,
    states: Vec<Tensor>,
    measured: bool,
    jumps: Jumps,
    record: Record,
}

impl<F: Field + ?Sized, S: Stepper<Augmented>, C: Controller<S, Augmented>> Walk<F, S, C> {
    fn backwards(&self, gradients: &Tensor) -> Result<Vec<Tensor>> {
        let mut sums = Vec::with_capacity(self.parameters.len());
        for parameter in &self.parameters {
            sums.push(shape::wide(&parameter.detach())?.zeros_like()?);
        }
        let mut adjoint = gradients.get(0)?.zeros_like()?;
        let mut statistics = Statistics::default();
        let traced = Traced::new(&*self.field);
        let reached = RefCell::new(vec![false; self.parameters.len()]);
        let field = system_fn(|t: &Time, state: &Augmented| {
            let value = |x: &Tensor| traced.at(t, x);
            let pulled = pull_back(value, &state.x, &state.adjoint, &self.parameters)?;
            traced.settle()?;
            let mut reached = reached.borrow_mut();
            for (reached, gradient) in reached.iter_mut().zip(&pulled.parameters) {
                *reached |= gradient.is_some();
            }
            let minus = |gradient: Option<Tensor>, like: &Tensor| match gradient {
                Some(gradient) => gradient.neg(),
                None => like.zeros_like(),
            };
            let of_parameters = pulled.parameters.into_iter().zip(&state.gradients);
            let of_parameters: candle_core::Result<Vec<Tensor>> =
                of_parameters.map(|(g, like)| minus(g, like)).collect();
            Ok(Augmented {
                x: pulled.value,
                adjoint: minus(pulled.state, &state.adjoint)?,
                gradients: of_parameters?,
                measured: state.measured,
            })
        });
        for k in (0..self.times.len()).rev() {
            adjoint = (adjoint + gradients.get(k)?)?;
            let Some(before) = k.checked_sub(1) else {
                break;
            };
            if self.times[before] == self.times[k] {
                continue;
            }
            let start = Augmented {
                x: self.states[k].clone(),
                adjoint,
                gradients: sums,
                measured: self.measured,
            };
            let (from, to) = (self.times[k], self.times[before]);
            let integration = self.solver.integration(&field, &start, from, to);
            let solution = integration.jumping(self.jumps.clone()).run()?;
            statistics.evaluations += solution.statistics.evaluations;
            statistics.vjps += solution.statistics.evaluations;
            statistics.accepted += solution.statistics.accepted;
            statistics.rejected += solution.statistics.rejected;
            statistics.add_matrices(solution.statistics);
            let end = solution.end()?;
            (adjoint, sums) = (end.adjoint, end.gradients);
        }
        self.record.set(statistics);
        let reached = reached.into_inner();
        let missing = |(i, p): &(usize, &Tensor)| p.track_op() && !reached[*i];
        if statistics.vjps > 0
            && let Some((i, parameter)) = self.parameters.iter().enumerate().find(missing)
        {
            return Err(without_gradient(i, parameter));
        }
        let mut all = vec![adjoint];
        for (sum, parameter) in sums.iter().zip(&self.parameters) {
            all.push(shape::cast(sum, parameter.dtype())?);
        }
        Ok(all)
    }
}
