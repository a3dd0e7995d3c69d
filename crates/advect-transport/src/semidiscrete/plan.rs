//! The plan of semidiscrete optimal transport: a potential for each point.

use advect_core::{Error, Generator, Result, check};
use candle_core::Tensor;
use rand_distr::StandardUniform;

use super::Masses;
use super::cells::Cells;
use crate::{Cost, Points, points};

/// A plan from a sampled law to weighted points: the sample x goes to the point of least `|x − y_j|² − g_j`.
///
/// The samples that go to a point are its cell, a polyhedron. With a regularisation ε a sample goes to one of the points by chance,
/// with the probability `p_j ∝ b_j exp((g_j − |x − y_j|²)/ε)`.
///
/// Distances are computed for some samples at a time: about a million distances at once, or those of 256 samples, if that is more.
///
/// ```
/// use advect_core::Generator;
/// use advect_transport::SemidiscretePlan;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let points = Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?;
/// // x² − g_0 = (x − 1)² − g_1 at x = 3/4.
/// let plan = SemidiscretePlan::new(&points, &[0.75, 0.25], &[0.5, 0.0], 0.0)?;
/// let x = Tensor::new(&[[0.1f64], [0.7], [0.8]], &Device::Cpu)?;
/// assert_eq!(plan.assign(&x, &mut Generator::from_seed(0))?, [0, 0, 1]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Laguerre cells")]
#[doc(alias = "power diagram")]
#[derive(Debug, Clone)]
pub struct SemidiscretePlan {
    pub(super) cells: Cells,
    /// The given points, as rows.
    points: Tensor,
    /// A potential for each cell.
    potentials: Vec<f64>,
    regularization: f64,
    pub(super) errors: Vec<f64>,
}

/// Distances that are computed at once.
const AT_ONCE: usize = 1 << 20;
/// The fewest samples at once: each time, all points are centred and packed again.
const FEWEST: usize = 256;

impl SemidiscretePlan {
    /// Creates a plan from points `(n, ...)`, their weights, their potentials and a regularisation ε, which may be 0. Equal points have
    /// the potential of the first of them that has a weight.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a weight and a potential for each point; [`Error::Range`] for other weights than
    /// [`Semidiscrete::fit_weighted`](super::Semidiscrete::fit_weighted) takes, for potentials of points with a weight that are not finite,
    /// and for a regularisation that is negative or not finite; `Empty`, `DType` and `NonFinite` errors.
    pub fn new(
        points: &Tensor,
        weights: &[f64],
        potentials: &[f64],
        regularization: f64,
    ) -> Result<Self> {
        let cells = Cells::new(points, weights)?;
        if potentials.len() != weights.len() {
            let accepted = format!("({},), one potential for each point", weights.len());
            return Err(Error::shape("potentials", &[potentials.len()], accepted));
        }
        let mut plan = Self::of_cells(cells, points, regularization)?;
        for (cell, potential) in plan.potentials.iter_mut().enumerate() {
            let first = plan.cells.members(cell).next().unwrap_or(0);
            *potential = check::finite_number("potentials", potentials[first])?;
        }
        Ok(plan)
    }

    /// Potentials of 0.
    pub(super) fn of_cells(cells: Cells, points: &Tensor, regularization: f64) -> Result<Self> {
        Ok(SemidiscretePlan {
            points: points::rows("points", points)?,
            potentials: vec![0.0; cells.count()],
            cells,
            regularization: check::non_negative("regularization", regularization)?,
            errors: Vec::new(),
        })
    }

    /// Returns the points as rows `(n, d)`, on the host.
    pub fn points(&self) -> &Tensor {
        &self.points
    }

    /// Returns a potential for each point, in units of squared distance. Points of weight 0 have −∞.
    pub fn potentials(&self) -> Vec<f64> {
        let mut all = vec![f64::NEG_INFINITY; self.points.dims()[0]];
        for (cell, potential) in self.potentials.iter().enumerate() {
            self.cells.members(cell).for_each(|i| all[i] = *potential);
        }
        all
    }

    /// Returns the regularisation ε.
    pub fn regularization(&self) -> f64 {
        self.regularization
    }

