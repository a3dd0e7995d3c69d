//! The one integration loop.

use std::cell::Cell;

use advect_core::{Error, Field, Result, Time, check};
use candle_core::Tensor;

use crate::controller::{Attempt, Controller, Judgement, Position};
use crate::save::Recorder;
use crate::stepper::Stepper;
use crate::{Save, Solution, Statistics, Status};

/// A [stepper](crate::stepper), a [controller](crate::controller) of its steps, and what to
/// [`Save`].
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Save, Solver, controller::Fixed, stepper::Heun};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let decay = |_: &Time, x: &Tensor| Ok(x.neg()?);
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
    stepper: S,
    controller: C,
    save: Save,
}

impl<S: Stepper, C: Controller<S>> Solver<S, C> {
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
    /// Each step rounds the state to its dtype: in f16 and bf16 many small steps lose more by rounding than
    /// they gain, so keep the state in f32 and cast inside the field.
    ///
    /// An integration that cannot reach the end is no error here: the [`Solution`] holds what was
    /// reached and says why it stopped; [`Solution::end`] turns that into an error.
    ///
    /// # Errors
    /// Typed errors for times that are not finite, an initial state that is empty, no float or not
    /// finite, saves outside the span, a field whose value is not shaped like its state; those of the
    /// field itself.
    pub fn solve(&self, field: &dyn Field, x0: &Tensor, start: f64, end: f64) -> Result<Solution> {
        for (name, t) in [("start", start), ("end", end)] {
            if !t.is_finite() {
                return Err(Error::range(name, t, "a finite time"));
            }
        }
        check::batch("x0", x0)?;
        check::float("x0", x0)?;
        check::finite("x0", x0)?;
        self.save.check(start, end)?;

        let evaluations = Cell::new(0);
        let counted = |t: &Time, x: &Tensor| {
            evaluations.set(evaluations.get() + 1);
            field.at(t, x)
        };
        let mut statistics = Statistics::default();
        let mut recorder = Recorder::new(&self.save, start, x0);
        let (mut t, mut x) = (start, x0.clone());

        let status = if start == end {
            Status::Reached
        } else {
            let at = Position { t, x: &x, end };
            let (mut memory, mut slope) = self.controller.begin(&self.stepper, &counted, at)?;
            // What made the steps small: the cause of the last rejection.
            let mut rejected_finite = true;
            loop {
                if statistics.accepted + statistics.rejected >= self.controller.step_limit() {
                    break Status::StepLimit;
                }
                let from = Position { t, x: &x, end };
                let wanted = self.controller.next(&memory, from);
                let stop = recorder.next_stop(end);
                // A step that would end just short of the stop is stretched to it.
                let slack = 1e-10 * (wanted - t).abs();
                let stops = (stop - wanted) * (end - start).signum() <= slack;
                if wanted == t && !stops {
                    break match rejected_finite {
                        true => Status::StepUnderflow,
                        false => Status::NonFinite,
                    };
                }
                let next = if stops { stop } else { wanted };
                let h = next - t;
                let step = self.stepper.step(&counted, t, h, &x, slope.as_ref())?;
                let finite = check::is_finite(&step.x)?;
                let attempt = Attempt {
                    from,
                    h,
                    step: &step,
                    finite,
                    shortened: h.abs() + slack < (wanted - t).abs(),
                };
                match self.controller.judge(&mut memory, &self.stepper, attempt)? {
                    Judgement::Accept => {
                        statistics.accepted += 1;
                        (t, x, slope) = (next, step.x, step.last_slope);
                        recorder.step(t, &x);
                        if t == end {
                            break Status::Reached;
                        }
                    }
                    Judgement::Reject => {
                        statistics.rejected += 1;
                        rejected_finite = finite;
                        slope = Some(step.first_slope);
                    }
                    Judgement::Stop => break Status::NonFinite,
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
            status,
            statistics,
        })
    }
}
