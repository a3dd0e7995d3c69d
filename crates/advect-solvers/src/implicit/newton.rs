//! Newton's iteration for the stages of a step (Hairer and Wanner, Solving Ordinary Differential Equations II, section
//! IV.8).
//!
//! The slopes of stages that are solved for together satisfy `k_i = f(t_i, z_i)` with `z_i = y_i + h Σ_j a_ij k_j`, where y
//! holds what is known. The matrix `M = I − h A ⊗ J` is that of an earlier place, as long as the iteration
//! `k ← k + M⁻¹ (f(z) − k)` converges quickly. With ν the size of the change of z against the tolerances, and
//! θ = ν_m / ν_(m−1), it ends where `θ / (1 − θ) · ν ≤ κ`. So there are two iterations at least: a small change by a matrix that
//! is far too large says nothing, and nobody would see later that it did, as the slopes are those of the iteration. Linear equations
//! that are solved by products leave a residual, which has to be at most κ as well.

use std::ops::Range;

use advect_core::{Result, Time};

use super::Coordinates;
use super::equations::{Equations, ratios};
use super::kept::Sample;
use super::krylov::{Change, Krylov};
use crate::Status;

/// The largest number of iterations, with tolerances and without.
const ITERATIONS: [usize; 2] = [8, 50];

/// Stages that are solved for together.
pub(super) struct Stages<'a> {
    /// Their part of the tableau, row by row.
    pub(super) block: &'a [f64],
    pub(super) times: &'a [Time],
    /// What is known of the states, y, for each stage.
    pub(super) known: Vec<Vec<f64>>,
    /// The slopes of each stage: a guess, and then the solution.
    pub(super) slopes: Vec<Vec<f64>>,
    /// Whether the field's values were part of a graph.
    pub(super) tracked: bool,
}

/// The course of the iteration for one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Course {
    /// Goes on from a change of this size; NaN before the first.
    Open(f64),
    Solved,
    Failed(Status),
}

