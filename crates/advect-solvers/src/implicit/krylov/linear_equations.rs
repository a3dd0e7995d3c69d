//! The linear equations of Newton's iteration.

use advect_core::Result;

use super::gmres::{Outcome, length};
use super::{Krylov, Places};
use crate::Status;
use crate::controller::Norm;
use crate::implicit::{Coordinates, Linearized};

/// How far linear equations are solved.
pub(in crate::implicit) struct Accuracy<'a> {
    /// The length to which the residual of a sample is reduced, given the one that it begins with.
    pub(in crate::implicit) goal: &'a dyn Fn(usize, f64) -> f64,
    /// The largest part of a residual that may be left where the method runs out of iterations.
    pub(in crate::implicit) useful: f64,
}

/// The solution for a sample, stage by stage.
pub(in crate::implicit) struct Change {
    pub(in crate::implicit) numbers: Vec<f64>,
    /// The length of the residual that is left, at most.
    pub(in crate::implicit) unsolved: f64,
}

impl<X: Coordinates> Krylov<'_, X> {
    /// Solves `M c = r` with `M = I − h A ⊗ J` for the samples that are wanted, stage by stage. Lengths of residuals are sizes of a
    /// change of the states, `h A c`, against their tolerances, or bounds of them where the largest element counts.
    pub(in crate::implicit) fn solve(
        &self,
        places: &Places<'_, X>,
        residuals: &[Vec<f64>],
        accuracy: &Accuracy<'_>,
        wanted: &[bool],
    ) -> Result<Vec<std::result::Result<Change, Status>>> {
        let equations = places.equations;
        let (width, count) = (equations.width, places.times.len());
        let size = count * width;
        let largest = places.block.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
        // A length is a root mean square in units that grow with the root of the size, and no less than the largest element in others.
        let per_length = match equations.norm {
            Norm::Rms => (size as f64).sqrt(),
            Norm::Max => 1.0,
        };
        // Vectors are sample by sample, and stage by stage in a sample, in units in which lengths are sizes of changes.
        let unit = |e: usize| {
            let (sample, element) = (e / size, e % width);
            let h = equations.sizes[sample].abs() * largest;
            equations.tolerances[sample * width + element] * per_length / h
        };
        let units: Vec<f64> = (0..equations.samples * size).map(unit).collect();
        let at = |e: usize| (e % size / width, e / size * width + e % width);
        let right = |(e, unit): (usize, &f64)| {
            let (stage, element) = at(e);
            residuals[stage][element] / unit
        };
        let right: Vec<f64> = units.iter().enumerate().map(right).collect();
        let lengths: Vec<f64> = right.chunks(size).map(length).collect();
        let goal = |(i, wanted): (usize, &bool)| match wanted {
            false => f64::INFINITY,
            true => (accuracy.goal)(i, lengths[i]),
        };
        let goals: Vec<f64> = wanted.iter().enumerate().map(goal).collect();

        let magnitudes = equations.magnitudes();
        let by_stage = |vector: &[f64]| {
            let mut stages = vec![vec![0.0; equations.samples * width]; count];
            for (e, value) in vector.iter().enumerate() {
                let (stage, element) = at(e);
                stages[stage][element] = value * units[e];
            }
            stages
        };
        let precondition = |stages: Vec<Vec<f64>>| -> Result<Vec<Vec<f64>>> {
            let each = stages.into_iter().enumerate().map(|(i, r)| {
                let s: Vec<f64> = equations
                    .sizes
                    .iter()
                    .map(|h| h * places.block[i * count + i])
                    .collect();
                let r = equations.x.with_numbers(r)?;
                let place = places.linearized(i, &magnitudes);
                let result = self.preconditioner.apply(&place, &s, &r)?;
                result.alike("preconditioner", "x", equations.x)?;
                result.to_numbers()
            });
            each.collect()
        };
        let mut apply = |vector: &[f64]| -> Result<Vec<f64>> {
            let stages = precondition(by_stage(vector))?;
            let mut result = vec![0.0; vector.len()];
            for i in 0..count {
                let row = &places.block[i * count..(i + 1) * count];
                let direction = |e: usize| {
                    let terms = row.iter().zip(&stages).map(|(a, c)| a * c[e]);
                    equations.sizes[e / width] * terms.sum::<f64>()
                };
                let direction = (0..equations.samples * width).map(direction).collect();
                let product = self.product(places, i, &magnitudes, direction)?;
                for sample in 0..equations.samples {
                    for e in 0..width {
                        let (to, from) = (sample * size + i * width + e, sample * width + e);
                        result[to] = (stages[i][from] - product[from]) / units[to];
                    }
                }
            }
            Ok(result)
        };
        let (found, outcomes) = self.gmres.solve(&mut apply, &right, &goals)?;
        let stages = precondition(by_stage(&found))?;
        let each = outcomes.into_iter().enumerate().map(|(i, outcome)| {
            let unsolved = match outcome {
                Outcome::NonFinite => return Err(Status::NonFinite),
                Outcome::Singular => return Err(Status::SingularMatrix),
                Outcome::Solved => goals[i],
                Outcome::Left(part) if part <= accuracy.useful => part * lengths[i],
                Outcome::Left(_) => return Err(Status::NoConvergence),
            };
            let of = i * width..(i + 1) * width;
            let numbers = stages.iter().flat_map(|c| &c[of.clone()]).copied();
            let numbers = numbers.collect();
            Ok(Change { numbers, unsolved })
        });
        Ok(each.collect())
    }

    /// The product of a stage's Jacobian with a direction.
    fn product(
        &self,
        places: &Places<'_, X>,
        stage: usize,
        magnitudes: &[f64],
        direction: Vec<f64>,
    ) -> Result<Vec<f64>> {
        let x = places.equations.x;
        let direction = x.with_numbers(direction)?;
        let at = places.linearized(stage, magnitudes);
        self.taken.set(self.taken.get() + 1);
        let product = self
            .source
            .product(places.equations.field, &at, &direction)?;
        product.alike("product", "x", x)?;
        product.to_numbers()
    }
}

impl<X> Places<'_, X> {
    fn linearized<'b>(&'b self, stage: usize, magnitudes: &'b [f64]) -> Linearized<'b, X> {
        Linearized::new(
            &self.times[stage],
            &self.states[stage],
            &self.values[stage],
            magnitudes,
        )
    }
}
