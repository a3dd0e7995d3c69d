//! The one integration loop.

use std::cell::Cell;

use advect_core::{Field, Result, Time, system_fn};

use crate::clock::span;
use crate::controller::{Attempt, Controller, Judgement, Position};
use crate::event::Watched;
use crate::hooks::{Hooks, Observer, Watcher};
use crate::save::Recorder;
use crate::stepper::{Step, Stepper};
use crate::{Event, Interpolant, Interval, Piece, Save, Solution, State, Statistics, Status};

/// A [stepper](crate::stepper), a [controller](crate::controller) of its steps, and what to
/// [`Save`].
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Save, Solver, controller::Fixed, stepper::Heun};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[[1.0f32], [2.0]], &Device::Cpu)?;
/// let solver = Solver::new(Heun, Fixed::steps(20)?).save(Save::Every(10));
/// let solution = solver.solve(&decay, &x, 0.0, 1.0)?;
/// assert_eq!(solution.times, [0.0, 0.5, 1.0]);
/// // Backwards in time, from where it ended, it comes home.
/// let back = solver.solve(&decay, &solution.end()?, 1.0, 0.0)?.end()?.to_vec2::<f32>()?;
/// assert!((back[1][0] - 2.0).abs() < 1e-3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Solver<S, C> {
    pub(crate) stepper: S,
    pub(crate) controller: C,
    pub(crate) save: Save,
}

impl<S, C> Solver<S, C> {
    /// A solver that saves the last state.
    pub fn new(stepper: S, controller: C) -> Self {
        Solver {
            stepper,
            controller,
            save: Save::End,
        }
    }

    /// The same solver, saving other states.
    pub fn save(self, save: Save) -> Self {
        Solver { save, ..self }
    }

