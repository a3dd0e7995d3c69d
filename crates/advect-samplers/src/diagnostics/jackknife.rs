//! Errors of functions of means (Quenouille 1956; Gattringer and Lang 2010, Quantum chromodynamics on the lattice, section 4.5.3).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::series::Series;

/// A function of the means of several series, such as a ratio of moments, with its error.
///
/// Steps are cut into blocks, longer than a few autocorrelation times, of which each is left out once: with the values `f_k` of the function without block k, and their mean f̄, the error is
/// `√((B − 1)/B Σ_k (f_k − f̄)²)`, and the bias of `f(means)` is `(B − 1)(f̄ − f)`.
///
/// ```
/// use advect_core::Generator;
/// use advect_samplers::diagnostics::Jackknife;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// // ⟨x⁴⟩/⟨x²⟩² of normal numbers is 3.
/// let squares = Generator::from_seed(0).normal((1000, 10), DType::F64, &Device::Cpu)?.sqr()?;
/// let ratio = Jackknife::new(&[&squares.sqr()?, &squares], 50, |m| m[0] / m[1].powi(2))?;
/// assert!((ratio.value() - 3.0).abs() < 3.0 * ratio.standard_error());
/// assert!((ratio.standard_error() - (24.0f64 / 10_000.0).sqrt()).abs() < 0.02);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jackknife {
    value: f64,
    standard_error: f64,
    bias: f64,
}

impl Jackknife {
    /// Computes a function of the means of series, each `(steps, chains)` or `(steps,)`, by blocks of a number of steps. Steps that fill no block, at the beginning of each chain, are
    /// left out.
    ///
    /// # Errors
    /// [`Error::Empty`] without series; [`Error::Shape`] unless all have the same shape and there are two blocks or more; [`Error::Range`] for blocks of 0 steps and for a function
    /// that gives NaN or infinity; [`Error::NonFinite`] for a series with NaN or infinity.
    pub fn new(series: &[&Tensor], block: usize, function: impl Fn(&[f64]) -> f64) -> Result<Self> {
        check::at_least_one("block", block)?;
        let Some(first) = series.first() else {
            return Err(Error::Empty {
                argument: "series".into(),
            });
        };
        // A row of sums over each block for every series.
        let mut sums = Vec::with_capacity(series.len());
        for x in series {
            if x.dims() != first.dims() {
                let accepted = format!("{:?}, as the first", first.dims());
                return Err(Error::shape("series", x.dims(), accepted));
            }
            let series = Series::new(x, block)?;
            let rest = series.steps % block;
            let blocks = series.chains.iter().flat_map(|c| c[rest..].chunks(block));
            sums.push(blocks.map(|b| b.iter().sum::<f64>()).collect::<Vec<f64>>());
        }
        let count = sums[0].len();
        if count < 2 {
            let accepted = format!("at least two blocks of {block} steps");
            return Err(Error::shape("series", first.dims(), accepted));
        }
        let totals: Vec<f64> = sums.iter().map(|sums| sums.iter().sum()).collect();
        let at = |left_out: Option<usize>| {
            let blocks = count - usize::from(left_out.is_some());
            let mean = |(sums, total): (&Vec<f64>, &f64)| {
                let out = left_out.map_or(0.0, |k| sums[k]);
                (total - out) / (blocks * block) as f64
            };
            let means: Vec<f64> = sums.iter().zip(&totals).map(mean).collect();
            check::finite_number("function", function(&means))
        };
        let value = at(None)?;
        let without = (0..count)
            .map(|k| at(Some(k)))
            .collect::<Result<Vec<f64>>>()?;
        let n = count as f64;
        let mean = without.iter().sum::<f64>() / n;
        let squares: f64 = without.iter().map(|f| (f - mean).powi(2)).sum();
        Ok(Jackknife {
            value,
            standard_error: ((n - 1.0) / n * squares).sqrt(),
            bias: (n - 1.0) * (mean - value),
        })
    }

    /// Returns the function of the means.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns the standard error of the value.
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// Returns the bias of the value, the mean error of a function that is not linear; it is of the order of the square
    /// of the error.
    pub fn bias(&self) -> f64 {
        self.bias
    }
}
