//! The kernel distance of features (Bińkowski et al. 2018).

use advect_core::{Error, Generator, Result, check};
use candle_core::Tensor;

use super::{BlockMean, row_pair, subset};
use crate::finite;

/// Rows whose products are in memory at a time.
const ROWS: usize = 512;

/// Returns the squared maximum mean discrepancy of features `(n, d)` and `(m, d)` with the kernel `k(x, y) = (x · y / d + 1)³`, estimated without
/// bias (Bińkowski et al. 2018, section 4.2). With features of Inception-v3 it is the KID. It is 0 on average for two samples of one law, and may
/// be negative.
///
/// ```
/// use advect_metrics::kernel_distance;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64], [2.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[0f64], [1.0]], &Device::Cpu)?;
/// // 3³ + 1³ − 2 (1 + 8 + 1 + 27)/4
/// assert!((kernel_distance(&x, &y)? - 9.5).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for a single sample, or where the kernel overflows; [`Error::Shape`] for different dimensions; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "KID")]
#[doc(alias = "MMD")]
pub fn kernel_distance(x: &Tensor, y: &Tensor) -> Result<f64> {
    let (x, y) = row_pair(("x", x), ("y", y))?;
    of_rows(&x, &y)
}

/// Returns [`kernel_distance`] as papers print it: the mean over `blocks` pairs of `size` samples each, drawn from each set without
/// replacement, with the standard deviation between blocks. Usual are 100 blocks of 1,000.
///
/// ```
/// use advect_core::Generator;
/// use advect_metrics::kernel_distance_by_blocks;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((500, 3), DType::F32, &Device::Cpu)?;
/// let y = rng.normal((500, 3), DType::F32, &Device::Cpu)?;
/// let found = kernel_distance_by_blocks(&x, &y, 10, 100, &mut rng)?;
/// assert!(found.mean.abs() < 0.3 && found.standard_deviation < 1.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`kernel_distance`]; [`Error::Range`] for no blocks, or blocks of fewer than two samples or more than there are.
#[doc(alias = "KID")]
pub fn kernel_distance_by_blocks(
    x: &Tensor,
    y: &Tensor,
    blocks: usize,
    size: usize,
    rng: &mut Generator,
) -> Result<BlockMean> {
    let (x, y) = row_pair(("x", x), ("y", y))?;
    check::at_least_one("blocks", blocks)?;
    let most = x.dim(0)?.min(y.dim(0)?);
    if !(2..=most).contains(&size) {
        let accepted = format!("2 to {most}, the smaller number of samples");
        return Err(Error::range("size", size, accepted));
    }
    let mut block = || of_rows(&subset(&x, size, rng)?, &subset(&y, size, rng)?);
    let distances: Result<Vec<f64>> = (0..blocks).map(|_| block()).collect();
    Ok(BlockMean::of(&distances?))
}

fn of_rows(x: &Tensor, y: &Tensor) -> Result<f64> {
    let within = |name, x: &Tensor| -> Result<f64> {
        let (count, dim) = x.dims2()?;
        if count < 2 {
            return Err(Error::range(
                name,
                "a single sample",
                "at least two samples",
            ));
        }
        let squares = x.sqr()?.sum(1)?.to_vec1::<f64>()?;
        let same: f64 = squares.iter().map(|x| cube(x / dim as f64)).sum();
        Ok((sum_of_pairs(x, x)? - same) / (count as f64 * (count as f64 - 1.0)))
    };
    let between = sum_of_pairs(x, y)? / (x.dim(0)? as f64 * y.dim(0)? as f64);
    finite("x, y", within("x", x)? + within("y", y)? - 2.0 * between)
}

/// `(x · y / d + 1)³` of the middle term.
fn cube(product: f64) -> f64 {
    (product + 1.0).powi(3)
}

/// `Σ_ij k(x_i, y_j)`.
fn sum_of_pairs(x: &Tensor, y: &Tensor) -> Result<f64> {
    let (count, dim) = x.dims2()?;
    let columns = (y.t()?.contiguous()? / dim as f64)?;
    let mut sum = 0.0;
    for first in (0..count).step_by(ROWS) {
        let rows = x.narrow(0, first, ROWS.min(count - first))?;
        let products = rows.contiguous()?.matmul(&columns)?.flatten_all()?;
        sum += products
            .to_vec1::<f64>()?
            .into_iter()
            .map(cube)
            .sum::<f64>();
    }
    Ok(sum)
}