impl Stages<'_> {
    /// The states of all stages.
    pub(super) fn states<X: Coordinates>(&self, equations: &Equations<'_, X>) -> Vec<Vec<f64>> {
        let mut states = self.known.clone();
        let count = self.times.len();
        for (i, state) in states.iter_mut().enumerate() {
            for (j, slopes) in self.slopes.iter().enumerate() {
                let a = self.block[i * count + j];
                for (e, (x, k)) in state.iter_mut().zip(slopes).enumerate() {
                    *x += equations.sizes[e / equations.width] * a * k;
                }
            }
        }
        states
    }

    fn add(&mut self, change: &[f64], of: Range<usize>) {
        for (slopes, change) in self.slopes.iter_mut().zip(change.chunks_exact(of.len())) {
            let pairs = slopes[of.clone()].iter_mut().zip(change);
            pairs.for_each(|(k, c)| *k += c);
        }
    }

    /// One iteration for the samples that are `wanted`, whether it converges or not.
    pub(super) fn advance<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
        kept: &[Sample],
        wanted: &[bool],
    ) -> Result<()> {
        let values = self.values(equations)?;
        for (i, sample) in kept.iter().enumerate().filter(|(i, _)| wanted[*i]) {
            if let Some(factors) = &sample.factors {
                let of = i * equations.width..(i + 1) * equations.width;
                let change = values.change(of.clone(), factors);
                self.add(&change.numbers, of);
            }
        }
        Ok(())
    }

    /// Iterates until each sample is solved or fails; returns why it failed. Samples that are not `wanted` stay as they are.
    pub(super) fn solve<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
        (kept, krylov): (&mut [Sample], Option<&Krylov<'_, X>>),
        wanted: &[bool],
    ) -> Result<Vec<Option<Status>>> {
        let begin = |(wanted, sample): (&bool, &Sample)| match (wanted, &sample.factors) {
            (false, _) => Course::Solved,
            (true, None) if krylov.is_none() => Course::Failed(sample.without_factors()),
            (true, _) => Course::Open(f64::NAN),
        };
        let mut courses: Vec<Course> = wanted.iter().zip(kept.iter()).map(begin).collect();
        let most = ITERATIONS[usize::from(!equations.tolerant)];
        for left in (0..most).rev() {
            if !courses.iter().any(|c| matches!(c, Course::Open(_))) {
                break;
            }
            let values = self.values(equations)?;
            let mut changes = match krylov {
                None => Vec::new(),
                Some(krylov) => {
                    let open: Vec<bool> = courses
                        .iter()
                        .map(|c| matches!(c, Course::Open(_)))
                        .collect();
                    self.changes(equations, krylov, &values, &open)?
                }
            };
            for (i, course) in courses.iter_mut().enumerate() {
                let Course::Open(before) = *course else {
                    continue;
                };
                let change = match (changes.get_mut(i), &kept[i].factors) {
                    (Some(change), _) => std::mem::replace(change, Err(Status::NoConvergence)),
                    (None, Some(factors)) => {
                        let of = i * equations.width..(i + 1) * equations.width;
                        Ok(values.change(of, factors))
                    }
                    (None, None) => Err(kept[i].without_factors()),
                };
                *course = match change {
                    Ok(change) => {
                        self.improve(equations, (&change, i), &mut kept[i], (before, left))
                    }
                    Err(cause) => Course::Failed(cause),
                };
            }
        }
        let cause = |course: Course| match course {
            Course::Solved => None,
            Course::Open(_) => Some(Status::NoConvergence),
            Course::Failed(cause) => Some(cause),
        };
        Ok(courses.into_iter().map(cause).collect())
    }

    /// Changes a sample, after a change of some size, with some iterations left.
    fn improve<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
        (change, sample): (&Change, usize),
        kept: &mut Sample,
        (before, left): (f64, usize),
    ) -> Course {
        let width = equations.width;
        let of = sample * width..(sample + 1) * width;
        let Change { numbers, unsolved } = change;

        // The size of the change of z.
        let (h, count) = (equations.sizes[sample], self.times.len());
        let tolerances = &equations.tolerances[of.clone()];
        let mut sizes = Vec::with_capacity(count);
        for i in 0..count {
            let row = &self.block[i * count..(i + 1) * count];
            let moved = |e: usize| -> f64 {
                let terms = row
                    .iter()
                    .enumerate()
                    .map(|(j, a)| a * numbers[j * width + e]);
                h * terms.sum::<f64>()
            };
            let moved: Vec<f64> = (0..width).map(moved).collect();
            sizes.push(equations.norm.of_ratios(ratios(&moved, tolerances)));
        }
        let size = equations.norm.of_ratios(sizes.into_iter());
        if !size.is_finite() {
            return Course::Failed(Status::NonFinite);
        }

        let rounding = equations.roundings[sample];
        let goal = equations.goal(sample, count);
        // What rounding hides can't be asked for.
        let unsolved = match size <= 10.0 * rounding {
            true => 0.0,
            false => *unsolved,
        };
        let left_over = match before.is_nan() {
            // Nothing is known yet of the rate.
            true if size <= 10.0 * rounding => 0.0,
            true => f64::INFINITY,
            false => {
                let rate = size / before;
                // Where rounding hides the convergence, what is left is small enough.
                if rate >= 1.0 {
                    let enough = 0.1f64.min(1e3 * rounding);
                    return match size <= enough {
                        true => Course::Solved,
                        false => Course::Failed(Status::NoConvergence),
                    };
                }
                kept.rate = kept.rate.max(rate);
                let eta = rate / (1.0 - rate);
                if equations.tolerant && rate.powi(left as i32) * eta * size > goal {
                    return Course::Failed(Status::NoConvergence);
                }
                eta * size
            }
        };
        self.add(numbers, of);
        match left_over.max(unsolved) <= goal {
            true => Course::Solved,
            // The next change may be that of what was left.
            false => Course::Open(size.max(unsolved)),
        }
    }
}
