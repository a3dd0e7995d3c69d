//! Draws by masses.

use advect_core::{Generator, Result};
use rand_distr::StandardUniform;

/// The sums of masses up to each of them, by which they are drawn.
#[derive(Debug, Clone)]
pub(crate) struct Cumulative(Vec<f64>);

impl Cumulative {
    pub(crate) fn new(masses: &[f64]) -> Self {
        let mut sum = 0.0;
        let add = |mass: &f64| {
            sum += mass;
            sum
        };
        Cumulative(masses.iter().map(add).collect())
    }

    /// The sum of all masses.
    pub(crate) fn total(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }

    /// Independent draws of the masses' places.
    pub(crate) fn draw(&self, count: usize, rng: &mut Generator) -> Result<Vec<usize>> {
        let uniform = rng.values(&StandardUniform, count)?;
        Ok(uniform.into_iter().map(|u| self.place(u)).collect())
    }

    /// A draw of a place from each of `count` equal parts of the mass: places rise.
    pub(crate) fn draw_evenly(&self, count: usize, rng: &mut Generator) -> Result<Vec<usize>> {
        let uniform = rng.values(&StandardUniform, count)?;
        let uniform = uniform.into_iter().enumerate();
        let parts = uniform.map(|(k, u): (usize, f64)| (k as f64 + u) / count as f64);
        Ok(parts.map(|u| self.place(u)).collect())
    }

    /// The place at a part of the whole mass, which is below 1.
    pub(crate) fn place(&self, u: f64) -> usize {
        // Rounding must not reach the total, beyond which there is nothing.
        let total = self.total();
        let goal = (u * total).min(total.next_down());
        self.0.partition_point(|sum| *sum <= goal)
    }
}
