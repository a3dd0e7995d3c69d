//! The plan of exact optimal transport (Kantorovich 1942; Peyré and Cuturi 2019, sections 2.3 and 3.5).

use advect_core::{Generator, Result};
use rand_distr::StandardUniform;

use crate::{Cost, simplex, weights};

/// An entry of a transport plan: the mass that goes from a row to a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The row.
    pub row: usize,
    /// The column.
    pub column: usize,
    /// The mass, above 0; the masses of all entries sum to 1.
    pub mass: f64,
}

/// The cheapest plan between weighted points, `min Σ π_ij c_ij` over `π ≥ 0` whose rows sum to the weights a and whose
/// columns sum to the weights b. It is stored as its nonzero entries, at most `rows + columns − 1`.
///
/// The plan is exact: no other is cheaper for the costs as they are stored, whatever their magnitudes. Pairs of cost ∞
/// carry nothing.
///
/// ```
/// use advect_transport::{Cost, ExactPlan};
/// # fn main() -> advect_core::Result<()> {
/// // Two points at 0 and 1, three at 0, 1 and 2.
/// let cost = Cost::new(2, 3, vec![0.0, 1.0, 4.0, 1.0, 0.0, 1.0])?;
/// let plan = ExactPlan::uniform(&cost)?;
/// let entries: Vec<_> = plan.entries().iter().map(|e| (e.row, e.column, 6.0 * e.mass)).collect();
/// assert_eq!(entries, [(0, 0, 2.0), (0, 1, 1.0), (1, 1, 1.0), (1, 2, 2.0)]);
/// assert_eq!(plan.cost(&cost), 0.5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EMD")]
#[doc(alias = "emd")]
#[doc(alias = "optimal transport")]
#[doc(alias = "OT")]
#[doc(alias = "earth mover")]
#[doc(alias = "W2")]
#[doc(alias = "OT-CFM")]
#[derive(Debug, Clone)]
pub struct ExactPlan {
    entries: Vec<Entry>,
    row_potentials: Vec<f64>,
    column_potentials: Vec<f64>,
}

impl ExactPlan {
    /// Returns the plan between equal weights, `1/rows` and `1/columns`.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) if every plan has a pair of cost ∞.
    pub fn uniform(cost: &Cost) -> Result<Self> {
        let (rows, columns) = (cost.rows() as u64, cost.columns() as u64);
        let common = greatest_common_divisor(rows, columns);
        // In units of the inverse of the least common multiple, these are whole numbers.
        let supplies = vec![columns / common; cost.rows()];
        let demands = vec![rows / common; cost.columns()];
        Self::solve(cost, &supplies, &demands)
    }

    /// Returns the plan between given weights of rows and columns: none below 0, of sum 1 on each side.
    ///
    /// Weights that miss the sum of 1 by no more than the rounding of 32 bits, `(count + 8) · 2⁻²⁴`, are divided by their sum; masses are
    /// whole multiples of 2⁻⁶⁰. A point of weight 0 is left out.
    ///
    /// # Errors
    /// [`Error::Shape`](advect_core::Error::Shape) unless there is a weight for each row and column;
    /// [`Error::Range`](advect_core::Error::Range) for other weights, and as [`ExactPlan::uniform`].
    pub fn weighted(cost: &Cost, rows: &[f64], columns: &[f64]) -> Result<Self> {
        let row_sum = weights::check("rows", rows, cost.rows())?;
        let column_sum = weights::check("columns", columns, cost.columns())?;
        let (supplies, demands) = (
            weights::masses(rows, row_sum),
            weights::masses(columns, column_sum),
        );
        Self::solve(cost, &supplies, &demands)
    }

    fn solve(cost: &Cost, supplies: &[u64], demands: &[u64]) -> Result<Self> {
        let (rows, columns) = (places(supplies), places(demands));
        let all = (rows.len(), columns.len()) == (cost.rows(), cost.columns());
        let mut plan = match all {
            true => Self::between(cost, supplies, demands)?,
            false => {
                let chosen = |masses: &[u64], places: &[usize]| -> Vec<u64> {
                    places.iter().map(|k| masses[*k]).collect()
                };
                let part = cost.part(&rows, &columns, false);
                let (supplies, demands) = (chosen(supplies, &rows), chosen(demands, &columns));
                Self::between(&part, &supplies, &demands)?.extended(cost, &rows, &columns)
            }
        };
        let total = supplies.iter().sum::<u64>() as f64;
        plan.entries
            .iter_mut()
            .for_each(|entry| entry.mass /= total);
        Ok(plan)
    }

