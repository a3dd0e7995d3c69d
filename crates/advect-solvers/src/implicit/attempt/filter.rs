//! Filtered error estimates.

use advect_core::Result;

use super::Attempt;
use crate::implicit::kept::Kept;
use crate::implicit::krylov::Places;
use crate::implicit::{Coordinates, Jacobian};

/// The part of the tolerance to which an error estimate is filtered by products.
const FILTERED: f64 = 0.1;

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
        // An estimate is right in its first digits.
        let goals = vec![FILTERED; equations.samples];
        let numbers = error.to_numbers()?;
        let all = vec![true; equations.samples];
        let found = krylov.solve(&places, &[numbers], &goals, &all)?;
        self.count();
        let mut filtered = Vec::with_capacity(equations.samples * equations.width);
        for (cause, found) in self.causes.iter_mut().zip(found) {
            match found {
                Ok(found) => filtered.extend(found),
                Err(found) => {
                    *cause = cause.or(Some(found));
                    filtered.resize(filtered.len() + equations.width, 0.0);
                }
            }
        }
        error.with_numbers(filtered)
    }
}
