//! A transport plan.

/// How much goes from each row to each column, as found by [`Sinkhorn`](super::Sinkhorn).
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) values: Vec<f64>,
    pub(super) columns: usize,
    pub(super) row_potentials: Vec<f64>,
    pub(super) column_potentials: Vec<f64>,
    pub(super) iterations: usize,
    pub(super) error: f64,
    pub(super) converged: bool,
}

impl Plan {
    /// What goes from row `i` to each column.
    ///
    /// # Panics
    /// Unless there is a row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// All values, row by row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.row_potentials.len()
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The potentials f and g of `π_ij = exp((f_i + g_j − c_ij)/ε)`, in units of the cost.
    pub fn potentials(&self) -> (&[f64], &[f64]) {
        (&self.row_potentials, &self.column_potentials)
    }

    /// The cost `Σ π_ij c_ij`, without the entropy.
    ///
    /// # Panics
    /// Unless `cost` has the plan's rows and columns.
    pub fn cost(&self, cost: &crate::Cost) -> f64 {
        assert_eq!((cost.rows(), cost.columns()), (self.rows(), self.columns));
        let rows = (0..self.rows()).map(|i| {
            let terms = self.row(i).iter().zip(cost.row(i));
            terms.map(|(p, c)| p * c).sum::<f64>()
        });
        rows.sum()
    }

    /// How much is carried in all: 1, unless the plan is unbalanced. 0 says that carrying costs so much more than leaving
    /// everything where it is that nothing is left in 64 bits.
    pub fn mass(&self) -> f64 {
        self.values.iter().sum()
    }

    /// The iterations that it took.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// A bound of how far the rows are from their goal, `Σ_i |Σ_j π_ij − a_i|`. The columns of a plan that has converged
    /// are exact; of an unbalanced one, this is what the last iteration changed, relative to its mass.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// Whether the error reached the tolerance.
    pub fn converged(&self) -> bool {
        self.converged
    }
}
