//! The one integration loop.

use std::cell::Cell;

use advect_core::{Error, Field, Observer, Result, Time, system_fn};

use crate::clock::{SLACK, span};
use crate::controller::{Attempt, Controller, Judgement, Position};
use crate::event::Watch;
use crate::save::Recorder;
use crate::stepper::lagrange::MOST_NODES;
use crate::stepper::{Memory, Step, Stepper};
use crate::stiffness::Stiffness;
use crate::{
    AcceptedStep, DenseStep, Integration, Interpolant, Interval, Solution, Solver, State,
    Statistics, Status,
};

impl<S: Stepper<X>, C: Controller<S, X>, X: State> Integration<'_, S, C, X> {
    /// Integrates, with all that the settings ask for.
    pub(crate) fn integrate(self) -> Result<Solution<X>> {
        let Integration {
            solver: Solver {
                stepper,
                controller,
            },
            field,
            x0,
            save,
            jumps,
            events,
            mut observers,
            mut inner_observers,
            detached,
            ..
        } = self;
        let (start, end) = span(self.start, self.end)?;
        x0.check("x0")?;
        save.check(start, end)?;
        if !stepper.is_continuous() {
            save.check_without_interpolant(controller.oversteps())?;
        }

        let evaluations = Cell::new(0);
        let counted = system_fn(|t: &Time, x: &X| {
            evaluations.set(evaluations.get() + 1);
            field.at(t, x)
        });
        let direction = (end - start).signum();
        // With jumps, the field on this side of them.
        let one_sided = jumps.within(&counted, &Interval::Shared { start, end });
        let field: &dyn Field<X> = match jumps.is_empty() {
            true => &counted,
            false => &one_sided,
        };
        let mut statistics = Statistics::default();
        let mut recorder = Recorder::new(&save, (start, end), x0);
        let (mut t, mut x) = (start, x0.clone());
        let (mut failed_sample, mut rejected_size) = (None, None);
        let (mut occurrences, mut changes) = (Vec::new(), Vec::new());
        let oversteps = controller.oversteps();

        let status = if start == end {
            Status::Reached
        } else {
            let at = Position { t, x: &x, end };
            let (mut memory, mut slope) = controller.begin(stepper, field, at)?;
            let mut watch = Watch::new(&events, t, &x, end)?;
            failed_sample = not_finite(slope.as_ref())?;
            let mut broken = failed_sample.is_some();
            // Where the step just rejected ended.
            let mut rejected = None;
            let mut kept = Memory::new(controller.tolerances());
            let mut stiffness = Stiffness::new(stepper.tableau());
            let status = loop {
                if broken {
                    break Status::NonFinite;
                }
                if statistics.accepted + statistics.rejected >= controller.step_limit() {
                    break stiffness.at_limit();
                }
                let from = Position { t, x: &x, end };
                let wanted = controller.next(&memory, from);
                let stop = jumps.next_stop(t, recorder.next_stop(end));
                // A step that would end just short of the stop is stretched to it.
                let slack = SLACK * (wanted - t).abs();
                let beyond = oversteps && stop == end;
                let stops = !beyond && (stop - wanted) * direction <= slack;
                let next = if stops { stop } else { wanted };
                if (wanted == t && !stops) || rejected == Some(next) {
                    break Status::underflow(failed_sample.is_some());
                }
                let h = next - t;
                let interval = Interval::Shared {
                    start: t,
                    end: next,
                };
                let mut step =
                    stepper.step_with(&mut kept, field, &interval, &x, slope.as_ref())?;
                statistics.add_matrices(kept.take_cost());
                if detached {
                    step = step.detach();
                }
                failed_sample = step.x.not_finite()?;
                let attempt = Attempt {
                    from,
                    h,
                    step: &step,
                    finite: failed_sample.is_none(),
                    solved: step.unsolved.is_empty(),
                    shortened: h.abs() + slack < (wanted - t).abs(),
                };
                let judgement = controller.judge(&mut memory, stepper, attempt)?;
                kept.judged(judgement == Judgement::Accept);
                rejected_size = Some(h).filter(|_| judgement != Judgement::Accept);
                if judgement != Judgement::Accept {
                    statistics.rejected += 1;
                    let unsolved = step.unsolved.first().copied();
                    if let (None, Some(error)) = (failed_sample, &step.error) {
                        failed_sample = error.not_finite()?;
                    }
                    slope = step.slopes.into_iter().next();
                    match judgement {
                        Judgement::Stop(Status::StepUnderflow) => {
                            break Status::underflow(failed_sample.is_some());
                        }
                        Judgement::Stop(Status::NoConvergence) => {
                            failed_sample = unsolved.map(|unsolved| unsolved.sample);
                            break unsolved
                                .map_or(Status::NoConvergence, |unsolved| unsolved.cause);
                        }
                        Judgement::Stop(status) => break status,
                        // A shorter step begins with the same slope.
                        _ if failed_sample.is_some() && not_finite(slope.as_ref())?.is_some() => {
                            break Status::NonFinite;
                        }
                        _ => {
                            rejected = Some(next);
                            continue;
                        }
                    }
                }
                statistics.accepted += 1;
                let taken = statistics.accepted + statistics.rejected;
                stiffness.look(controller.step_limit() - taken, &step)?;
                rejected = None;

                let (mut next, mut step, mut interruption) = (next, step, None);
                if !watch.is_empty() {
                    let attempt = |fraction: f64| {
                        let end = t + fraction * h;
                        let interval = Interval::Shared { start: t, end };
                        stepper
                            .step_with(&mut kept, field, &interval, &x, step.slopes.first())?
                            .solved()
                    };
                    interruption = watch.look((t, next), &step, attempt)?;
                    statistics.add_matrices(kept.take_cost());
                    if let Some(at) = &interruption {
                        (next, step) = (at.t, at.step.clone());
                    }
                }

                let ends = (next - end) * direction >= 0.0;
                let beyond = ends && next != end;
                let needed = !inner_observers.is_empty() || beyond || recorder.wants_step(t, next);
                let dense = match needed {
                    true => Some(dense_step(stepper, field, (t, next), &x, &step)?),
                    false => None,
                };
                let began = t;
                recorder.step(next, &step.x, dense.as_ref(), end)?;
                (t, x) = match &dense {
                    Some(dense) if beyond => (end, dense.at(end)?),
                    _ => (next, step.x),
                };
                let mut enough = false;
                if let Some(dense) = &dense {
                    for observer in &mut inner_observers {
                        enough |= observer.observe(dense)?.is_break();
                    }
                }
                if !observers.is_empty() {
                    statistics.evaluations = evaluations.get();
                    let accepted = AcceptedStep::new(began, t, x.clone(), statistics);
                    for observer in &mut observers {
                        enough |= observer.observe(&accepted)?.is_break();
                    }
                }
                slope = (step.last_slope).or(dense.and_then(|dense| dense.end_slope));
                let mut renewed = jumps.contains(t);
                if let Some(at) = interruption {
                    if at.stops {
                        break Status::Event;
                    }
                    x = watch.change(&at, x)?;
                    changes.push((t, x.clone()));
                    renewed = true;
                }
                if ends {
                    break Status::Reached;
                }
                if enough {
                    break Status::Halted;
                }
                if renewed {
                    kept = Memory::new(controller.tolerances());
                    one_sided.enter(&jumps, t, end > start);
                    let at = Position { t, x: &x, end };
                    slope = controller.restart(&mut memory, stepper, field, at)?;
                    failed_sample = not_finite(slope.as_ref())?;
                    broken = failed_sample.is_some();
                }
            };
            if status == Status::Reached {
                watch.finish()?;
            }
            occurrences = watch.occurrences;
            status
        };
        recorder.finish(t, &x);
        statistics.evaluations = evaluations.get();
        Ok(Solution {
            times: recorder.times,
            states: recorder.states,
            last_time: t,
            last_state: x,
            failed_sample: failed_sample.filter(|_| status.is_of_a_sample()),
            rejected_size,
            status,
            statistics,
            steps: recorder.steps,
            events: occurrences,
            changes,
        })
    }
}

