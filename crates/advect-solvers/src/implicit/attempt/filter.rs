//! Filtered error estimates.

use advect_core::Result;

use super::Attempt;
use crate::implicit::kept::Kept;
use crate::implicit::krylov::{Accuracy, Places};
use crate::implicit::{Coordinates, Jacobian};

/// What products may leave of the matrix's equation for an error estimate, against the tolerance: a smaller estimate says no more
/// than that the step may be much longer.
const FILTERED: f64 = 0.01;
/// The same without a tolerance, against the estimate.
const FILTERED_PART: f64 = 1e-3;

impl<X: Coordinates, J: Jacobian<X> + ?Sized> Attempt<'_, X, J> {
    /// Multiplies an error estimate by the inverse of the matrix that filters it.
    pub(in crate::implicit) fn filter(&mut self, error: X) -> Result<X> {
        let (equations, gamma) = (self.equations, self.filter.unwrap_or(self.block[0]));
        let Some(krylov) = &self.krylov else {
            return self.memory.of::<Kept>().filter(error, equations.width);
        };
        let x = equations.x.detach();
        let t = equations.interval.time(0.0)?;
        let places = Places {
            equations,
            block: &[gamma],
            times: std::slice::from_ref(&t),
            states: std::slice::from_ref(&x),
            // The slope at hand may be that of an iteration.
            values: &[equations.field.at(&t, &x)?.detach()],
        };
        let goal = |_: usize, length: f64| match equations.tolerant {
            true => FILTERED,
            false => FILTERED_PART * length,
        };
        let accuracy = Accuracy {
            goal: &goal,
            useful: 0.0,
        };
        // Lengths are those of changes by slopes, and an error is a change.
        let scale = |e: usize| equations.sizes[e / equations.width] * gamma;
        let numbers = error.to_numbers()?.into_iter().enumerate();
        let slopes = numbers.map(|(e, x)| x / scale(e)).collect();
        let wanted: Vec<bool> = self.causes.iter().map(Option::is_none).collect();
        let found = krylov.solve(&places, &[slopes], &accuracy, &wanted)?;
        self.count();
        let mut filtered = Vec::with_capacity(equations.samples * equations.width);
        for (cause, found) in self.causes.iter_mut().zip(found) {
            match found {
                Ok(found) => {
                    let first = filtered.len();
                    let numbers = found.numbers.into_iter().enumerate();
                    filtered.extend(numbers.map(|(e, x)| x * scale(first + e)));
                }
                Err(found) => {
                    *cause = cause.or(Some(found));
                    filtered.resize(filtered.len() + equations.width, 0.0);
                }
            }
        }
        error.with_numbers(filtered)
    }
}
