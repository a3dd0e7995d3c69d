//! A clock for each sample.

use std::cell::Cell;

use advect_core::{Error, Field, Result, Time, system_fn};
use candle_core::Tensor;

use crate::clock::{span, unsigned};
use crate::controller::{Adaptive, AdaptiveMemory, Judgement, Position, Tried, exponent};
use crate::stepper::Embedded;
use crate::{Interval, Samples, Save, Solver, Statistics, Status};

/// What [`Solver::solve_each`] gives: an integration of each sample, as far as it came.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SampleSolutions<X = Tensor> {
    /// The last time that each sample reached.
    pub last_times: Vec<f64>,
    /// The states of the samples, each at its last time.
    pub last_state: X,
    /// How the integration of each sample ended.
    pub statuses: Vec<Status>,
    /// What each sample cost.
    pub statistics: Vec<Statistics>,
    /// How often the field was called, for any number of samples.
    pub calls: usize,
    saved: Vec<Collected<X>>,
}

impl<X: Samples> SampleSolutions<X> {
    /// The states at the end.
    ///
    /// # Errors
    /// [`Error::Stopped`] if a sample did not reach the end; it says which and why, and the fields hold what was
    /// reached.
    pub fn end(&self) -> Result<X> {
        self.reached(|_| true)?;
        Ok(self.last_state.clone())
    }

    /// The states at the `index`-th of the times of [`Save::At`].
    ///
    /// # Errors
    /// [`Error::Range`] for an index beyond those times, [`Error::Stopped`] if a sample did not come so far.
    pub fn saved(&self, index: usize) -> Result<X> {
        let Some(saved) = self.saved.get(index) else {
            let accepted = format!("an index below {}", self.saved.len());
            return Err(Error::range("index", index, accepted));
        };
        self.reached(|sample| !saved.samples.contains(&(sample as u32)))?;
        saved.assemble()
    }

    /// Checks that all the samples asked for reached the end.
    fn reached(&self, asked: impl Fn(usize) -> bool) -> Result<()> {
        let failed = |(i, status): (usize, &Status)| Some((i, status.reason()?));
        let mut failures = self.statuses.iter().enumerate().filter_map(failed);
        match failures.find(|(i, _)| asked(*i)) {
            None => Ok(()),
            Some((sample, reason)) => {
                let accepted = self.statistics[sample].accepted;
                let t = self.last_times[sample];
                let at = format!("t = {t}, after {accepted} steps accepted, sample {sample}");
                Err(Error::stopped(at, reason))
            }
        }
    }
}

/// Samples that arrive in any order.
#[derive(Debug, Clone)]
struct Collected<X> {
    samples: Vec<u32>,
    parts: Vec<X>,
}

