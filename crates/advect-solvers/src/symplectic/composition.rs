//! Leapfrog steps one after the other.

use advect_core::{Coefficient, Field, Result};

use super::half::Half;
use crate::stepper::Step;
use crate::{Interval, State};

/// One evaluation of the velocity or of the force, at a place of the interval.
fn evaluate<X: State>(
    half: Half,
    field: &dyn Field<(X, X)>,
    interval: &Interval,
    place: f64,
    x: &(X, X),
) -> Result<(X, X)> {
    let slope = half.only(|| field.at(&interval.time(place)?, x))?;
    slope.alike("field", "x", x)?;
    Ok(slope)
}

/// `x + w h k`.
fn moved<X: State>(x: &X, interval: &Interval, w: f64, k: &X) -> Result<X> {
    X::combine(&[(interval.factor(w), k), (Coefficient::Shared(1.0), x)])
}

/// One step made of leapfrog steps whose sizes are these parts of it. The force at the end serves the next step: of a slope
/// only the second half is used.
pub(super) fn step<X: State>(
    parts: &[f64],
    field: &dyn Field<(X, X)>,
    interval: &Interval,
    x: &(X, X),
    slope: Option<&(X, X)>,
) -> Result<Step<(X, X)>> {
    let first = match slope {
        Some(slope) => slope.clone(),
        None => evaluate(Half::Force, field, interval, 0.0, x)?,
    };
    let (mut q, mut p) = x.clone();
    let mut last = first.clone();
    // Where q is, and the part before; the kicks of two neighbours are one.
    let (mut place, mut before) = (0.0, 0.0);
    for (i, &part) in parts.iter().enumerate() {
        p = moved(&p, interval, 0.5 * (before + part), &last.1)?;
        let middle = place + 0.5 * part;
        let (velocity, _) = evaluate(
            Half::Velocity,
            field,
            interval,
            middle,
            &(q.clone(), p.clone()),
        )?;
        q = moved(&q, interval, part, &velocity)?;
        // Exactly the end, which the sum misses by its rounding.
        place = if i + 1 == parts.len() {
            1.0
        } else {
            place + part
        };
        let (_, force) = evaluate(Half::Force, field, interval, place, &(q.clone(), p.clone()))?;
        last = (velocity, force);
        before = part;
    }
    p = moved(&p, interval, 0.5 * before, &last.1)?;
    let mut step = Step::new((q, p), first);
    step.last_slope = Some(last);
    Ok(step)
}

/// Implements a stepper of pairs that is made of leapfrog steps.
macro_rules! composition {
    ($stepper:ident, order = $order:literal, $parts:expr) => {
        impl $crate::stepper::Method for $stepper {
            fn order(&self) -> f64 {
                $order
            }
        }

        impl<X: $crate::State> $crate::stepper::Stepper<(X, X)> for $stepper {
            fn step(
                &self,
                field: &dyn advect_core::Field<(X, X)>,
                interval: &$crate::Interval,
                x: &(X, X),
                slope: Option<&(X, X)>,
            ) -> advect_core::Result<$crate::stepper::Step<(X, X)>> {
                $crate::symplectic::composition::step(&$parts, field, interval, x, slope)
            }
        }
    };
}
pub(super) use composition;
