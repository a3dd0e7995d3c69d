//! Improved precision and recall (Kynkäänniemi et al. 2019).

use advect_core::Result;
use candle_core::Tensor;

use super::neighbourhoods::{Neighbourhoods, comparable, share_above_zero};

/// Precision and recall: the share of generated samples that look real, and the share of real samples that could be
/// generated.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PrecisionRecall {
    /// The share of generated samples within a ball of a real one.
    pub precision: f64,
    /// The share of real samples within a ball of a generated one.
    pub recall: f64,
}

/// Returns improved precision and recall of generated features `(m, d)` against real ones `(n, d)` (Kynkäänniemi et al. 2019, eqs. 1 and 2). The ball
/// of a sample reaches to its k-th nearest neighbour in its own set; the authors take `neighbours` = 3 and 50,000 samples of each.
///
/// ```
/// use advect_metrics::precision_recall;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let real = Tensor::new(&[[0f32], [1.0], [5.0], [6.0]], &Device::Cpu)?;
/// let generated = Tensor::new(&[[0.5f32], [0.2], [0.9], [9.0]], &Device::Cpu)?;
/// let found = precision_recall(&real, &generated, 1)?;
/// // The ball of the outlier is so large that it has 5 and 6 in it.
/// assert_eq!((found.precision, found.recall), (0.75, 1.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`](advect_core::Error::Range) for 0 neighbours or unless each set has more samples than neighbours; [`Error::Shape`](advect_core::Error::Shape)
/// for different dimensions; `Empty`, `NonFinite`, `DType`.
#[doc(alias = "P&R")]
#[doc(alias = "PRC")]
pub fn precision_recall(
    real: &Tensor,
    generated: &Tensor,
    neighbours: usize,
) -> Result<PrecisionRecall> {
    let [real, generated] = comparable(("real", real), ("generated", generated))?;
    let share = |name, of: &Tensor, points: &Tensor| -> Result<f64> {
        let counts = Neighbourhoods::new(name, of, neighbours)?.around(points)?;
        Ok(share_above_zero(&counts))
    };
    Ok(PrecisionRecall {
        precision: share("real", &real, &generated)?,
        recall: share("generated", &generated, &real)?,
    })
}
