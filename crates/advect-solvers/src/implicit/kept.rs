//! What an implicit method keeps from step to step.

use std::sync::Arc;

use advect_core::{Result, Time};

use super::equations::Equations;
use super::lu::Lu;
use super::{Coordinates, Jacobian, Linearized, Matrices};
use crate::Status;
use crate::stepper::{Memory, Remembered};

/// The rate of convergence beyond which the Jacobian is taken again at the next step.
const SLOW: f64 = 3e-2;
/// The relative change of the step size up to which factors are kept: it is that of rounding on a grid.
const SAME: f64 = 1e-10;

/// The Jacobian and its factorised matrices, and how well they served so far, for each sample.
#[derive(Debug, Default)]
pub(super) struct Kept {
    jacobian: Option<Matrices>,
    pub(super) samples: Vec<Sample>,
    /// The last step that was tried, and the last one that was accepted.
    tried: Option<Past>,
    accepted: Option<Past>,
}

/// What is kept of a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// Where the Jacobian was taken, if at the start of a step: the time and the state.
    taken: f64,
    x: Vec<f64>,
    /// The step for which the factors were made.
    h: f64,
    /// The factors of `I − h A ⊗ J`; none where it is singular.
    pub(super) factors: Option<Arc<Lu>>,
    /// Whether the Jacobian is free of NaN and infinities.
    finite: bool,
    /// Those of `I − h γ J`, which filters error estimates, if there is another γ for this.
    pub(super) filter: Option<Arc<Lu>>,
    /// The slowest rate since the Jacobian was taken.
    pub(super) rate: f64,
}

/// The slopes of the stages of a step, from which the next ones are guessed.
#[derive(Debug, Clone)]
pub(super) struct Past {
    /// Where it ended, for each sample.
    pub(super) ends: Vec<f64>,
    /// Its size, for each sample.
    pub(super) sizes: Vec<f64>,
    /// The slopes of each stage.
    pub(super) slopes: Vec<Vec<f64>>,
}

impl Sample {
    /// Why there are no factors.
    pub(super) fn without_factors(&self) -> Status {
        match self.finite {
            true => Status::SingularMatrix,
            false => Status::NonFinite,
        }
    }
}

