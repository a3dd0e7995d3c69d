//! The transport costs of pairs of samples (Liu, Gong and Liu 2023, theorem 3.5).

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use crate::SampleMean;
use crate::trajectories::ways;

/// Returns the transport cost `E c(X_1 − X_0)` of pairs of samples, with its standard error. `cost` is called with the way
/// `x1_i − x0_i` of each sample, in f64 and flattened.
///
/// Rectified flow lowers the costs of all convex functions at once, or leaves them as they are: those of the pairs
/// that a flow makes are at most those of the pairs it is trained on (Liu, Gong and Liu 2023, theorem 3.5). The square `|x|²` is the
/// cost to compare with W₂².
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0f32, 0.0], [1.0, 1.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[3f32, 4.0], [1.0, 2.0]], &Device::Cpu)?;
/// let squared = |way: &[f64]| way.iter().map(|w| w * w).sum();
/// let cost = advect_metrics::transport_cost(&x0, &x1, squared)?;
/// assert_eq!((cost.mean, cost.standard_error), (13.0, Some(12.0)));
/// let farthest = advect_metrics::transport_cost(&x0, &x1, |way| way.iter().fold(0.0, |a, w| a.max(w.abs())))?;
/// assert_eq!(farthest.mean, 2.5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`], [`Error::DType`] and [`Error::Device`] for batches that are not alike, [`Error::Empty`] without samples,
/// [`Error::NonFinite`] for NaN or an infinity; [`Error::Range`] for a cost that is not finite.
#[doc(alias = "convex cost")]
#[doc(alias = "rectified flow")]
pub fn transport_cost(
    x0: &Tensor,
    x1: &Tensor,
    mut cost: impl FnMut(&[f64]) -> f64,
) -> Result<SampleMean> {
    let count = check::batch("x0", x0)?;
    check::float("x0", x0)?;
    check::alike("x1", x1, "x0", x0)?;
    check::finite("x0", x0)?;
    check::finite("x1", x1)?;
    let ways = ways(x0, x1)?;
    let of_sample = |way: &[f64]| match cost(way) {
        value if value.is_finite() => Ok(value),
        value => Err(Error::range("cost", value, "a function with finite values")),
    };
    let costs: Vec<f64> = (ways.chunks_exact(ways.len() / count))
        .map(of_sample)
        .collect::<Result<_>>()?;
    SampleMean::of(&costs).map_err(|_| {
        let accepted = "a function whose mean is finite";
        Error::range("cost", "a mean that overflows", accepted)
    })
}