/// A step with what is needed to interpolate it. The slope at its end serves the next step too.
fn dense_step<X: State, S: Stepper<X>>(
    stepper: &S,
    field: &dyn Field<X>,
    (start, end): (f64, f64),
    x: &X,
    step: &Step<X>,
) -> Result<DenseStep<X>> {
    check_nodes(&step.nodes, step.slopes.len())?;
    let tableau = stepper.tableau();
    let cubic = tableau.is_some_and(|tableau| tableau.interpolant() == Interpolant::Hermite);
    let end_slope = match &step.last_slope {
        None if cubic => Some(field.at(&Time::Shared(end), &step.x)?),
        known => known.clone(),
    };
    Ok(DenseStep {
        start,
        end,
        x: x.clone(),
        end_x: step.x.clone(),
        slopes: step.slopes.clone(),
        end_slope,
        tableau,
        nodes: step.nodes.clone(),
    })
}

/// Checks the places of slopes.
fn check_nodes(nodes: &[f64], slopes: usize) -> Result<()> {
    let twice = |(i, node): (usize, &f64)| nodes[..i].contains(node) || !node.is_finite();
    let fits = nodes.is_empty() || (nodes.len() == slopes && slopes <= MOST_NODES);
    if !fits || nodes.iter().enumerate().any(twice) {
        let accepted =
            format!("{slopes} different numbers, one for each slope, {MOST_NODES} at most");
        return Err(Error::range("nodes", format!("{nodes:?}"), accepted));
    }
    Ok(())
}

/// The first sample that is NaN or infinite in a slope, where there is one.
fn not_finite<X: State>(slope: Option<&X>) -> Result<Option<usize>> {
    match slope {
        Some(slope) => slope.not_finite(),
        None => Ok(None),
    }
}
