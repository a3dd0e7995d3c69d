//! Events, at which an integration stops before its end.

use std::fmt;
use std::sync::Arc;

use advect_core::{Coefficient, Result, check};
use candle_core::Tensor;

use crate::State;
use crate::stepper::Step;

type Function<X> = dyn Fn(f64, &X) -> Result<f64> + Send + Sync;

/// An event, at which an integration stops: the zero of a scalar function of time and state
/// ([`Integration::until`](crate::Integration::until)).
///
/// After each accepted step the sign is compared with that before; where it changed, the size of that step at which the
/// function is zero is found by steps of the method itself, so that the state there is as exact as any other. Two zeros
/// within one step are not seen.
///
/// A function that is zero at the start has not crossed it yet. So an integration can go on from the state at an event,
/// changed or not, without finding the same event again: a value is zero where it is within the rounding of the state, and
/// where it is zero within 1e-12 (for states of 32 bits or fewer, eight roundoffs) of the times from 0 to the start and on
/// to the end. A value as near to zero at the end of a step has reached it, so that no event is lost between two
/// integrations. With a tolerance coarser than 1e-12 of a step, name the direction by [`Event::crossing`] before you go on
/// from an event.
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Event, Solver, Status, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A ball falls from a height of 10 m: columns are height and speed.
/// let fall = field_fn(|_, x| {
///     let speed = x.narrow(1, 1, 1)?;
///     Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -9.81)?], 1)?)
/// });
/// let x = Tensor::new(&[[10f64, 0.0]], &Device::Cpu)?;
/// let ground = Event::new(|_, x: &Tensor| Ok(x.to_vec2::<f64>()?[0][0]));
/// let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?);
/// let solution = solver.integration(&fall, &x, 0.0, 10.0).until(&ground).run()?;
/// assert_eq!(solution.status, Status::Event);
/// assert!((solution.last_time - (20f64 / 9.81).sqrt()).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "odeint_event")]
#[doc(alias = "callback")]
#[doc(alias = "terminate")]
#[doc(alias = "root finding")]
pub struct Event<X = Tensor> {
    function: Arc<Function<X>>,
    crossing: Crossing,
    tolerance: f64,
}

/// The changes of sign that count as an [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Crossing {
    /// Both directions.
    #[default]
    Any,
    /// The change from below 0 to above.
    Rising,
    /// The change from above 0 to below.
    Falling,
}

impl<X> Clone for Event<X> {
    fn clone(&self) -> Self {
        Event {
            function: Arc::clone(&self.function),
            ..*self
        }
    }
}

impl<X> Event<X> {
    /// Creates an event where `function` crosses 0 in either direction, located to 1e-12 of the size of the step.
    pub fn new(function: impl Fn(f64, &X) -> Result<f64> + Send + Sync + 'static) -> Self {
        Event {
            function: Arc::new(function),
            crossing: Crossing::Any,
            tolerance: 1e-12,
        }
    }

    /// Sets the direction in which the function has to cross 0, as the integration goes.
    pub fn crossing(self, crossing: Crossing) -> Self {
        Event { crossing, ..self }
    }

    /// Sets the part of a step to which the event is located, at most 1.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) unless finite and above 0.
    pub fn tolerance(self, tolerance: f64) -> Result<Self> {
        let tolerance = check::positive("tolerance", tolerance)?.min(1.0);
        Ok(Event { tolerance, ..self })
    }

    fn value(&self, t: f64, x: &X) -> Result<f64> {
        (self.function)(t, x)
    }

    /// Whether the function crossed 0 between two values; NaN is no crossing.
    fn crossed(&self, before: f64, after: f64) -> bool {
        let rising = before < 0.0 && after >= 0.0;
        let falling = before > 0.0 && after <= 0.0;
        self.counts(rising, falling)
    }

    fn counts(&self, rising: bool, falling: bool) -> bool {
        match self.crossing {
            Crossing::Any => rising || falling,
            Crossing::Rising => rising,
            Crossing::Falling => falling,
        }
    }

    /// The fraction of a step at which the function is 0, and what `attempt` gave there: the function's value and
    /// anything else. By the Illinois rule (Dowell and Jarratt 1971), with a bisection now and then.
    fn locate<P>(
        &self,
        before: f64,
        (after, at_end): (f64, P),
        attempt: impl Fn(f64) -> Result<(f64, P)>,
    ) -> Result<(f64, P)> {
        let (mut low, mut f_low) = (0.0, before);
        let (mut high, mut f_high, mut best) = (1.0, after, at_end);
        // Which end moved last.
        let mut moved_high = None;
        for iteration in 0..200 {
            if high - low <= self.tolerance || f_high == 0.0 {
                break;
            }
            let secant = high - f_high * (high - low) / (f_high - f_low);
            let usable = secant > low && secant < high && iteration % 4 != 3;
            let middle = if usable { secant } else { 0.5 * (low + high) };
            if middle <= low || middle >= high {
                break;
            }
            let (f, found) = attempt(middle)?;
            // A step that fails is none that has crossed.
            let crossed = on_side(f, after);
            if crossed {
                (high, f_high, best) = (middle, f, found);
                if moved_high == Some(true) {
                    f_low *= 0.5;
                }
            } else {
                low = middle;
                if !f.is_nan() {
                    f_low = f;
                }
                if moved_high == Some(false) {
                    f_high *= 0.5;
                }
            }
            moved_high = Some(crossed);
        }
        Ok((high, best))
    }
}

