//! The discrete adjoint, from checkpoints.

use std::sync::Arc;

use advect_core::{Error, Field, Observer, Result, check, field_fn, observer_fn};
use advect_ops::{with_gradient, without_graph};
use candle_core::Tensor;

use super::checkpoints::Checkpoints;
use super::traced::Traced;
use super::vjp::{add, complete, pull_back};
use super::{Adjoint, Record, check_parameters, check_times};
use crate::controller::Controller;
use crate::jumps::Jumps;
use crate::stepper::Stepper;
use crate::{AcceptedStep, Event, Interval, Save, Solution, Solver, Statistics};

/// The discrete adjoint: the exact gradient of the numerical solution, step by step backwards.
///
/// Forwards no graph is built. Backwards the state before each step is recomputed from the nearest checkpoint, the step is made
/// again with its graph, and the gradient is pulled back through it. Memory is that of one step and of the checkpoints;
/// between them steps are made again, by the binomial schedule of Griewank 1992: with s checkpoints no step of n is
/// repeated more than r times, where (s + r)! / (s! r!) ≥ n. Ten checkpoints and 1,000 steps: four times.
#[derive(Debug, Clone)]
#[doc(alias = "RecursiveCheckpointAdjoint")]
#[doc(alias = "discretize then optimize")]
pub struct Checkpointed<S, C> {
    solver: Solver<S, C>,
    checkpoints: usize,
    jumps: Jumps,
    record: Record,
}

impl<S, C> Checkpointed<S, C> {
    /// Creates an adjoint with the steps of a solver, and at most `checkpoints` states kept beside the first.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for 0 checkpoints.
    pub fn new(solver: Solver<S, C>, checkpoints: usize) -> Result<Self> {
        let checkpoints = check::at_least_one("checkpoints", checkpoints)?;
        Ok(Checkpointed {
            solver,
            checkpoints,
            jumps: Jumps::default(),
            record: Record::default(),
        })
    }

    /// Sets the times at which the field jumps, as [`Integration::jumps`](crate::Integration::jumps). Those outside of
    /// a solution's span play no part in it.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for times that are not finite.
    pub fn jumps(self, times: &[f64]) -> Result<Self> {
        let jumps = Jumps::new(times)?;
        Ok(Checkpointed { jumps, ..self })
    }

    /// Returns the cost of the last backward pass: steps made again, and steps pulled back as `vjps`.
    pub fn backward_statistics(&self) -> Statistics {
        self.record.get()
    }
}

impl<S, C> Adjoint for Checkpointed<S, C>
where
    S: Stepper + Clone + Send + Sync + 'static,
    C: Controller<S> + Clone,
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

impl<S, C> Checkpointed<S, C>
where
    S: Stepper + Clone + Send + Sync + 'static,
    C: Controller<S> + Clone,
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
        if self.solver.controller.oversteps() {
            let accepted = "one whose steps end at the end";
            return Err(Error::range("controller", "one that oversteps", accepted));
        }
        if self.solver.stepper.is_multistep() {
            let accepted = "a one-step method, whose steps can be made again alone";
            return Err(Error::range("stepper", "a multistep method", accepted));
        }
        let start = x0.detach();
        let mut checkpoints = Checkpoints::new(self.checkpoints, &start);
        let mut steps = Vec::new();
        let mut before = start.clone();
        let record = observer_fn(|step: &AcceptedStep| {
            checkpoints.offer(steps.len(), &before);
            steps.push((step.start, step.t));
            before = step.x.clone();
        });
        let (from, to) = (times[0], times[times.len() - 1]);
        let integration = (self.solver.integration(&plain, &start, from, to))
            .save(Save::At(times.to_vec()))
            .jumping(self.jumps.clone())
            .until_any(event)
            .observe(record)
            .observe(observer)
            .detached();
        let mut solution = without_graph(|| integration.run())?;

        let ends = |t: &f64| steps.iter().position(|(_, end)| end == t).map(|i| i + 1);
        // How many steps lie before each saved state; the last that was reached may not be one.
        let mut reached: Vec<usize> = (solution.times.iter())
            .map(|t| ends(t).unwrap_or(0))
            .collect();
        reached.push(steps.len());
        let mut states = solution.states.clone();
        states.push(solution.last_state.clone());
        let states = Tensor::stack(&states, 0)?;

        let mut inputs = vec![x0.clone()];
        inputs.extend_from_slice(parameters);
        let walk = Walk {
            field: field.clone(),
            stepper: self.solver.stepper.clone(),
            parameters: parameters.to_vec(),
            steps,
            reached,
            checkpoints,
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
struct Walk<F: ?Sized, S> {
    field: Arc<F>,
    stepper: S,
    parameters: Vec<Tensor>,
    /// Where each step started and ended.
    steps: Vec<(f64, f64)>,
    reached: Vec<usize>,
    checkpoints: Checkpoints,
    jumps: Jumps,
    record: Record,
}

impl<F: Field + ?Sized, S: Stepper> Walk<F, S> {
    /// The gradients of the initial state and the parameters, from those of the states.
    fn backwards(&self, gradients: &Tensor) -> Result<Vec<Tensor>> {
        let mut checkpoints = self.checkpoints.clone();
        let mut sums = vec![None; self.parameters.len()];
        let mut adjoint: Option<Tensor> = None;
        let mut statistics = Statistics::default();
        let traced = Traced::new(&*self.field);
        let collect = |adjoint: &mut Option<Tensor>, steps: usize| -> Result<()> {
            for (k, _) in (self.reached.iter().enumerate()).filter(|(_, at)| **at == steps) {
                add(adjoint, Some(gradients.get(k)?))?;
            }
            Ok(())
        };
        for (i, &(start, end)) in self.steps.iter().enumerate().rev() {
            collect(&mut adjoint, i + 1)?;
            let Some(cotangent) = adjoint.take() else {
                continue;
            };
            let x = checkpoints.state(i, |at, x| {
                statistics.accepted += 1;
                let (start, end) = self.steps[at];
                let interval = Interval::Shared { start, end };
                let field = field_fn(|t, x| Ok(self.field.at(t, x)?.detach()));
                let field = self.jumps.within(&field, &interval);
                let next = without_graph(|| self.stepper.advance(&field, &interval, x))?;
                Ok(next.detach())
            })?;
            statistics.vjps += 1;
            let interval = Interval::Shared { start, end };
            let field = self.jumps.within(&traced, &interval);
            let step = |x: &Tensor| self.stepper.advance(&field, &interval, x);
            let pulled = pull_back(step, &x, &cotangent, &self.parameters)?;
            traced.settle()?;
            adjoint = pulled.state;
            for (sum, gradient) in sums.iter_mut().zip(pulled.parameters) {
                add(sum, gradient)?;
            }
        }
        collect(&mut adjoint, 0)?;
        self.record.set(statistics);
        let mut all = vec![match adjoint {
            Some(adjoint) => adjoint,
            None => gradients.get(0)?.zeros_like()?,
        }];
        match statistics.vjps {
            0 => {
                for parameter in &self.parameters {
                    all.push(parameter.detach().zeros_like()?);
                }
            }
            _ => all.extend(complete(sums, &self.parameters)?),
        }
        Ok(all)
    }
}
