//! Density and coverage (Naeem et al. 2020).

use advect_core::Result;
use candle_core::Tensor;

use super::neighbourhoods::{Neighbourhoods, comparable};

/// Density and coverage: how densely real samples lie around generated ones, and how many of the real samples have a
/// generated one nearby.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct DensityCoverage {
    /// The mean number of balls of real samples around a generated one, divided by k. It may be above 1.
    pub density: f64,
    /// The share of real samples with a generated one in their ball.
    pub coverage: f64,
}

/// Returns density and coverage of generated features `(m, d)` against real ones `(n, d)` (Naeem et al. 2020, eqs. 8 and 9). The ball of a real
/// sample reaches to its k-th nearest real neighbour; the authors take `neighbours` = 5. One outlier among the generated samples changes
/// neither by much, unlike recall.
///
/// ```
/// use advect_metrics::density_coverage;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let real = Tensor::new(&[[0f32], [1.0], [5.0], [6.0]], &Device::Cpu)?;
/// let generated = Tensor::new(&[[0.5f32], [0.25], [0.75], [9.0]], &Device::Cpu)?;
/// let found = density_coverage(&real, &generated, 1)?;
/// assert_eq!((found.density, found.coverage), (1.5, 0.5));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for 0 neighbours or unless there are more real samples than neighbours;
/// [`Error::Shape`](advect_core::Error::Shape) for different dimensions; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "PRDC")]
pub fn density_coverage(
    real: &Tensor,
    generated: &Tensor,
    neighbours: usize,
) -> Result<DensityCoverage> {
    let [real, generated] = comparable(("real", real), ("generated", generated))?;
    let balls = Neighbourhoods::new("real", &real, neighbours)?;
    let counts = balls.around(&generated)?;
    let inside: usize = counts.iter().sum();
    Ok(DensityCoverage {
        density: inside as f64 / (neighbours as f64 * counts.len() as f64),
        coverage: balls.occupied(&generated)?,
    })
}
