//! Newton's iteration for the stages of a step (Hairer and Wanner, Solving Ordinary Differential Equations II, section
//! IV.8).
//!
//! The slopes of stages that are solved for together satisfy `k_i = f(t_i, z_i)` with `z_i = y_i + h Σ_j a_ij k_j`, where y
//! holds what is known. The matrix `M = I − h A ⊗ J` is that of an earlier place, as long as the iteration
//! `k ← k + M⁻¹ (f(z) − k)` converges quickly. With ν the size of the change of z against the tolerances, and
//! θ = ν_m / ν_(m−1), it ends where `θ / (1 − θ) · ν ≤ κ`. So there are two iterations at least: a small change by a matrix that
//! is far too large says nothing, and nobody would see later that it did, as the slopes are those of the iteration.

use std::ops::Range;

use advect_core::{Result, Time};

use super::Coordinates;
use super::equations::{Equations, norm};
use super::kept::Sample;
use super::lu::Lu;
use crate::Status;

/// The part of the tolerance that is left to the iteration.
const KAPPA: f64 = 1e-2;
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

    /// The values of the field at the stages.
    fn values<X: Coordinates>(&mut self, equations: &Equations<'_, X>) -> Result<Vec<Vec<f64>>> {
        let mut values = Vec::with_capacity(self.times.len());
        for (t, state) in self.times.iter().zip(self.states(equations)) {
            let value = equations.field.at(t, &equations.x.with_numbers(state)?)?;
            value.alike("field", "x", equations.x)?;
            self.tracked |= value.is_tracked();
            values.push(value.to_numbers()?);
        }
        Ok(values)
    }

    /// `M⁻¹ (f(z) − k)` for a sample, stage after stage.
    fn change(&self, values: &[Vec<f64>], of: Range<usize>, factors: &Lu) -> Vec<f64> {
        let pairs = values.iter().zip(&self.slopes);
        let mut change: Vec<f64> = pairs
            .flat_map(|(f, k)| f[of.clone()].iter().zip(&k[of.clone()]).map(|(f, k)| f - k))
            .collect();
        factors.solve(&mut change);
        change
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
                let change = self.change(&values, of.clone(), factors);
                self.add(&change, of);
            }
        }
        Ok(())
    }

    /// Iterates until each sample is solved or fails; returns why it failed. Samples that are not `wanted` stay as they are.
    pub(super) fn solve<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
        kept: &mut [Sample],
        wanted: &[bool],
    ) -> Result<Vec<Option<Status>>> {
        let begin = |(wanted, sample): (&bool, &Sample)| match (wanted, &sample.factors) {
            (false, _) => Course::Solved,
            (true, None) => Course::Failed(sample.without_factors()),
            (true, Some(_)) => Course::Open(f64::NAN),
        };
        let mut courses: Vec<Course> = wanted.iter().zip(kept.iter()).map(begin).collect();
        let most = ITERATIONS[usize::from(!equations.tolerant)];
        for left in (0..most).rev() {
            if !courses.iter().any(|c| matches!(c, Course::Open(_))) {
                break;
            }
            let values = self.values(equations)?;
            for (i, course) in courses.iter_mut().enumerate() {
                if let Course::Open(before) = *course {
                    *course = self.improve(equations, (&values, i), &mut kept[i], (before, left));
                }
            }
        }
        let cause = |course: Course| match course {
            Course::Solved => None,
            Course::Open(_) => Some(Status::NoConvergence),
            Course::Failed(cause) => Some(cause),
        };
        Ok(courses.into_iter().map(cause).collect())
    }

    /// One iteration for a sample, after a change of some size, with some iterations left.
    fn improve<X: Coordinates>(
        &mut self,
        equations: &Equations<'_, X>,
        (values, sample): (&[Vec<f64>], usize),
        kept: &mut Sample,
        (before, left): (f64, usize),
    ) -> Course {
        let (Some(factors), width) = (&kept.factors, equations.width) else {
            return Course::Failed(kept.without_factors());
        };
        let of = sample * width..(sample + 1) * width;
        let change = self.change(values, of.clone(), factors);

        // The size of the change of z.
        let (h, count) = (equations.sizes[sample], self.times.len());
        let tolerances = &equations.tolerances[of.clone()];
        let mut squares = 0.0;
        for i in 0..count {
            let row = &self.block[i * count..(i + 1) * count];
            let moved = |e: usize| -> f64 {
                let terms = row
                    .iter()
                    .enumerate()
                    .map(|(j, a)| a * change[j * width + e]);
                h * terms.sum::<f64>()
            };
            let moved: Vec<f64> = (0..width).map(moved).collect();
            squares += norm(&moved, tolerances).powi(2);
        }
        let size = (squares / count as f64).sqrt();
        if !size.is_finite() {
            return Course::Failed(Status::NonFinite);
        }

        let rounding = equations.roundings[sample];
        let kappa = if equations.tolerant { KAPPA } else { 0.0 };
        let goal = kappa.max(10.0 * rounding);
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
        self.add(&change, of);
        match left_over <= goal {
            true => Course::Solved,
            false => Course::Open(size),
        }
    }
}
