//! A mean over blocks of samples, with its spread.

use std::fmt;

/// The mean of a metric over blocks of samples, with the standard deviation between blocks, `(Σ_b (m_b − mean)² / blocks)^½`, as papers print
/// the KID and the Inception score. It is no standard error: that is smaller by the root of the number of independent blocks.
///
/// ```
/// use advect_metrics::inception_score;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let logits = Tensor::new(&[[0f64, 1.0], [1.0, 0.0], [3.0, 0.0], [0.0, 3.0]], &Device::Cpu)?;
/// let score = inception_score(&logits, 2)?;
/// assert_eq!(format!("{score:.3}"), "1.385 ± 0.268");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BlockMean {
    /// The mean over blocks.
    pub mean: f64,
    /// The standard deviation between blocks.
    pub standard_deviation: f64,
}

impl BlockMean {
    pub(super) fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        BlockMean {
            mean,
            standard_deviation: (squares / count).sqrt(),
        }
    }
}

/// With as many decimals as the format asks for, or four.
impl fmt::Display for BlockMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(4);
        let (mean, deviation) = (self.mean, self.standard_deviation);
        write!(f, "{mean:.decimals$} ± {deviation:.decimals$}")
    }
}