impl Kept {
    /// Whether the Jacobian of a sample is the one at the start of the step.
    pub(super) fn is_current<X>(&self, equations: &Equations<'_, X>, sample: usize) -> bool
    where
        X: Coordinates,
    {
        self.samples.get(sample).is_some_and(|kept| {
            kept.taken == equations.starts[sample]
                && kept.x == equations.of(&equations.x_numbers, sample)
        })
    }

    /// Takes the Jacobian at the start of a step, if there is none or it served badly.
    pub(super) fn prepare<X: Coordinates>(
        memory: &mut Memory,
        equations: &Equations<'_, X>,
        jacobian: &(impl Jacobian<X> + ?Sized),
    ) -> Result<()> {
        let kept = memory.of::<Kept>();
        let slow =
            |(i, sample): (usize, &Sample)| sample.rate > SLOW && !kept.is_current(equations, i);
        let known = kept.jacobian.is_some() && kept.samples.len() == equations.samples;
        if !known || kept.samples.iter().enumerate().any(slow) {
            Kept::refresh(memory, equations, jacobian)?;
        }
        Ok(())
    }

    /// Makes room for samples whose equations are solved without matrices.
    pub(super) fn without_matrices(memory: &mut Memory, samples: usize) {
        let kept = memory.of::<Kept>();
        kept.jacobian = None;
        kept.samples.resize_with(samples, Sample::default);
    }

    /// Takes the Jacobian at the start of a step, unless it is the one that is kept.
    pub(super) fn renew<X: Coordinates>(
        memory: &mut Memory,
        equations: &Equations<'_, X>,
        jacobian: &(impl Jacobian<X> + ?Sized),
    ) -> Result<()> {
        let kept = memory.of::<Kept>();
        match (0..equations.samples).all(|i| kept.is_current(equations, i)) {
            true => Ok(()),
            false => Kept::refresh(memory, equations, jacobian),
        }
    }

    /// Takes the Jacobian at the start of a step.
    pub(super) fn refresh<X: Coordinates>(
        memory: &mut Memory,
        equations: &Equations<'_, X>,
        jacobian: &(impl Jacobian<X> + ?Sized),
    ) -> Result<()> {
        let t = equations.interval.time(0.0)?;
        let place = (&t, equations.x, equations.slope);
        Kept::linearize(memory, equations, jacobian, place)?;
        for (i, sample) in memory.of::<Kept>().samples.iter_mut().enumerate() {
            sample.taken = equations.starts[i];
            sample.x = equations.of(&equations.x_numbers, i).to_vec();
        }
        Ok(())
    }

    /// Takes the Jacobian at a time and a state, where the slope is known.
    pub(super) fn linearize<X: Coordinates>(
        memory: &mut Memory,
        equations: &Equations<'_, X>,
        jacobian: &(impl Jacobian<X> + ?Sized),
        (t, x, slope): (&Time, &X, &X),
    ) -> Result<()> {
        let (x, slope) = (x.detach(), slope.detach());
        let magnitudes = equations.magnitudes();
        let at = Linearized::new(t, &x, &slope, &magnitudes);
        let matrices = jacobian.matrices(equations.field, &at)?;
        let matrices = matrices.fits(equations.samples, equations.width)?;
        let kept = memory.of::<Kept>();
        kept.samples = (0..equations.samples)
            .map(|i| Sample {
                taken: f64::NAN,
                finite: matrices.at(i).iter().all(|value| value.is_finite()),
                h: f64::NAN,
                ..Sample::default()
            })
            .collect();
        kept.jacobian = Some(matrices);
        memory.count(1, 0);
        Ok(())
    }

    /// Factorises the matrices of the step where they are not those of the one before.
    pub(super) fn factorize<X: Coordinates>(
        memory: &mut Memory,
        equations: &Equations<'_, X>,
        (block, filter): (&[f64], Option<f64>),
    ) {
        let mut count = 0;
        let kept = memory.of::<Kept>();
        let Some(matrices) = &kept.jacobian else {
            return;
        };
        for (i, (sample, &h)) in kept.samples.iter_mut().zip(&equations.sizes).enumerate() {
            if (h - sample.h).abs() <= SAME * h.abs() {
                continue;
            }
            let jacobian = matrices.at(i);
            sample.h = h;
            sample.factors = factors(equations.width, jacobian, h, block);
            sample.filter =
                filter.and_then(|gamma| factors(equations.width, jacobian, h, &[gamma]));
            count += 1;
        }
        memory.count(0, count);
    }

    /// The slopes of the last accepted step, if this one goes on from where it ended.
    pub(super) fn past<X>(&mut self, equations: &Equations<'_, X>) -> Option<&Past> {
        let follows = |past: &Past| past.ends == equations.starts;
        if self.tried.as_ref().is_some_and(follows) {
            self.accepted = self.tried.take();
        }
        self.accepted
            .as_ref()
            .filter(|past| past.ends == equations.starts)
    }

    /// Multiplies error estimates by the inverse of the matrix that filters them.
    pub(super) fn filter<X: Coordinates>(&self, error: X, width: usize) -> Result<X> {
        let mut numbers = error.to_numbers()?;
        for (sample, numbers) in self.samples.iter().zip(numbers.chunks_exact_mut(width)) {
            if let Some(factors) = sample.filter.as_ref().or(sample.factors.as_ref()) {
                factors.solve(numbers);
            }
        }
        error.with_numbers(numbers)
    }

    /// Keeps the slopes of a step.
    pub(super) fn keep(&mut self, past: Past) {
        self.tried = Some(past);
    }
}

/// The factors of `I − h A ⊗ J`, stage by stage, for a square block A.
fn factors(width: usize, jacobian: &[f64], h: f64, block: &[f64]) -> Option<Arc<Lu>> {
    let stages = block.len().isqrt();
    let size = stages * width;
    let mut matrix = vec![0.0; size * size];
    for (row, values) in matrix.chunks_exact_mut(size).enumerate() {
        let (i, of_i) = (row / width, row % width);
        for (column, value) in values.iter_mut().enumerate() {
            let (j, of_j) = (column / width, column % width);
            let unit = if row == column { 1.0 } else { 0.0 };
            *value = unit - h * block[i * stages + j] * jacobian[of_i * width + of_j];
        }
    }
    Lu::new(size, matrix).map(Arc::new)
}

impl Past {
    fn gather(&mut self, positions: &[u32]) {
        let width = (self.slopes.first()).map_or(0, |k| k.len() / self.ends.len().max(1));
        let pick = |from: &[f64]| positions.iter().map(|&i| from[i as usize]).collect();
        let rows = |from: &Vec<f64>| {
            let row = |&i: &u32| &from[i as usize * width..(i as usize + 1) * width];
            positions.iter().flat_map(row).copied().collect()
        };
        self.slopes = self.slopes.iter().map(rows).collect();
        self.ends = pick(&self.ends);
        self.sizes = pick(&self.sizes);
    }
}

impl Remembered for Kept {
    fn gather(&mut self, positions: &[u32]) {
        self.jacobian = self.jacobian.as_ref().map(|j| j.gather(positions));
        let kept = positions.iter().map(|&i| self.samples[i as usize].clone());
        self.samples = kept.collect();
        for past in [&mut self.tried, &mut self.accepted].into_iter().flatten() {
            past.gather(positions);
        }
    }
}
