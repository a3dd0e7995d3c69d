//! The exact 2-Wasserstein distance of two samples.

use advect_core::{Error, Result};
use advect_transport::{Cost, assignment};
use candle_core::Tensor;

/// `W₂ = (min over permutations π of 1/n Σ_i |x_i − y_π(i)|²)^½` for batches `(n, ...)` of equal size.
///
/// It needs an n × n matrix and O(n³) time at worst: some seconds for n = 5,000.
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let x = Generator::from_seed(0).normal((100, 2), DType::F32, &Device::Cpu)?;
/// let shifted = (&x + 2.0)?; // by 2 in each of two dimensions
/// assert!((advect_metrics::wasserstein2(&x, &shifted)? - 8f64.sqrt()).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for samples of different sizes or dimensions; [`Error::Empty`];
/// [`Error::NonFinite`].
pub fn wasserstein2(x: &Tensor, y: &Tensor) -> Result<f64> {
    if x.rank() > 0 && y.rank() > 0 && x.dims()[0] != y.dims()[0] {
        let accepted = format!("as many samples as in x, {},", x.dims()[0]);
        return Err(Error::shape("y", y.dims(), accepted));
    }
    let cost = Cost::squared_euclidean(x, y)?;
    let columns = assignment(&cost)?;
    Ok((cost.total(&columns) / columns.len() as f64).sqrt())
}
