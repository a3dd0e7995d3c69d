//! The field at the stages of an iterate, and the changes that follow from it.

use std::ops::Range;

use advect_core::Result;

use super::Coordinates;
use super::equations::Equations;
use super::krylov::{Accuracy, Change, Krylov, Places};
use super::lu::Lu;
use super::newton::Stages;
use crate::Status;

/// The part of a residual to which products reduce it at most, as Newton's iteration computes the residual again.
const RESIDUAL: f64 = 1e-3;
/// The largest part that may be left of it where products run out.
const USEFUL: f64 = 0.1;

/// The stages at an iterate.
pub(super) struct Values<X> {
    pub(super) states: Vec<X>,
    pub(super) slopes: Vec<X>,
    pub(super) residuals: Vec<Vec<f64>>,
}

impl<X> Values<X> {
    /// `M⁻¹ (f(z) − k)` for a sample, stage after stage.
    pub(super) fn change(&self, of: Range<usize>, factors: &Lu) -> Change {
        let residuals = self.residuals.iter().flat_map(|r| &r[of.clone()]);
        let mut numbers: Vec<f64> = residuals.copied().collect();
        factors.solve(&mut numbers);
        let unsolved = 0.0;
        Change { numbers, unsolved }
    }
}

impl Stages<'_> {
    /// The states of the stages, the values of the field there, and what the slopes lack of them, `f(z) − k`.
    pub(super) fn values<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
    ) -> Result<Values<X>> {
        let mut values = Values {
            states: Vec::new(),
            slopes: Vec::new(),
            residuals: Vec::new(),
        };
        let states = self.states(equations);
        for ((t, state), slopes) in self.times.iter().zip(states).zip(&self.slopes) {
            let state = equations.x.with_numbers(state)?;
            let value = equations.field.at(t, &state)?;
            value.alike("field", "x", equations.x)?;
            self.tracked |= value.is_tracked();
            let pairs = value.to_numbers()?.into_iter().zip(slopes);
            values.residuals.push(pairs.map(|(f, k)| f - k).collect());
            values.states.push(state);
            values.slopes.push(value.detach());
        }
        Ok(values)
    }

    /// The change by a product method for each sample that is wanted.
    pub(super) fn changes<X: Coordinates>(
        &self,
        equations: &Equations<'_, X>,
        krylov: &Krylov<'_, X>,
        values: &Values<X>,
        wanted: &[bool],
    ) -> Result<Vec<std::result::Result<Change, Status>>> {
        let places = Places {
            equations,
            block: self.block,
            times: self.times,
            states: &values.states,
            values: &values.slopes,
        };
        let goal = |i: usize, length: f64| {
            let newton = equations.goal(i, self.times.len());
            f64::max(krylov.gmres.fraction * newton, RESIDUAL * length)
        };
        let accuracy = Accuracy {
            goal: &goal,
            useful: USEFUL,
        };
        krylov.solve(&places, &values.residuals, &accuracy, wanted)
    }
}
