//! The integration loop with a clock for each sample.

mod active;
mod events;

use std::cell::Cell;

use advect_core::{Error, Field, Observer, Result, Time, system_fn};

use crate::clock::{span, unsigned};
use crate::controller::{AdaptiveMemory, Judgement, Position, Tried, exponent};
use crate::sample_solutions::Collected;
use crate::stepper::{Embedded, Memory};
use crate::{
    AcceptedSamples, Integration, Interval, SampleIntegration, SampleSolutions, Samples, Save,
    Solver, Statistics, Status,
};
use active::{Active, Goal};
use events::SampleEvents;

impl<S: Embedded<X>, X: Samples> SampleIntegration<'_, S, X> {
    /// Integrates each sample, with all that the settings ask for.
    pub(crate) fn integrate(self) -> Result<SampleSolutions<X>> {
        self.check()?;
        let Integration {
            solver: Solver {
                stepper,
                controller,
            },
            field,
            x0,
            save,
            jumps,
            ..
        } = self.shared;
        if stepper.is_multistep() {
            let accepted = "a one-step method, with a clock for each sample";
            return Err(Error::range("stepper", "a multistep method", accepted));
        }
        let mut observers = self.observers;
        let (start, end) = (self.shared.start, self.shared.end);
        let (start, end) = span(start, end)?;
        x0.check("x0")?;
        save.check(start, end)?;
        let times: &[f64] = match &save {
            Save::End => &[],
            Save::At(times) => times,
            other => {
                let given = format!("{other:?}");
                let accepted = "Save::End or Save::At, with a clock for each sample";
                return Err(Error::range("save", given, accepted));
            }
        };
        let count = x0.samples("x0")?;
        let calls = Cell::new(0);
        let counted = system_fn(|t: &Time, x: &X| {
            calls.set(calls.get() + 1);
            field.at(t, x)
        });
        let mut solutions = SampleSolutions {
            last_times: vec![start; count],
            last_state: x0.clone(),
            statuses: vec![Status::Reached; count],
            statistics: vec![Statistics::default(); count],
            calls: 0,
            events: vec![Vec::new(); count],
            saved: times.iter().map(|_| Collected::new()).collect(),
        };
        let all: Vec<u32> = (0..count as u32).collect();
        let mut saved = 0;
        if times.first() == Some(&start) {
            solutions.saved[0].take(x0, &all, all.iter().copied())?;
            saved = 1;
        }
        if start == end {
            return Ok(solutions);
        }

        let at = Position {
            t: start,
            x: x0,
            end,
        };
        let begun = jumps.within(&counted, &Interval::Shared { start, end });
        let (memories, mut slope) = controller.begin_each(stepper, &begun, at)?;
        let mut events = SampleEvents::new(&self.events, start, x0, end)?;
        let begin = |(sample, memory): (u32, AdaptiveMemory)| Active {
            sample,
            t: start,
            memory,
            saved,
            renewed: false,
            stopped: None,
        };
        let mut active: Vec<Active> = (0..).zip(memories).map(begin).collect();
        let unresolved = controller.unresolved_each(x0)?;
        let broken_slopes = broken(slope.as_ref())?;
        for (i, a) in active.iter_mut().enumerate() {
            a.stopped = match (broken_slopes.as_ref().is_some_and(|b| b[i]), unresolved[i]) {
                (true, _) => Some(Status::NonFinite),
                (_, true) => Some(Status::Unresolved),
                _ => None,
            };
        }
        for statistics in &mut solutions.statistics {
            statistics.evaluations = calls.get();
        }
        let mut x = x0.clone();
        let mut kept = Memory::new(Some(controller.allowed()));
        let mut finished = Collected::new();
        let exponent = exponent::<X, S>(stepper);
        let direction = (end - start).signum();

        while !active.is_empty() {
            let renewed = positions(&active, |a| a.renewed && a.stopped.is_none());
            if !renewed.is_empty() {
                let starts: Vec<f64> = renewed.iter().map(|&i| active[i as usize].t).collect();
                let interval = Interval::PerSample {
                    start: starts.clone(),
                    end: vec![end; starts.len()],
                };
                let field = jumps.within(&counted, &interval);
                let before = calls.get();
                let own = X::gather(&[&x], &renewed)?;
                let memories = controller.restart_each(stepper, &field, &own, &starts, end)?;
                for (&i, memory) in renewed.iter().zip(memories) {
                    let a = &mut active[i as usize];
                    (a.memory, a.renewed) = (memory, false);
                    solutions.statistics[a.sample as usize].evaluations += calls.get() - before;
                }
                // Of which some are those before a jump.
                slope = None;
                kept = Memory::new(Some(controller.allowed()));
            }
            let goal = |a: &Active| {
                let statistics = &solutions.statistics[a.sample as usize];
                let stop = times.get(a.saved).map_or(end, |t| unsigned(*t));
                let stop = jumps.next_stop(a.t, stop);
                let steps = statistics.accepted + statistics.rejected;
                match a.stopped.is_none() && steps >= controller.limit() {
                    true => Err(Status::StepLimit),
                    false => a.goal(stop, direction),
                }
            };
            let goals: Vec<Result<Goal, Status>> = active.iter().map(goal).collect();
            if goals.iter().any(Result::is_err) {
                let lost = positions(&goals, Result::is_err);
                finished.take(&x, &lost, lost.iter().map(|&i| active[i as usize].sample))?;
                for (a, goal) in active.iter().zip(&goals) {
                    if let Err(status) = goal {
                        solutions.statuses[a.sample as usize] = *status;
                    }
                }
                let keep = positions(&goals, Result::is_ok);
                active = keep.iter().map(|&i| active[i as usize]).collect();
                if !active.is_empty() {
                    x = X::gather(&[&x], &keep)?;
                    slope = slope.map(|s| X::gather(&[&s], &keep)).transpose()?;
                    kept.gather(&keep);
                }
                continue;
            }
            let goals: Vec<Goal> = goals.into_iter().flatten().collect();

            let before = calls.get();
            let interval = Interval::PerSample {
                start: active.iter().map(|a| a.t).collect(),
                end: goals.iter().map(|goal| goal.end).collect(),
            };
            let one_sided;
            let field: &dyn Field<X> = match jumps.is_empty() {
                true => &counted,
                false => {
                    one_sided = jumps.within(&counted, &interval);
                    &one_sided
                }
            };
            let mut step = stepper.step_with(&mut kept, field, &interval, &x, slope.as_ref())?;
            let cost = kept.take_cost();
            let Some(error) = &step.error else {
                let accepted = "one with an error estimate in each step, as Embedded promises";
                return Err(Error::range(
                    "stepper",
                    "one whose steps have no error estimate",
                    accepted,
                ));
            };
            let mut ratios = controller.norms(error, &x, &step.x)?;
            if let Some(broken) = broken(Some(&step.x))? {
                for (ratio, broken) in ratios.iter_mut().zip(broken) {
                    *ratio = if broken { f64::NAN } else { *ratio };
                }
            }
            let mut causes = vec![None; active.len()];
            for unsolved in &step.unsolved {
                ratios[unsolved.sample] = f64::NAN;
                causes[unsolved.sample] = Some(unsolved.cause);
            }
            // A shorter step begins with the same slope.
            let hopeless = match ratios.iter().all(|ratio| ratio.is_finite()) {
                true => None,
                false => broken(step.slopes.first())?,
            };
            let unresolved = controller.unresolved_each(&step.x)?;

            let mut accepted = vec![false; active.len()];
            let mut ended = vec![false; active.len()];
            let mut arrived: Vec<Vec<u32>> = vec![Vec::new(); times.len()];
            // Of the step, without the searches for events, which are each sample's own.
            let evaluations = calls.get() - before;
            for (i, a) in active.iter_mut().enumerate() {
                let statistics = &mut solutions.statistics[a.sample as usize];
                statistics.evaluations += evaluations;
                statistics.add_matrices(cost);
                let (mut next, ratio) = (goals[i].end, ratios[i]);
                let tried = Tried {
                    from: a.t,
                    size: (next - a.t).abs(),
                    ratio,
                    shortened: goals[i].shortened,
                    solved: causes[i].is_none(),
                    outlook: None,
                };
                a.stopped = match controller.respond(&mut a.memory, exponent, tried) {
                    Judgement::Accept if unresolved[i] => Some(Status::Unresolved),
                    Judgement::Stop(Status::NoConvergence) => causes[i],
                    Judgement::Stop(_) => Some(Status::underflow(!ratio.is_finite())),
                    Judgement::Reject if hopeless.as_ref().is_some_and(|h| h[i]) => {
                        Some(Status::NonFinite)
                    }
                    judgement => {
                        accepted[i] = judgement == Judgement::Accept;
                        None
                    }
                };
                if !accepted[i] {
                    statistics.rejected += 1;
                    continue;
                }
                statistics.accepted += 1;
                if !events.is_empty() {
                    let before = calls.get();
                    let attempt = |end: f64, x: &X, slope: Option<&X>| {
                        let (start, end) = (vec![a.t], vec![end]);
                        let interval = Interval::PerSample { start, end };
                        let field = jumps.within(&counted, &interval);
                        stepper.step(&field, &interval, x, slope)?.solved()
                    };
                    let place = (i as u32, a.sample as usize);
                    let found = events.look(place, (a.t, next), (&x, &step), attempt)?;
                    statistics.evaluations += calls.get() - before;
                    if let Some((at, stops)) = found {
                        next = at;
                        a.stopped = stops.then_some(Status::Event);
                    }
                }
                a.t = next;
                solutions.last_times[a.sample as usize] = next;
                if times.get(a.saved) == Some(&next) {
                    arrived[a.saved].push(i as u32);
                    a.saved += 1;
                }
                a.renewed = jumps.contains(next);
                ended[i] = next == end && a.stopped.is_none();
                if ended[i] {
                    events.finish(a.sample as usize)?;
                }
            }
            step.x = events.at_events(step.x)?;
            for (saved, positions) in solutions.saved.iter_mut().zip(&arrived) {
                let samples = positions.iter().map(|&i| active[i as usize].sample);
                saved.take(&step.x, positions, samples)?;
            }
            let mut enough = false;
            if !observers.is_empty()
                && accepted.contains(&true)
                && let Interval::PerSample { start, .. } = &interval
            {
                let advanced = positions(&accepted, |accepted| *accepted);
                let each = || advanced.iter().map(|&i| i as usize);
                let samples: Vec<usize> = each().map(|i| active[i].sample as usize).collect();
                let starts = each().map(|i| start[i]).collect();
                let times = each().map(|i| active[i].t).collect();
                let x = X::gather(&[&step.x], &advanced)?;
                let mut told = AcceptedSamples::new(samples, starts, times, x);
                for (told, &sample) in told.statistics.iter_mut().zip(&told.samples) {
                    *told = solutions.statistics[sample];
                }
                for observer in &mut observers {
                    enough |= observer.observe(&told)?.is_break();
                }
            }
            let (states, changed) = events.change(step.x)?;
            step.x = states;
            for place in changed {
                active[place as usize].renewed = true;
            }
            let done = positions(&ended, |ended| *ended);
            finished.take(
                &step.x,
                &done,
                done.iter().map(|&i| active[i as usize].sample),
            )?;

            let first = step.slopes.into_iter().next();
            if enough {
                for a in &mut active {
                    a.stopped = a.stopped.or(Some(Status::Halted));
                }
            }
            if done.is_empty() && accepted.iter().all(|a| *a) {
                (x, slope) = (step.x, step.last_slope);
                continue;
            }
            // Those that go on: from the new state where the step was accepted, else from the old one.
            let keep = positions(&ended, |ended| !*ended);
            let old = active.len() as u32;
            let source = |&i: &u32| if accepted[i as usize] { old + i } else { i };
            let sources: Vec<u32> = keep.iter().map(source).collect();
            active = keep.iter().map(|&i| active[i as usize]).collect();
            if active.is_empty() {
                break;
            }
            kept.gather(&keep);
            x = X::gather(&[&x, &step.x], &sources)?;
            slope = match (first, step.last_slope) {
                (Some(first), Some(last)) => Some(X::gather(&[&first, &last], &sources)?),
                _ => None,
            };
        }
        solutions.calls = calls.get();
        solutions.events = events.into_occurrences(count);
        solutions.last_state = finished.assemble()?;
        Ok(solutions)
    }
}

/// Which samples are NaN or infinite, if any is.
fn broken<X: Samples>(x: Option<&X>) -> Result<Option<Vec<bool>>> {
    let Some(x) = x else { return Ok(None) };
    if x.not_finite()?.is_none() {
        return Ok(None);
    }
    // Against themselves numbers are 1 at most, or NaN.
    let sizes = x.scaled_errors(x, x, 1.0, f64::MIN_POSITIVE)?;
    Ok(Some(sizes.iter().map(|e| e.rms().is_nan()).collect()))
}

/// Where a condition holds.
fn positions<T>(items: &[T], holds: impl Fn(&T) -> bool) -> Vec<u32> {
    let found = items.iter().enumerate().filter(|(_, item)| holds(item));
    found.map(|(i, _)| i as u32).collect()
}
