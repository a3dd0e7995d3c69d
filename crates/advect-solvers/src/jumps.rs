//! Times at which a field jumps, and fields as steps see them between two of these.

use std::cell::RefCell;

use advect_core::{Error, Field, Result, Time};

use crate::Interval;
use crate::clock::{spacing, unsigned};

/// Spacings of the clock from a jump to the times on either side of it: more than one, as a field may compute with its
/// time before it compares it, and less than half of the smallest step.
const MARGIN: f64 = 4.0;

/// The times at which a field jumps, in ascending order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Jumps(Vec<f64>);

impl Jumps {
    /// Takes times in any order.
    ///
    /// # Errors
    /// [`Error::Range`] unless all are finite.
    pub(crate) fn new(times: &[f64]) -> Result<Self> {
        if let Some(bad) = times.iter().find(|t| !t.is_finite()) {
            return Err(Error::range("jumps", bad, "finite times"));
        }
        let mut times: Vec<f64> = times.iter().map(|t| unsigned(*t)).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        Ok(Jumps(times))
    }

    /// Checks that all times are within a span.
    ///
    /// # Errors
    /// [`Error::Range`] that names the first one that is not.
    pub(crate) fn check_within(&self, start: f64, end: f64) -> Result<()> {
        let (low, high) = (start.min(end), start.max(end));
        match self.0.iter().find(|jump| **jump < low || **jump > high) {
            Some(bad) => {
                let accepted = format!("times within the span, {low} to {high}");
                Err(Error::range("jumps", bad, accepted))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a jump at a time.
    pub(crate) fn contains(&self, t: f64) -> bool {
        self.0.binary_search_by(|jump| jump.total_cmp(&t)).is_ok()
    }

    /// The jump after a time in a direction, or `stop` if that comes first.
    pub(crate) fn next_stop(&self, t: f64, stop: f64) -> f64 {
        let (low, high) = self.around(t, stop > t);
        match stop > t {
            true => high.map_or(stop, |jump| jump.min(stop)),
            false => low.map_or(stop, |jump| jump.max(stop)),
        }
    }

    /// The jumps before and after the times that follow `t`, forwards or backwards.
    fn around(&self, t: f64, forwards: bool) -> (Option<f64>, Option<f64>) {
        let after = match forwards {
            true => self.0.partition_point(|jump| *jump <= t),
            false => self.0.partition_point(|jump| *jump < t),
        };
        let before = after.checked_sub(1).and_then(|i| self.0.get(i));
        (before.copied(), self.0.get(after).copied())
    }

    /// The times between the jumps around those that follow `t`.
    fn piece(&self, t: f64, forwards: bool) -> Piece {
        let (low, high) = self.around(t, forwards);
        Piece {
            low: low.map_or(f64::NEG_INFINITY, |t| t + MARGIN * spacing(t)),
            high: high.map_or(f64::INFINITY, |t| t - MARGIN * spacing(t)),
        }
    }

    /// The field in a step over an interval: at a jump where the step begins or ends it has its value inside of the step.
    pub(crate) fn within<'a, F: ?Sized>(
        &self,
        field: &'a F,
        interval: &Interval,
    ) -> OneSided<'a, F> {
        let piece = |start: f64, end: f64| self.piece(start, end > start);
        let pieces = match interval {
            Interval::Shared { start, end } => vec![piece(*start, *end)],
            Interval::PerSample { start, end } => {
                let both = start.iter().zip(end);
                both.map(|(start, end)| piece(*start, *end)).collect()
            }
        };
        OneSided {
            field,
            pieces: RefCell::new(pieces),
        }
    }
}

/// A span of time without a jump, a margin away from those at its ends.
#[derive(Debug, Clone, Copy)]
struct Piece {
    low: f64,
    high: f64,
}

impl Piece {
    /// The nearest time of the piece.
    fn nearest(self, t: f64) -> f64 {
        t.min(self.high).max(self.low)
    }
}

/// A field between two jumps: beyond them it has the time next to them.
#[derive(Debug)]
pub(crate) struct OneSided<'a, F: ?Sized> {
    field: &'a F,
    /// One, or one for each sample.
    pieces: RefCell<Vec<Piece>>,
}

impl<F: ?Sized> OneSided<'_, F> {
    /// Goes on to the piece of time that follows `t`, forwards or backwards.
    pub(crate) fn enter(&self, jumps: &Jumps, t: f64, forwards: bool) {
        *self.pieces.borrow_mut() = vec![jumps.piece(t, forwards)];
    }
}

impl<X, F: Field<X> + ?Sized> Field<X> for OneSided<'_, F> {
    fn at(&self, t: &Time, x: &X) -> Result<X> {
        let pieces = self.pieces.borrow().clone();
        match (t, pieces.as_slice()) {
            (Time::Shared(t), [piece]) => self.field.at(&Time::Shared(piece.nearest(*t)), x),
            (t, pieces) => {
                let times = t.values()?.into_iter();
                let times = times.zip(pieces.iter().cycle());
                let nearest: Vec<f64> = times.map(|(t, piece)| piece.nearest(t)).collect();
                self.field.at(&Time::per_sample(&nearest)?, x)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_those_that_steps_go_through() {
        let jumps = Jumps::new(&[1.0, -2.0, 1.0]).unwrap();
        assert!(jumps.contains(-2.0) && jumps.contains(1.0) && !jumps.contains(0.0));
        for (t, stop, expected) in [
            (-2.0, 5.0, 1.0),
            (1.0, 5.0, 5.0),
            (1.0, -5.0, -2.0),
            (0.0, 0.5, 0.5),
            (-2.0, -5.0, -5.0),
        ] {
            assert_eq!(jumps.next_stop(t, stop), expected);
        }
        let ahead = jumps.piece(1.0, true);
        assert!(ahead.low > 1.0 && ahead.low < 1.0 + 1e-14 && ahead.high == f64::INFINITY);
        let behind = jumps.piece(1.0, false);
        assert!(behind.high < 1.0 && behind.low > -2.0 && behind.low < -2.0 + 1e-14);
        assert_eq!(behind.nearest(0.3), 0.3);
    }

    #[test]
    fn times_that_are_not_finite_are_refused() {
        let message = Jumps::new(&[0.0, f64::NAN]).unwrap_err().to_string();
        assert_eq!(message, "jumps: got NaN, expected finite times");
        let jumps = Jumps::new(&[0.0, 1.0]).unwrap();
        assert!(jumps.check_within(1.0, 0.0).is_ok());
        let message = jumps.check_within(0.0, 0.5).unwrap_err().to_string();
        assert_eq!(
            message,
            "jumps: got 1, expected times within the span, 0 to 0.5"
        );
    }
}
