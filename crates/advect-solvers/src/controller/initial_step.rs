//! The size of the first step (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, section II.4,
//! "Starting step size").

use advect_core::{Coefficient, Field, Result};

use crate::{Interval, State};

/// Magnitudes of first steps whose errors are about those of the tolerances, by two evaluations of the field; also
/// returns the slope at the start. `at` gives the interval of steps of some sizes: of one for all samples, or one for
/// each; `norms` measures values against the tolerances, again for all or each. The second evaluation is made
/// `smallest` ahead at least, and not at all where no slope at the start is finite.
pub(crate) fn initial_steps<X: State>(
    exponent: f64,
    field: &dyn Field<X>,
    x: &X,
    (span, smallest): (f64, f64),
    count: usize,
    at: impl Fn(&[f64]) -> Interval,
    norms: impl Fn(&X) -> Result<Vec<f64>>,
) -> Result<(Vec<f64>, X)> {
    let here = at(&vec![0.0; count]);
    let slope = field.at(&here.time(0.0)?, x)?;
    slope.alike("field", "x", x)?;
    let (x, flat) = (x.detach(), slope.detach());
    let (d0, d1) = (norms(&x)?, norms(&flat)?);
    let guess = |(d0, d1): (&f64, &f64)| {
        let ratio = 0.01 * d0 / d1;
        // Also where a norm overflowed.
        let small = *d0 < 1e-5 || *d1 < 1e-5 || !(ratio > 0.0 && ratio.is_finite());
        let size = if small { 1e-6 } else { ratio };
        size.max(smallest).min(span.abs())
    };
    let guesses: Vec<f64> = d0.iter().zip(&d1).map(guess).collect();
    if d1.iter().all(|d1| !d1.is_finite()) && flat.not_finite()?.is_some() {
        return Ok((guesses, slope));
    }
    let signed: Vec<f64> = guesses.iter().map(|h| h.copysign(span)).collect();
    let step = at(&signed);
    let ahead = X::combine(&[(step.factor(1.0), &flat), (Coefficient::Shared(1.0), &x)])?;
    let there = field.at(&step.time(1.0)?, &ahead)?.detach();
    let shared = Coefficient::Shared;
    let change = X::combine(&[(shared(1.0), &there), (shared(-1.0), &flat)])?;
    let changes = norms(&change)?;
    let size = |((guess, d1), change): ((&f64, &f64), &f64)| {
        let largest = d1.max(change / guess);
        let size = match largest <= 1e-15 {
            true => (guess * 1e-3).max(1e-6),
            false => (0.01 / largest).powf(exponent),
        };
        // A field that is not finite near the start leaves the guess, and the steps will tell.
        match size > 0.0 && size.is_finite() {
            true => size.min(100.0 * guess),
            false => *guess,
        }
    };
    let sizes = guesses.iter().zip(&d1).zip(&changes).map(size).collect();
    Ok((sizes, slope))
}
