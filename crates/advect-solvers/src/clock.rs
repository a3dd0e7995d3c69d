//! The resolution of times in f64.

use advect_core::{Error, Result};

/// The distance from a time to the next one that f64 knows, away from 0.
pub(crate) fn spacing(t: f64) -> f64 {
    t.abs().next_up() - t.abs()
}

/// The smallest step from a time: ten spacings, so that the stages of a step are at times of their own. It is SciPy's
/// limit too.
pub(crate) fn smallest_step(t: f64) -> f64 {
    10.0 * spacing(t)
}

/// The part of a step that its end may be away from a stop, before or after it: it ends there instead.
pub(crate) const SLACK: f64 = 1e-10;

/// The start and the end of an integration, without a sign on 0.
///
/// # Errors
/// [`Error::Range`] unless both are finite, and the time between them.
pub(crate) fn span(start: f64, end: f64) -> Result<(f64, f64)> {
    for (name, t) in [("start", start), ("end", end)] {
        if !t.is_finite() {
            return Err(Error::range(name, t, "a finite time"));
        }
    }
    if !(end - start).is_finite() {
        let accepted = format!("an end within {:e} of the start, {start}", f64::MAX);
        return Err(Error::range("end", end, accepted));
    }
    Ok((unsigned(start), unsigned(end)))
}

/// A time without a sign on 0, which messages would show.
pub(crate) fn unsigned(t: f64) -> f64 {
    t + 0.0
}

/// The error of a first step that the clock does not resolve.
pub(crate) fn too_fine(start: f64, step: f64) -> Error {
    let accepted = format!(
        "a time nearer to 0 (the first step, {step:e}, is below ten spacings of f64 there, {:e})",
        smallest_step(start)
    );
    Error::range("start", start, accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_finite_and_zeros_have_no_sign() {
        assert_eq!(spacing(1.0), f64::EPSILON);
        assert_eq!(spacing(-1e16), 2.0);
        let (start, end) = span(-0.0, -1.0).unwrap();
        assert!(start.is_sign_positive() && end == -1.0);
        assert!(span(-1e308, 1e308).is_err());
        assert!(span(0.0, f64::NEG_INFINITY).is_err());
    }
}