    /// The plan between masses above 0, in their units. The smaller side is searched through.
    fn between(cost: &Cost, supplies: &[u64], demands: &[u64]) -> Result<Self> {
        if cost.rows() > cost.columns() {
            let solution = simplex::solve(&cost.transposed(), demands, supplies)?;
            let flows = solution.flows.into_iter().map(|(j, i, flow)| (i, j, flow));
            return Ok(Self::new(
                flows.collect(),
                solution.column_potentials,
                solution.row_potentials,
            ));
        }
        let solution = simplex::solve(cost, supplies, demands)?;
        Ok(Self::new(
            solution.flows,
            solution.row_potentials,
            solution.column_potentials,
        ))
    }

    fn new(
        mut flows: Vec<(usize, usize, u64)>,
        row_potentials: Vec<f64>,
        column_potentials: Vec<f64>,
    ) -> Self {
        flows.sort_unstable();
        let entry = |(row, column, flow)| Entry {
            row,
            column,
            mass: flow as f64,
        };
        ExactPlan {
            entries: flows.into_iter().map(entry).collect(),
            row_potentials,
            column_potentials,
        }
    }

    /// A plan of some rows and columns as one of all: potentials of the others are the largest that are allowed.
    fn extended(self, cost: &Cost, rows: &[usize], columns: &[usize]) -> Self {
        let mut f = vec![f64::NAN; cost.rows()];
        let mut g = vec![f64::NAN; cost.columns()];
        (rows.iter().zip(self.row_potentials)).for_each(|(i, value)| f[*i] = value);
        (columns.iter().zip(self.column_potentials)).for_each(|(j, value)| g[*j] = value);
        let least = |terms: &mut dyn Iterator<Item = f64>| terms.fold(f64::INFINITY, f64::min);
        for (i, f) in f.iter_mut().enumerate().filter(|(_, f)| f.is_nan()) {
            *f = least(&mut columns.iter().map(|j| cost.row(i)[*j] - g[*j]));
        }
        for (j, g) in g.iter_mut().enumerate().filter(|(_, g)| g.is_nan()) {
            let finite = f.iter().enumerate().filter(|(_, f)| **f < f64::INFINITY);
            *g = least(&mut finite.map(|(i, f)| cost.row(i)[j] - f));
        }
        let entry = |entry: Entry| Entry {
            row: rows[entry.row],
            column: columns[entry.column],
            mass: entry.mass,
        };
        ExactPlan {
            entries: self.entries.into_iter().map(entry).collect(),
            row_potentials: f,
            column_potentials: g,
        }
    }

    /// Returns the nonzero entries of the plan, in the order of the rows, and of the columns within a row.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.row_potentials.len()
    }

    /// Returns the number of columns.
    pub fn columns(&self) -> usize {
        self.column_potentials.len()
    }

    /// Returns the potentials f and g of Kantorovich's dual, in units of the cost: up to rounding `f_i + g_j ≤ c_ij`,
    /// equal on the plan's entries, and `Σ a_i f_i + Σ b_j g_j` is the plan's cost.
    #[doc(alias = "dual")]
    pub fn potentials(&self) -> (&[f64], &[f64]) {
        (&self.row_potentials, &self.column_potentials)
    }

    /// Returns the cost `Σ π_ij c_ij`.
    ///
    /// # Panics
    /// Unless `cost` has the plan's rows and columns.
    pub fn cost(&self, cost: &Cost) -> f64 {
        assert_eq!((cost.rows(), cost.columns()), (self.rows(), self.columns()));
        let terms = self
            .entries
            .iter()
            .map(|e| e.mass * cost.row(e.row)[e.column]);
        terms.sum()
    }

    /// Draws `count` pairs (row, column), independently of each other, with probabilities equal to their masses.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use advect_transport::{Cost, ExactPlan};
    /// # fn main() -> advect_core::Result<()> {
    /// let plan = ExactPlan::uniform(&Cost::new(1, 2, vec![1.0, 2.0])?)?;
    /// let pairs = plan.draw(1000, &mut Generator::from_seed(0))?;
    /// let second = pairs.iter().filter(|pair| **pair == (0, 1)).count();
    /// assert!((450..550).contains(&second));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for more pairs than fit the memory.
    #[doc(alias = "sample_plan")]
    #[doc(alias = "sample")]
    pub fn draw(&self, count: usize, rng: &mut Generator) -> Result<Vec<(usize, usize)>> {
        let mut sum = 0.0;
        let sums = self.entries.iter().map(|entry| {
            sum += entry.mass;
            sum
        });
        let sums: Vec<f64> = sums.collect();
        let pair = |u: f64| {
            let k = sums.partition_point(|s| *s <= u * sum);
            let entry = self.entries[k.min(sums.len() - 1)];
            (entry.row, entry.column)
        };
        let uniform = rng.values(&StandardUniform, count)?;
        Ok(uniform.into_iter().map(pair).collect())
    }
}

/// The places where something is.
fn places(masses: &[u64]) -> Vec<usize> {
    (0..masses.len()).filter(|k| masses[*k] > 0).collect()
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
