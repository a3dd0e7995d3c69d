//! Events' functions along an integration.

use advect_core::{Coefficient, Result};

use super::Event;
use super::bracket::{Bracket, on_side};
use crate::State;
use crate::stepper::Step;

/// How many times longer the last step of an integration may have been than the first step of the next one, which goes
/// on from there.
const SHORTER: f64 = 64.0;

/// An event's function along an integration.
pub(super) struct Tracked<'a, X> {
    event: &'a Event<X>,
    /// The last value that was a number.
    value: f64,
    /// Since when it is none.
    nan_since: Option<f64>,
    start: f64,
    /// The size of the step to the start, or else that of the first one from it, once there is one.
    step: Option<f64>,
    /// The part of a step that the state's dtype resolves.
    precision: f64,
}

impl<'a, X: State> Tracked<'a, X> {
    /// At a start, to which a step of some size may have led.
    pub(super) fn new(event: &'a Event<X>, start: f64, x: &X, step: Option<f64>) -> Result<Self> {
        let value = event.value(start, x)?;
        let tracked = Tracked {
            event,
            value,
            nan_since: value.is_nan().then_some(start),
            start,
            step,
            precision: event.tolerance.min(1e-12).max(8.0 * x.unit_roundoff()),
        };
        Ok(match tracked.is_rounding(start, x, value)? {
            true => Tracked {
                value: 0.0,
                ..tracked
            },
            false => tracked,
        })
    }

    /// How near in time to `t` a zero is at `t`, for a step of size h: times have the digits of f64, the states that
    /// a step makes those of their dtype.
    pub(super) fn resolution(&self, t: f64, h: f64) -> f64 {
        // At most a part of the step: that of 16 bits would be all of it.
        let part = (SHORTER * self.precision).min(0.25);
        self.precision.min(1e-12) * t.abs() + part * h.abs()
    }

    /// The time since which the function has been NaN, if it is.
    pub(super) fn nan_since(&self) -> Option<f64> {
        self.nan_since
    }

    /// Takes note of a step from `t` to `next`. Returns the time of an event in it, and the step that ends there;
    /// `attempt` makes the step again to a fraction of its size.
    pub(super) fn look(
        &mut self,
        (t, next): (f64, f64),
        step: &Step<X>,
        mut attempt: impl FnMut(f64) -> Result<Step<X>>,
    ) -> Result<Option<(f64, Step<X>)>> {
        let h = next - t;
        self.step.get_or_insert(h);
        let mut attempt = |fraction: f64| {
            let step = attempt(fraction)?;
            Ok((self.event.value(t + fraction * h, &step.x)?, step))
        };
        let (before, after) = (self.value, self.event.value(next, &step.x)?);
        self.nan_since = match after.is_nan() {
            true => self.nan_since.or(Some(next)),
            false => None,
        };
        let mut happened = None;
        if self.event.crossed(before, after) {
            if !self.crossed_at_start((t, next), after, &mut attempt)? {
                let bracket = Bracket::new(before, after, self.event.tolerance);
                let (fraction, found) = locate(bracket, step.clone(), attempt)?;
                let at = if fraction < 1.0 {
                    t + fraction * h
                } else {
                    next
                };
                happened = Some((at, found));
            }
        } else if self.ends_at_zero((t, next), before, after, &step.x)? {
            happened = Some((next, step.clone()));
            // From here it is at its zero, as an integration that starts here would take it.
            (self.value, self.start, self.step) = (0.0, next, Some(h));
            return Ok(happened);
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
        mut attempt: impl FnMut(f64) -> Result<(f64, P)>,
    ) -> Result<bool> {
        let resolution = self.resolution(self.start, self.step.unwrap_or(next - t));
        let settled = self.start + resolution.copysign(next - t);
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
        let h = next - t;
        Ok(steps <= 1e-3
            && (steps * h.abs() <= self.resolution(next, h) || self.is_rounding(next, x, after)?))
    }

    /// Whether a value is no larger than what the rounding of the state makes of it.
    fn is_rounding(&self, t: f64, x: &X, value: f64) -> Result<bool> {
        let factor = Coefficient::Shared(1.0 + 8.0 * x.unit_roundoff());
        let moved = X::combine(&[(factor, &x.detach())])?;
        Ok(value.abs() <= (self.event.value(t, &moved)? - value).abs())
    }
}

/// The fraction of a step at which a function is 0, and what `attempt` gave there beside the function's value.
fn locate<P>(
    mut bracket: Bracket,
    at_end: P,
    mut attempt: impl FnMut(f64) -> Result<(f64, P)>,
) -> Result<(f64, P)> {
    let mut best = at_end;
    while let Some(middle) = bracket.middle() {
        let (f, found) = attempt(middle)?;
        if bracket.narrow(middle, f) {
            best = found;
        }
    }
    Ok((bracket.high(), best))
}
