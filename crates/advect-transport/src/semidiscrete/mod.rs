//! Semidiscrete optimal transport, from a sampled law to a fixed set of points (Genevay, Cuturi, Peyré and Bach 2016,
//! sections 2 and 4; Mousavi-Hosseini, Zhang, Klein and Cuturi 2025).
//!
//! The semidual `max_g E_x min_j (|x − y_j|² − g_j) + Σ_j b_j g_j` has the gradient `b_j − P(x is in the cell of j)`. Potentials
//! ascend along its estimates on batches of x.

mod cells;
mod plan;

use advect_core::{Error, Generator, Result, check};
use candle_core::Tensor;

use cells::Cells;

pub use plan::SemidiscretePlan;

/// A solver of optimal transport with squared distances from a sampled law to weighted points, by stochastic gradient ascent
/// of the semidual.
///
/// A step takes a batch of fresh source samples and moves the potential of each point by `η_k (b_j − p_j)/(b_j + 1/n)`, at most
/// 10 η_k, where p_j is the batch's mass in its cell and n the size of the batch. The size of step k of K is
/// `η_k = rate · σ_x σ_y (1 − k/K)³`, with the standard deviations σ of source and points, `σ² = E |x − E x|²`: large enough at first to
/// go far, and nearly 0 at last, which averages over ever more batches. The ascent starts from the potentials of the optimal map
/// between laws that differ in mean and scale alone.
///
/// With a regularisation ε the plan is entropic: a sample goes to point j with the probability
/// `p_j ∝ b_j exp((g_j − |x − y_j|²)/ε)`.
///
/// The plan tells its marginals' error in each tenth of the ascent: it should fall. If the last one is too large,
/// more steps help, or larger batches; if it hardly fell, a larger rate.
///
/// ```
/// use advect_core::Generator;
/// use advect_transport::Semidiscrete;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let points = Tensor::new(&[[-1.0f32], [5.0]], &Device::Cpu)?;
/// let noise = |rng: &mut Generator| rng.normal((64, 1), DType::F32, &Device::Cpu);
/// let plan = Semidiscrete::new(500)?.fit(&points, noise, &mut rng)?;
/// // Half of the noise to either point, though most of it is nearer to the first.
/// let x = Tensor::new(&[[-0.1f32], [0.1]], &Device::Cpu)?;
/// assert_eq!(plan.assign(&x, &mut rng)?, [0, 1]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "semidual")]
#[doc(alias = "stochastic optimal transport")]
#[doc(alias = "SD-FM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Semidiscrete {
    steps: usize,
    rate: f64,
    regularization: f64,
}

/// The most that a potential moves in a step, in units of the step's size: far more than it does near the end.
const LARGEST_MOVE: f64 = 10.0;
/// The power of the time that is left, by which steps become smaller. With 2, 3 and 4 the errors differ by a factor of 3 at most on 50 and
/// 300 points in one and two dimensions; averages of iterates, with steps that fall as `k^−½` or `k^−¾`, had 9 times as much or more.
const DECAY: i32 = 3;
/// The parts of the ascent whose error is told.
const PARTS: usize = 10;

impl Semidiscrete {
    /// Creates a solver that makes `steps` steps, without regularisation and with a rate of 0.05.
    ///
    /// # Errors
    /// [`Error::Range`] for 0 steps.
    pub fn new(steps: usize) -> Result<Self> {
        Ok(Semidiscrete {
            steps: check::at_least_one("steps", steps)?,
            rate: 0.05,
            regularization: 0.0,
        })
    }

    /// Sets the rate, the size of the first step in units of `σ_x σ_y`.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    #[doc(alias = "learning rate")]
    pub fn rate(self, rate: f64) -> Result<Self> {
        let rate = check::positive("rate", rate)?;
        Ok(Semidiscrete { rate, ..self })
    }

    /// Sets the regularisation ε, in units of squared distance; 0 is optimal transport.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and at least 0.
    pub fn regularization(self, regularization: f64) -> Result<Self> {
        let regularization = check::non_negative("regularization", regularization)?;
        Ok(Semidiscrete {
            regularization,
            ..self
        })
    }

    /// Fits the plan to points `(n, ...)` of equal weights. `source` draws a batch of source samples, of two or more, for each step.
    ///
    /// # Errors
    /// As [`Semidiscrete::fit_weighted`].
    pub fn fit(
        &self,
        points: &Tensor,
        source: impl FnMut(&mut Generator) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<SemidiscretePlan> {
        let count = check::batch("points", points)?;
        let weights = vec![1.0 / count as f64; count];
        self.fit_weighted(points, &weights, source, rng)
    }

    /// Fits the plan to points with weights: none below 0, of sum 1 up to the rounding of 32 bits, by which they are divided.
    ///
    /// Equal points are one point with the sum of their weights, until one of them is drawn. Those of weight 0 are left out.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a weight for each point and samples have the dimension of points; [`Error::Range`] for other
    /// weights, a batch of one sample, and distances that overflow; `Empty`, `DType` and `NonFinite` errors; those of `source`.
    pub fn fit_weighted(
        &self,
        points: &Tensor,
        weights: &[f64],
        mut source: impl FnMut(&mut Generator) -> Result<Tensor>,
        rng: &mut Generator,
    ) -> Result<SemidiscretePlan> {
        let cells = Cells::new(points, weights)?;
        let mut plan = SemidiscretePlan::of_cells(cells, points, self.regularization)?;
        let mut unit = 0.0;
        let mut errors = vec![(0.0, 0.0); PARTS.min(self.steps)];
        for k in 0..self.steps {
            let x = source(rng)?;
            if k == 0 {
                unit = plan.start_from("source", &x)?;
            }
            let masses = plan.masses("source", &x)?;
            let (sum, count) = &mut errors[k * PARTS.min(self.steps) / self.steps];
            *sum += masses.chi_square("source", plan.cells.weights())?;
            *count += 1.0;
            let left = 1.0 - k as f64 / self.steps as f64;
            let step = self.rate * unit * left.powi(DECAY);
            plan.ascend(&masses, step, LARGEST_MOVE);
        }
        plan.errors = errors.into_iter().map(|(sum, count)| sum / count).collect();
        Ok(plan)
    }
}

/// What a batch of source samples brings to the cells.
struct Masses {
    /// For each cell the sum over samples of their shares in it, and of these shares' squares.
    shares: Vec<f64>,
    squares: Vec<f64>,
    samples: usize,
}

impl Masses {
    /// The estimate of `Σ_j p_j²/b_j − 1` without bias: products of different samples estimate p_j².
    fn chi_square(&self, argument: &'static str, weights: &[f64]) -> Result<f64> {
        if self.samples < 2 {
            let given = "a batch of one sample";
            let accepted = "a batch of at least two samples";
            return Err(Error::range(argument, given, accepted));
        }
        let n = self.samples as f64;
        let terms = self.shares.iter().zip(&self.squares).zip(weights);
        let terms = terms.map(|((share, squares), b)| (share * share - squares) / b);
        Ok(terms.sum::<f64>() / (n * (n - 1.0)) - 1.0)
    }
}