impl<X: Samples> Collected<X> {
    fn new() -> Self {
        Collected {
            samples: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Takes the samples at some positions of a state.
    fn take(
        &mut self,
        from: &X,
        positions: &[u32],
        samples: impl Iterator<Item = u32>,
    ) -> Result<()> {
        if !positions.is_empty() {
            self.parts.push(X::gather(&[from], positions)?);
            self.samples.extend(samples);
        }
        Ok(())
    }

    /// All of them in their order.
    fn assemble(&self) -> Result<X> {
        let mut order: Vec<u32> = (0..self.samples.len() as u32).collect();
        order.sort_by_key(|&i| self.samples[i as usize]);
        X::gather(&self.parts.iter().collect::<Vec<_>>(), &order)
    }
}

/// A sample under way.
#[derive(Debug, Clone, Copy)]
struct Active {
    sample: u32,
    t: f64,
    memory: AdaptiveMemory,
    /// How many times were saved.
    saved: usize,
    /// Why it does not go on.
    stopped: Option<Status>,
}

/// Where a sample's step is to end, and whether that is sooner than planned.
#[derive(Debug, Clone, Copy)]
struct Goal {
    end: f64,
    shortened: bool,
}

impl Active {
    /// The next step, which ends at `stop` if it would come close to it or go beyond.
    fn goal(&self, stop: f64, direction: f64) -> Result<Goal, Status> {
        let wanted = self.memory.next(self.t, direction);
        let slack = 1e-10 * (wanted - self.t).abs();
        let stops = (stop - wanted) * direction <= slack;
        let end = if stops { stop } else { wanted };
        match self.stopped {
            Some(status) => Err(status),
            None if !stops && wanted == self.t => Err(Status::StepUnderflow),
            None => Ok(Goal {
                end,
                shortened: (end - self.t).abs() + slack < (wanted - self.t).abs(),
            }),
        }
    }
}

impl<S> Solver<S, Adaptive> {
    /// As [`Solver::solve`], but each sample has its own clock, its own step sizes and its own error; one that is at
    /// its end leaves the batch. A stiff sample does not drag the others to its small steps, and a sample's solution
    /// does not depend on its company.
    ///
    /// The field sees [`Time::PerSample`], and those samples only that are still under way: what it needs to know of
    /// each must be part of the state, with a slope of 0, and not of the field.
    ///
    /// ```
    /// use advect_core::{Time, field_fn};
    /// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // dx/dt = −rate · x: the rate is the second column.
    /// let field = field_fn(|_, x| {
    ///     let (x, rate) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    ///     Ok(Tensor::cat(&[(x * &rate)?.neg()?, rate.zeros_like()?], 1)?)
    /// });
    /// let x = Tensor::new(&[[1f64, 1.0], [1.0, 300.0]], &Device::Cpu)?;
    /// let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
    /// let solution = solver.solve_each(&field, &x, 0.0, 1.0)?;
    /// let [easy, stiff] = [0, 1].map(|i| solution.statistics[i].accepted);
    /// assert!(easy < 15 && stiff > 80);
    /// assert!((solution.end()?.to_vec2::<f64>()?[0][0] - (-1f64).exp()).abs() < 1e-6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve`]; [`Error::Range`] for saves other than [`Save::End`] and [`Save::At`], and for a
    /// controller that oversteps.
    pub fn solve_each<X: Samples>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
    ) -> Result<SampleSolutions<X>>
    where
        S: Embedded<X>,
    {
        let (start, end) = span(start, end)?;
        x0.check("x0")?;
        self.save.check(start, end)?;
        let times: &[f64] = match &self.save {
            Save::End => &[],
            Save::At(times) => times,
            other => {
                let given = format!("{other:?}");
                return Err(Error::range("save", given, "Save::End or Save::At"));
            }
        };
        if self.controller.goes_beyond() {
            let accepted = "one that ends at the end";
            return Err(Error::range("controller", "one that oversteps", accepted));
        }
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
        let (memories, mut slope) = self.controller.begin_each(&self.stepper, &counted, at)?;
        let begin = |(sample, memory): (u32, AdaptiveMemory)| Active {
            sample,
            t: start,
            memory,
            saved,
            stopped: None,
        };
        let mut active: Vec<Active> = (0..).zip(memories).map(begin).collect();
        let unresolved = self.controller.unresolved_each(x0)?;
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
        let mut finished = Collected::new();
        let exponent = exponent::<X, S>(&self.stepper);
        let direction = (end - start).signum();

        while !active.is_empty() {
            let goal = |a: &Active| {
                let statistics = &solutions.statistics[a.sample as usize];
                let stop = times.get(a.saved).map_or(end, |t| unsigned(*t));
                match statistics.accepted + statistics.rejected >= self.controller.limit() {
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
                }
                continue;
            }
            let goals: Vec<Goal> = goals.into_iter().flatten().collect();

            let before = calls.get();
            let interval = Interval::PerSample {
                start: active.iter().map(|a| a.t).collect(),
                end: goals.iter().map(|goal| goal.end).collect(),
            };
            let step = self.stepper.step(&counted, &interval, &x, slope.as_ref())?;
            let Some(error) = &step.error else {
                let accepted = "a stepper that keeps the promise of Embedded";
                return Err(Error::range("stepper", "no error estimate", accepted));
            };
            let mut ratios = self.controller.norms(error, &x, &step.x)?;
            if let Some(broken) = broken(Some(&step.x))? {
                for (ratio, broken) in ratios.iter_mut().zip(broken) {
                    *ratio = if broken { f64::NAN } else { *ratio };
                }
            }
            // A shorter step begins with the same slope.
            let hopeless = match ratios.iter().all(|ratio| ratio.is_finite()) {
                true => None,
                false => broken(step.slopes.first())?,
            };
            let unresolved = self.controller.unresolved_each(&step.x)?;

            let mut accepted = vec![false; active.len()];
            let mut ended = vec![false; active.len()];
            let mut arrived: Vec<Vec<u32>> = vec![Vec::new(); times.len()];
            for (i, a) in active.iter_mut().enumerate() {
                let statistics = &mut solutions.statistics[a.sample as usize];
                statistics.evaluations += calls.get() - before;
                let (next, ratio) = (goals[i].end, ratios[i]);
                let tried = Tried {
                    from: a.t,
                    size: (next - a.t).abs(),
                    ratio,
                    shortened: goals[i].shortened,
                };
                a.stopped = match self.controller.respond(&mut a.memory, exponent, tried) {
                    Judgement::Accept if unresolved[i] => Some(Status::Unresolved),
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
                a.t = next;
                solutions.last_times[a.sample as usize] = next;
                if times.get(a.saved) == Some(&next) {
                    arrived[a.saved].push(i as u32);
                    a.saved += 1;
                }
                ended[i] = next == end;
            }
            for (saved, positions) in solutions.saved.iter_mut().zip(&arrived) {
                let samples = positions.iter().map(|&i| active[i as usize].sample);
                saved.take(&step.x, positions, samples)?;
            }
            let done = positions(&ended, |ended| *ended);
            finished.take(
                &step.x,
                &done,
                done.iter().map(|&i| active[i as usize].sample),
            )?;

            let first = step.slopes.into_iter().next();
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
            x = X::gather(&[&x, &step.x], &sources)?;
            slope = match (first, step.last_slope) {
                (Some(first), Some(last)) => Some(X::gather(&[&first, &last], &sources)?),
                _ => None,
            };
        }
        solutions.calls = calls.get();
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