    /// Integrates `dx/dt = field(t, x)` from `x0` of shape `(batch, ...)` at `start` to `end`, forwards
    /// or backwards in time.
    ///
    /// The state may be any [`State`], such as a pair of tensors. Each step rounds it to its dtype: in f16 and bf16
    /// many small steps lose more by rounding than they gain, so keep the state in f32 and cast inside the field.
    ///
    /// An integration that cannot reach the end is no error here: the [`Solution`] holds what was
    /// reached and says why it stopped; [`Solution::end`] turns that into an error.
    ///
    /// # Errors
    /// Typed errors for times that are not finite or too far apart, steps that the time does not resolve, tolerances below
    /// the rounding of the initial state, an initial state that is empty, no float or not finite, saves outside the span
    /// or between the steps of a method that has none there, a field whose value is not shaped like its state; those of
    /// the field itself.
    pub fn solve<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        self.integrate(field, x0, start, end, Hooks::default())
    }

    /// As [`Solver::solve`], but stops where an event happens, with [`Status::Event`].
    ///
    /// # Errors
    /// As [`Solver::solve`], and those of the event's function.
    pub fn solve_until<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
        event: &Event<'_, X>,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        let hooks = Hooks {
            event: Some(event),
            ..Hooks::default()
        };
        self.integrate(field, x0, start, end, hooks)
    }

    /// As [`Solver::solve`], with a function that sees each accepted step, can look within it by [`Piece::at`], and
    /// halts the integration by [`ControlFlow::Break`](std::ops::ControlFlow::Break).
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use advect_core::{Time, field_fn};
    /// use advect_solvers::{Solver, Status, controller::Fixed, stepper::Rk4};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let decay = field_fn(|_, x| Ok(x.neg()?));
    /// let x = Tensor::new(&[1f64], &Device::Cpu)?;
    /// let mut middles = Vec::new();
    /// let solution = Solver::new(Rk4, Fixed::steps(10)?).solve_watched(&decay, &x, 0.0, 1.0, &mut |step| {
    ///     middles.push(step.at(0.5 * (step.start + step.end))?.to_vec1::<f64>()?[0]);
    ///     Ok(if middles.len() < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    /// })?;
    /// assert_eq!((solution.status, solution.last_time), (Status::Halted, 0.30000000000000004));
    /// assert!((middles[1] - (-0.15f64).exp()).abs() < 1e-6);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve`], and those of the function.
    pub fn solve_watched<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
        watcher: &mut Watcher<'_, X>,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        let hooks = Hooks {
            watcher: Some(watcher),
            ..Hooks::default()
        };
        self.integrate(field, x0, start, end, hooks)
    }

    /// As [`Solver::solve_watched`], with a function that sees no more than the time and the state after each accepted
    /// step: it costs no evaluation, where looking within steps costs one at the end of the last.
    ///
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use advect_core::{Time, field_fn};
    /// # use advect_solvers::{Solver, controller::Fixed, stepper::Euler};
    /// # use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let (decay, x) = (field_fn(|_, x| Ok(x.neg()?)), Tensor::new(&[1f64], &Device::Cpu)?);
    /// let mut seen = Vec::new();
    /// let solution = Solver::new(Euler, Fixed::steps(2)?).solve_observed(&decay, &x, 0.0, 1.0, &mut |t, x| {
    ///     seen.push((t, x.to_vec1::<f64>()?[0]));
    ///     Ok(ControlFlow::Continue(()))
    /// })?;
    /// assert_eq!((seen, solution.statistics.evaluations), (vec![(0.5, 0.5), (1.0, 0.25)], 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Solver::solve`], and those of the function.
    pub fn solve_observed<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
        observer: &mut Observer<'_, X>,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        let hooks = Hooks {
            observer: Some(observer),
            ..Hooks::default()
        };
        self.integrate(field, x0, start, end, hooks)
    }

    pub(crate) fn integrate<X: State>(
        &self,
        field: &dyn Field<X>,
        x0: &X,
        start: f64,
        end: f64,
        mut hooks: Hooks<'_, '_, X>,
    ) -> Result<Solution<X>>
    where
        S: Stepper<X>,
        C: Controller<S, X>,
    {
        let (start, end) = span(start, end)?;
        x0.check("x0")?;
        self.save.check(start, end)?;
        if self.stepper.tableau().is_none() {
            self.save
                .check_without_interpolant(self.controller.oversteps())?;
        }

        let evaluations = Cell::new(0);
        let counted = system_fn(|t: &Time, x: &X| {
            evaluations.set(evaluations.get() + 1);
            field.at(t, x)
        });
        let mut statistics = Statistics::default();
        let mut recorder = Recorder::new(&self.save, (start, end), x0);
        let (mut t, mut x) = (start, x0.clone());
        let mut failed_sample = None;
        let direction = (end - start).signum();
        let oversteps = self.controller.oversteps();

        let status = if start == end {
            Status::Reached
        } else {
            let at = Position { t, x: &x, end };
            let (mut memory, mut slope) = self.controller.begin(&self.stepper, &counted, at)?;
            let event = hooks.event;
            let mut event = (event.map(|event| Watched::new(event, t, &x, end))).transpose()?;
            if let Some(slope) = &slope {
                failed_sample = slope.not_finite()?;
            }
            let broken = failed_sample.is_some();
            // Where the step just rejected ended.
            let mut rejected = None;
            loop {
                if broken {
                    break Status::NonFinite;
                }
                if statistics.accepted + statistics.rejected >= self.controller.step_limit() {
                    break Status::StepLimit;
                }
                let from = Position { t, x: &x, end };
                let wanted = self.controller.next(&memory, from);
                let stop = recorder.next_stop(end);
                // A step that would end just short of the stop is stretched to it.
                let slack = 1e-10 * (wanted - t).abs();
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
                let mut step = self.stepper.step(&counted, &interval, &x, slope.as_ref())?;
                if hooks.detached {
                    step = step.detach();
                }
                failed_sample = step.x.not_finite()?;
                let attempt = Attempt {
                    from,
                    h,
                    step: &step,
                    finite: failed_sample.is_none(),
                    shortened: h.abs() + slack < (wanted - t).abs(),
                };
                let judgement = self.controller.judge(&mut memory, &self.stepper, attempt)?;
                if judgement != Judgement::Accept {
                    statistics.rejected += 1;
                    if let (None, Some(error)) = (failed_sample, &step.error) {
                        failed_sample = error.not_finite()?;
                    }
                    slope = step.slopes.into_iter().next();
                    match judgement {
                        Judgement::Stop(Status::StepUnderflow) => {
                            break Status::underflow(failed_sample.is_some());
                        }
                        Judgement::Stop(status) => break status,
                        // A shorter step begins with the same slope.
                        _ if failed_sample.is_some() && slope_is_broken(&slope)? => {
                            break Status::NonFinite;
                        }
                        _ => {
                            rejected = Some(next);
                            continue;
                        }
                    }
                }
                statistics.accepted += 1;
                rejected = None;

                let (mut next, mut step, mut happened) = (next, step, false);
                if let Some(event) = &mut event {
                    let first = step.slopes.first().cloned();
                    let attempt = |fraction: f64| {
                        let end = t + fraction * h;
                        let interval = Interval::Shared { start: t, end };
                        self.stepper.step(&counted, &interval, &x, first.as_ref())
                    };
                    // An event that comes after the end does not count.
                    if let Some((at, found)) = event.look((t, next), &step, attempt)?
                        && (at - end) * direction <= 0.0
                    {
                        (next, step, happened) = (at, found, true);
                    }
                }

                let ends = (next - end) * direction >= 0.0;
                let beyond = ends && next != end;
                let seen = hooks.watcher.is_some() || beyond || recorder.wants_piece(t, next);
                let piece = match seen {
                    true => Some(self.piece(&counted, (t, next), &x, &step)?),
                    false => None,
                };
                recorder.step(next, &step.x, piece.as_ref(), end)?;
                (t, x) = match &piece {
                    Some(piece) if beyond => (end, piece.at(end)?),
                    _ => (next, step.x),
                };
                let mut enough = match (&mut hooks.watcher, &piece) {
                    (Some(watcher), Some(piece)) => watcher(piece)?.is_break(),
                    _ => false,
                };
                if let Some(observer) = &mut hooks.observer {
                    enough |= observer(t, &x)?.is_break();
                }
                slope = (step.last_slope).or(piece.and_then(|piece| piece.end_slope));
                if happened {
                    break Status::Event;
                }
                if ends {
                    break Status::Reached;
                }
                if enough {
                    break Status::Halted;
                }
            }
        };
        recorder.finish(t, &x);
        statistics.evaluations = evaluations.get();
        Ok(Solution {
            times: recorder.times,
            states: recorder.states,
            last_time: t,
            last_state: x,
            failed_sample: failed_sample.filter(|_| status == Status::NonFinite),
            status,
            statistics,
            pieces: recorder.pieces,
        })
    }

    /// A step with what is needed to interpolate it. The slope at its end serves the next step too.
    fn piece<X: State>(
        &self,
        field: &dyn Field<X>,
        (start, end): (f64, f64),
        x: &X,
        step: &Step<X>,
    ) -> Result<Piece<X>>
    where
        S: Stepper<X>,
    {
        let tableau = self.stepper.tableau();
        let cubic = tableau.is_some_and(|tableau| tableau.interpolant() == Interpolant::Hermite);
        let end_slope = match &step.last_slope {
            None if cubic => Some(field.at(&Time::Shared(end), &step.x)?),
            known => known.clone(),
        };
        Ok(Piece {
            start,
            end,
            x: x.clone(),
            end_x: step.x.clone(),
            slopes: step.slopes.clone(),
            end_slope,
            tableau,
        })
    }
}

/// Whether a slope is NaN or infinite.
fn slope_is_broken<X: State>(slope: &Option<X>) -> Result<bool> {
    match slope {
        Some(slope) => Ok(slope.not_finite()?.is_some()),
        None => Ok(false),
    }
}