    /// Returns the marginals' errors during the ascent by which the plan was fitted, one for each tenth of its steps: the means of
    /// [`SemidiscretePlan::chi_square`] of the batches. A plan of given potentials has none.
    pub fn errors(&self) -> &[f64] {
        &self.errors
    }

    /// Returns the point to which each sample of `(batch, ...)` goes, as an index. Equal points share their cell by their weights.
    ///
    /// # Errors
    /// [`Error::Shape`] for samples of another dimension, [`Error::Range`] for distances that overflow; `Empty`, `DType` and
    /// `NonFinite` errors.
    pub fn assign(&self, x: &Tensor, rng: &mut Generator) -> Result<Vec<usize>> {
        let draws = rng.values(&StandardUniform, 2 * check::batch("x", x)?)?;
        let mut draws = draws.chunks_exact(2);
        let mut scores = vec![0.0; self.cells.count()];
        let mut assigned = Vec::with_capacity(x.dims()[0]);
        self.each("x", x, |distances| {
            let [u, v] = draws.next().map_or([0.0; 2], |pair| [pair[0], pair[1]]);
            let cell = match self.regularization {
                0.0 => self.nearest(distances).0,
                _ => {
                    self.probabilities(distances, &mut scores);
                    let mut rest = u;
                    let chosen = scores.iter().position(|p| {
                        rest -= p;
                        rest < 0.0
                    });
                    // Where rounding leaves a rest, the likeliest will do.
                    chosen.unwrap_or_else(|| largest(&scores))
                }
            };
            assigned.push(self.cells.member(cell, v));
        })?;
        Ok(assigned)
    }

    /// Returns an estimate of the marginals' error `χ² = Σ_j p_j²/b_j − 1` from source samples `(batch, ...)`, at least two, where p_j is
    /// the mass that comes to point j: the mean square of the relative errors `p_j/b_j − 1` by the weights b_j.
    ///
    /// The estimate has no bias, and may be negative where the error is small. The error is at least the square of the sum of
    /// all `|p_j − b_j|`.
    ///
    /// # Errors
    /// [`Error::Range`] for a single sample; as [`SemidiscretePlan::assign`].
    #[doc(alias = "marginal error")]
    pub fn chi_square(&self, x: &Tensor) -> Result<f64> {
        self.masses("x", x)?.chi_square("x", self.cells.weights())
    }

    /// Returns an estimate of the semidual from source samples, `E min_j (|x − y_j|² − g_j) + Σ_j b_j g_j`, or with a regularisation
    /// `−ε E ln Σ_j b_j exp((g_j − |x − y_j|²)/ε) + Σ_j b_j g_j`. Whatever the potentials, its mean is at most the least cost: W₂² of source and
    /// points, or `min E |x − y|² + ε KL(π | a ⊗ b)`.
    ///
    /// # Errors
    /// As [`SemidiscretePlan::assign`].
    #[doc(alias = "semidual")]
    pub fn dual(&self, x: &Tensor) -> Result<f64> {
        let mut scores = vec![0.0; self.cells.count()];
        let mut sum = 0.0;
        self.each("x", x, |distances| {
            sum += match self.regularization {
                0.0 => self.nearest(distances).1,
                epsilon => -epsilon * self.probabilities(distances, &mut scores),
            };
        })?;
        let weighted = self.cells.weights().iter().zip(&self.potentials);
        let potentials: f64 = weighted.map(|(b, g)| b * g).sum();
        Ok(sum / x.dims()[0] as f64 + potentials)
    }

    /// Starts at the potentials of the optimal map between laws that differ in mean and scale alone,
    /// `g_j = |y_j − E x|² − (σ_x/σ_y) |y_j − E y|²`. Returns `σ_x σ_y`.
    pub(super) fn start_from(&mut self, argument: &'static str, x: &Tensor) -> Result<f64> {
        let x = Points::new(argument, x)?;
        self.check_dimension(argument, x.count(), x.dim())?;
        let mean = x.mean();
        let [from_source, from_mean] = self.cells.distances_from(&mean)?;
        let count = x.count() as f64;
        let of_source = x.seen_from(&mean).squared_norms();
        let source = (of_source.iter().sum::<f64>() / count).sqrt();
        let weighted = from_mean.iter().zip(self.cells.weights());
        let target = weighted.map(|(d, b)| d * b).sum::<f64>().sqrt();
        // A single point takes everything.
        let ratio = if target > 0.0 { source / target } else { 0.0 };
        for ((g, a), b) in (self.potentials.iter_mut().zip(from_source)).zip(from_mean) {
            *g = a - ratio * b;
        }
        Ok(source * target)
    }

