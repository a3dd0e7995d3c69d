//! The sizes of first steps, where each sample has its own clock.

use advect_core::{Field, Result};

use super::adaptive::check_first;
use super::initial_step::initial_steps;
use super::response::{AdaptiveMemory, exponent};
use super::{Adaptive, Position};
use crate::clock::smallest_step;
use crate::stepper::Embedded;
use crate::{Interval, Samples};

impl Adaptive {
    /// Returns the memory of each sample before the first step, and the slope there if it was evaluated.
    pub(crate) fn begin_each<X: Samples, S: Embedded<X> + ?Sized>(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(Vec<AdaptiveMemory>, Option<X>)> {
        let count = at.x.samples("x0")?;
        if self.unresolved_each(at.x)?.iter().all(|u| *u) {
            return Err(self.too_small(at.x.unit_roundoff()));
        }
        let starts = vec![at.t; count];
        let (sizes, slope) = self.first_each(stepper, field, at.x, &starts, at.end)?;
        check_first(&sizes, at.t, at.end)?;
        Ok((sizes.iter().map(|h| self.memory(*h)).collect(), slope))
    }

    /// Returns the memory of each sample that begins anew, from the times `starts`.
    pub(crate) fn restart_each<X: Samples, S: Embedded<X> + ?Sized>(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        x: &X,
        starts: &[f64],
        end: f64,
    ) -> Result<Vec<AdaptiveMemory>> {
        let (sizes, _) = self.first_each(stepper, field, x, starts, end)?;
        let both = sizes.iter().zip(starts);
        Ok(both
            .map(|(h, t)| self.memory(h.max(smallest_step(*t))))
            .collect())
    }

    /// The size of each sample's first step, and the slope there if it was evaluated.
    fn first_each<X: Samples, S: Embedded<X> + ?Sized>(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        x: &X,
        starts: &[f64],
        end: f64,
    ) -> Result<(Vec<f64>, Option<X>)> {
        let count = starts.len();
        if let Some(size) = self.first_step {
            return Ok((vec![size; count], None));
        }
        let places = || starts.iter().map(|t| Position { t: *t, x, end });
        let interval = |h: &[f64]| Interval::PerSample {
            start: starts.to_vec(),
            end: places().zip(h).map(|(at, h)| at.after(*h)).collect(),
        };
        let flat = x.detach();
        let norms = |value: &X| self.norms(value, &flat, &flat);
        let longest = places()
            .map(|at| end - at.t)
            .fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        let smallest = starts.iter().map(|t| smallest_step(*t)).fold(0.0, f64::max);
        let exponent = exponent::<X, S>(stepper);
        let span = (longest, smallest);
        let (sizes, slope) = initial_steps(exponent, field, x, span, count, interval, norms)?;
        Ok((sizes, Some(slope)))
    }
}