/// Whether a value is 0 or has the sign of another, which is not 0.
fn on_side(value: f64, of: f64) -> bool {
    value == 0.0 || (!value.is_nan() && (value > 0.0) == (of > 0.0))
}

/// An event's function along an integration.
pub(crate) struct Tracked<'a, X> {
    event: &'a Event<X>,
    /// The last value.
    value: f64,
    start: f64,
    /// How near in time a state has to be to a zero to be at it.
    resolution: f64,
}

impl<'a, X: State> Tracked<'a, X> {
    /// At the start of an integration to `end`.
    pub(crate) fn new(event: &'a Event<X>, start: f64, x: &X, end: f64) -> Result<Self> {
        let value = event.value(start, x)?;
        let tracked = Tracked {
            event,
            value,
            start,
            resolution: (event.tolerance.min(1e-12).max(8.0 * x.unit_roundoff()))
                * (start.abs() + (end - start).abs()),
        };
        Ok(match tracked.is_rounding(start, x, value)? {
            true => Tracked {
                value: 0.0,
                ..tracked
            },
            false => tracked,
        })
    }

    /// How near in time two zeros are one.
    pub(crate) fn resolution(&self) -> f64 {
        self.resolution
    }

    /// Takes note of a step from `t` to `next`. Returns the time of an event in it, and the step that ends there;
    /// `attempt` makes the step again to a fraction of its size.
    pub(crate) fn look(
        &mut self,
        (t, next): (f64, f64),
        step: &Step<X>,
        attempt: impl Fn(f64) -> Result<Step<X>>,
    ) -> Result<Option<(f64, Step<X>)>> {
        let h = next - t;
        let attempt = |fraction: f64| {
            let step = attempt(fraction)?;
            Ok((self.event.value(t + fraction * h, &step.x)?, step))
        };
        let (before, after) = (self.value, self.event.value(next, &step.x)?);
        let mut happened = None;
        if self.event.crossed(before, after) {
            if !self.crossed_at_start((t, next), after, attempt)? {
                let (fraction, found) =
                    self.event.locate(before, (after, step.clone()), attempt)?;
                let at = if fraction < 1.0 {
                    t + fraction * h
                } else {
                    next
                };
                happened = Some((at, found));
            }
        } else if self.ends_at_zero((t, next), before, after, &step.x)? {
            happened = Some((next, step.clone()));
        }
        if !after.is_nan() {
            self.value = after;
        }
        Ok(happened)
    }

    /// Whether a crossing within a step is that of the start.
    fn crossed_at_start<P>(
        &self,
        (t, next): (f64, f64),
        after: f64,
        attempt: impl Fn(f64) -> Result<(f64, P)>,
    ) -> Result<bool> {
        let settled = self.start + self.resolution.copysign(next - t);
        let fraction = (settled - t) / (next - t);
        Ok(fraction >= 1.0
            || (fraction > 0.0 && after != 0.0 && on_side(attempt(fraction)?.0, after)))
    }

    /// Whether a step that does not cross 0 ends as near to it as can be told.
    fn ends_at_zero(&self, (t, next): (f64, f64), before: f64, after: f64, x: &X) -> Result<bool> {
        let (rising, falling) = (before < after && after < 0.0, before > after && after > 0.0);
        if !self.event.counts(rising, falling) {
            return Ok(false);
        }
        // Further steps that it would take at this pace.
        let steps = after / (before - after);
        Ok(steps <= 1e-3
            && (steps * (next - t).abs() <= self.resolution || self.is_rounding(next, x, after)?))
    }

    /// Whether a value is no larger than what the rounding of the state makes of it.
    fn is_rounding(&self, t: f64, x: &X, value: f64) -> Result<bool> {
        let factor = Coefficient::Shared(1.0 + 8.0 * x.unit_roundoff());
        let moved = X::combine(&[(factor, &x.detach())])?;
        Ok(value.abs() <= (self.event.value(t, &moved)? - value).abs())
    }
}

impl<X> fmt::Debug for Event<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("crossing", &self.crossing)
            .field("tolerance", &self.tolerance)
            .finish_non_exhaustive()
    }
}
