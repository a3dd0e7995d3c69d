//! A transport plan.

use super::filling::Filling;
use crate::Entry;

/// A transport plan found by [`Sinkhorn`](super::Sinkhorn): the mass that goes from each row to each column.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) values: Vec<f64>,
    pub(super) columns: usize,
    /// The weights to which rows and columns should sum.
    pub(super) row_goals: Vec<f64>,
    pub(super) column_goals: Vec<f64>,
    /// Which pairs cost ∞, like the values; empty if none does.
    pub(super) forbidden: Vec<bool>,
    pub(super) row_potentials: Vec<f64>,
    pub(super) column_potentials: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) error: f64,
    pub(super) converged: bool,
}

impl Plan {
    /// Returns the masses that go from row `i` to each column.
    ///
    /// # Panics
    /// Unless there is a row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Returns all values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.row_potentials.len()
    }

    /// Returns the number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the potentials f and g of `π_ij = exp((f_i + g_j − c_ij)/ε)`, in units of the cost.
    pub fn potentials(&self) -> (&[f64], &[f64]) {
        (&self.row_potentials, &self.column_potentials)
    }

    /// Returns the nonzero entries, row by row.
    ///
    /// ```
    /// use advect_transport::{Cost, Sinkhorn};
    /// # fn main() -> advect_core::Result<()> {
    /// let cost = Cost::new(1, 2, vec![0.0, 1.0])?;
    /// let plan = Sinkhorn::new(1.0)?.solve(&cost)?;
    /// let places: Vec<_> = plan.entries().map(|entry| (entry.row, entry.column)).collect();
    /// assert_eq!(places, [(0, 0), (0, 1)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let values = self.values.iter().enumerate();
        let carrying = values.filter(|(_, mass)| **mass > 0.0);
        carrying.map(|(place, mass)| Entry {
            row: place / self.columns,
            column: place % self.columns,
            mass: *mass,
        })
    }

    /// Returns the carried mass of each row divided by its weight, `Σ_j π_ij / a_i`: 1 up to [`Plan::error`], unless the plan is
    /// unbalanced. A row of weight 0 has 0.
    ///
    /// ```
    /// use advect_transport::{Cost, Sinkhorn};
    /// # fn main() -> advect_core::Result<()> {
    /// // The second row is far from everything: little of it is worth carrying.
    /// let cost = Cost::new(2, 1, vec![0.0, 9.0])?;
    /// let ratios = Sinkhorn::new(0.1)?.unbalanced(1.0)?.solve(&cost)?.row_ratios();
    /// assert!(ratios[0] > 1.0 && ratios[1] < 0.01);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "growth")]
    pub fn row_ratios(&self) -> Vec<f64> {
        let sums = self.values.chunks_exact(self.columns).map(sum);
        sums.zip(&self.row_goals).map(ratio).collect()
    }

    /// Returns the carried mass of each column divided by its weight, `Σ_i π_ij / b_j`, as [`Plan::row_ratios`] does
    /// for rows.
    #[doc(alias = "growth")]
    pub fn column_ratios(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.columns];
        for row in self.values.chunks_exact(self.columns) {
            (sums.iter_mut().zip(row)).for_each(|(sum, mass)| *sum += mass);
        }
        let sums = sums.into_iter().zip(&self.column_goals);
        sums.map(ratio).collect()
    }

    /// Returns the cost `Σ π_ij c_ij`, without the entropy.
    ///
    /// # Panics
    /// Unless `cost` has the plan's rows and columns.
    pub fn cost(&self, cost: &crate::Cost) -> f64 {
        assert_eq!((cost.rows(), cost.columns()), (self.rows(), self.columns));
        let rows = (0..self.rows()).map(|i| {
            let terms = self.row(i).iter().zip(cost.row(i));
            // Nothing is carried where that costs ∞.
            let carried = terms.filter(|(p, _)| **p > 0.0);
            carried.map(|(p, c)| p * c).sum::<f64>()
        });
        rows.sum()
    }

    /// Returns the total carried mass: 1, unless the plan is unbalanced. It is 0 if carrying costs so much more
    /// than leaving everything in place that nothing is left in 64 bits.
    pub fn mass(&self) -> f64 {
        self.values.iter().sum()
    }

    /// Returns a plan near this one whose rows and columns sum to the given weights, up to the rounding of 64 bits.
    /// Rows and columns that carry too much are scaled down, and the rest is added as a product of rows and columns
    /// (Altschuler, Weed and Rigollet 2017, algorithm 2). It differs from this plan by at most twice the marginals'
    /// error, in the sum of all absolute differences; the potentials are still those of this plan.
    ///
    /// Where pairs have a cost of ∞, the rest is added to the others alone, and some mass is moved among them if need be, so that the plan may
    /// differ by more. If no plan without such pairs has these sums, rows and columns still carry too little: [`Plan::error`] is the mass
    /// that is missing, and otherwise no more than rounding leaves.
    ///
    /// ```
    /// use advect_transport::{Cost, Sinkhorn};
    /// # fn main() -> advect_core::Result<()> {
    /// let cost = Cost::new(2, 2, vec![0.0, 1.0, 3.0, 0.0])?;
    /// let plan = Sinkhorn::new(0.1)?.max_iterations(1)?.solve_weighted(&cost, &[0.3, 0.7], &[0.6, 0.4])?;
    /// let first = |plan: &advect_transport::Plan| plan.row(0).iter().sum::<f64>();
    /// assert!((first(&plan) - 0.3).abs() > 1e-3);
    /// assert!((first(&plan.rounded()) - 0.3).abs() < 1e-15);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rounded(mut self) -> Self {
        let columns = self.columns;
        let mut of_columns = vec![0.0; columns];
        for (row, goal) in (self.values.chunks_exact_mut(columns)).zip(&self.row_goals) {
            let factor = down(sum(row), *goal);
            for (total, value) in of_columns.iter_mut().zip(row) {
                *value *= factor;
                *total += *value;
            }
        }
        let factors = of_columns.iter().zip(&self.column_goals);
        let factors: Vec<f64> = factors.map(|(total, goal)| down(*total, *goal)).collect();
        of_columns.fill(0.0);
        let mut missing = Vec::with_capacity(self.row_goals.len());
        for (row, goal) in (self.values.chunks_exact_mut(columns)).zip(&self.row_goals) {
            for ((value, factor), total) in row.iter_mut().zip(&factors).zip(&mut of_columns) {
                *value *= factor;
                *total += *value;
            }
            missing.push((goal - sum(row)).max(0.0));
        }
        let totals = of_columns.iter().zip(&self.column_goals);
        let open: Vec<f64> = totals
            .map(|(total, goal)| (goal - total).max(0.0))
            .collect();
        self.error = match self.forbidden.is_empty() {
            true => {
                self.add_product(&missing, &open);
                0.0
            }
            false => Filling::new(&mut self.values, &self.forbidden, missing, open).fill(),
        };
        self
    }

    /// Adds a product of what rows and columns lack, which is the same mass on both sides.
    fn add_product(&mut self, rows: &[f64], columns: &[f64]) {
        let all: f64 = rows.iter().sum();
        if all > 0.0 {
            let parts: Vec<f64> = columns.iter().map(|open| open / all).collect();
            for (row, missing) in self.values.chunks_exact_mut(self.columns).zip(rows) {
                for (value, part) in row.iter_mut().zip(&parts) {
                    *value += missing * part;
                }
            }
        }
    }

    /// Returns the number of iterations made.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Returns a bound of the distance of the rows from their goal, `Σ_i |Σ_j π_ij − a_i|`. The columns of a plan that
    /// has converged are exact. For an unbalanced plan, this is the change in the last iteration, relative to its mass.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Returns whether the error reached the tolerance.
    pub fn converged(&self) -> bool {
        self.converged
    }
}

/// What is carried, in units of the weight.
fn ratio((carried, weight): (f64, &f64)) -> f64 {
    match *weight > 0.0 {
        true => carried / weight,
        false => 0.0,
    }
}

/// The factor that brings a sum down to its goal, if it is larger.
fn down(sum: f64, goal: f64) -> f64 {
    if sum > goal { goal / sum } else { 1.0 }
}

/// The sum of a row, in lanes side by side.
fn sum(row: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = row.chunks_exact(lanes.len());
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f64>() + rest
}