    /// Moves potentials up where a cell has too little.
    pub(super) fn ascend(&mut self, masses: &Masses, step: f64, largest: f64) {
        let n = masses.samples as f64;
        let cells = self.cells.weights().iter().zip(&masses.shares);
        for (g, (b, share)) in self.potentials.iter_mut().zip(cells) {
            let missing = (b - share / n) / (b + 1.0 / n);
            *g += step * missing.clamp(-largest, largest);
        }
    }

    /// What source samples bring to the cells.
    pub(super) fn masses(&self, argument: &'static str, x: &Tensor) -> Result<Masses> {
        let count = self.cells.count();
        let (mut shares, mut squares) = (vec![0.0; count], vec![0.0; count]);
        let mut scores = vec![0.0; count];
        let mut samples = 0;
        self.each(argument, x, |distances| {
            samples += 1;
            match self.regularization {
                0.0 => {
                    let (cell, _) = self.nearest(distances);
                    shares[cell] += 1.0;
                    squares[cell] += 1.0;
                }
                _ => {
                    self.probabilities(distances, &mut scores);
                    for ((share, square), p) in shares.iter_mut().zip(&mut squares).zip(&scores) {
                        *share += p;
                        *square += p * p;
                    }
                }
            }
        })?;
        Ok(Masses {
            shares,
            squares,
            samples,
        })
    }

    /// The cell of a sample, and its `|x − y_j|² − g_j`. The first one where several are equal.
    fn nearest(&self, distances: &[f64]) -> (usize, f64) {
        let mut best = (0, f64::INFINITY);
        for (j, (c, g)) in distances.iter().zip(&self.potentials).enumerate() {
            let reduced = c - g;
            if reduced < best.1 {
                best = (j, reduced);
            }
        }
        best
    }

    /// The probabilities of the cells for a sample. Returns the logarithm of the sum by which they were divided.
    fn probabilities(&self, distances: &[f64], out: &mut [f64]) -> f64 {
        let cells = self.potentials.iter().zip(self.cells.weights());
        for ((out, c), (g, b)) in out.iter_mut().zip(distances).zip(cells) {
            *out = (g - c) / self.regularization + b.ln();
        }
        let top = out[largest(out)];
        out.iter_mut().for_each(|p| *p = (*p - top).exp());
        let sum: f64 = out.iter().sum();
        out.iter_mut().for_each(|p| *p /= sum);
        top + sum.ln()
    }

    /// Calls `visit` with the squared distances of each sample from the cells' points.
    fn each(
        &self,
        argument: &'static str,
        x: &Tensor,
        mut visit: impl FnMut(&[f64]),
    ) -> Result<()> {
        let rows = points::rows(argument, x)?;
        check::finite(argument, &rows)?;
        let (count, dim) = rows.dims2()?;
        self.check_dimension(argument, count, dim)?;
        let at_once = (AT_ONCE / self.cells.count()).max(FEWEST);
        for start in (0..count).step_by(at_once) {
            let part = rows.narrow(0, start, at_once.min(count - start))?;
            let distances = Cost::squared_euclidean(&part, self.cells.points())?;
            (0..distances.rows()).for_each(|i| visit(distances.row(i)));
        }
        Ok(())
    }

    fn check_dimension(&self, argument: &'static str, count: usize, dim: usize) -> Result<()> {
        let known = self.points.dim(1)?;
        if dim == known {
            return Ok(());
        }
        let accepted = format!("a cloud of points of dimension {known}, as in points");
        Err(Error::shape(argument, &[count, dim], accepted))
    }
}

/// The place of the largest number, the first one where several are.
fn largest(values: &[f64]) -> usize {
    let mut best = 0;
    for (j, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = j;
        }
    }
    best
}
