//! The mean and the deviation of a conditional Gaussian path.

use advect_core::{FromFn, Result, forward_to};
use advect_ops::Dual;
use candle_core::Tensor;

/// The mean `μ_t(x1)` and the standard deviation `σ_t(x1)` of a [`ConditionalGaussian`](super::ConditionalGaussian)
/// path, with their derivatives along time.
pub trait Moments {
    /// Returns `μ_t(x1)`, of a shape that broadcasts to that of x1 `(batch, ...)`, and `σ_t(x1)`: of such a shape too,
    /// for a deviation for all, for each sample, for each coordinate, or for each element.
    ///
    /// The times are a column of the rank, dtype and device of x1, `(1, 1, ...)` for all or `(batch, 1, ...)`, and
    /// carry the derivative 1. Values computed from them by the methods of [`Value`](advect_ops::Value) have their
    /// derivatives along time. Pass a known derivative by `Dual::new(mean, its_derivative)`. A network's forward pass
    /// takes the times as `t.map_linear(|t| Ok(t.flatten_all()?.to_dtype(DType::F64)?))`.
    ///
    /// # Errors
    /// Typed errors for data that does not fit.
    fn at(&self, t: &Dual, x1: &Tensor) -> Result<(Dual, Dual)>;
}

forward_to!([] Moments {
    fn at(&self, t: &Dual, x1: &Tensor) -> Result<(Dual, Dual)>;
});

/// Creates [`Moments`] from a closure on times and data.
///
/// ```
/// use advect_ops::{Dual, Value};
/// use advect_paths::path::{Moments, moments_fn};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // μ = t x1, and a deviation 1 + t² whose derivative is told.
/// let moments = moments_fn(|t: &Dual, x1| {
///     let mean = t.times(&Dual::constant(x1.clone()))?;
///     let deviation = Dual::new((t.primal().sqr()? + 1.0)?, (t.primal() * 2.0)?)?;
///     Ok((mean, deviation))
/// });
/// let half = Tensor::new(&[0.5f64], &Device::Cpu)?;
/// let t = Dual::new(half.clone(), half.ones_like()?)?;
/// let (mean, deviation) = moments.at(&t, &Tensor::new(&[8f64], &Device::Cpu)?)?;
/// let numbers = |y: Dual| Ok::<_, advect_core::Error>((y.primal().to_vec1::<f64>()?, y.into_parts()?.1.to_vec1::<f64>()?));
/// assert_eq!(numbers(mean)?, (vec![4.0], vec![8.0]));
/// assert_eq!(numbers(deviation)?, (vec![1.25], vec![1.0]));
/// # Ok(())
/// # }
/// ```
pub fn moments_fn<F: Fn(&Dual, &Tensor) -> Result<(Dual, Dual)>>(f: F) -> FromFn<F> {
    FromFn(f)
}

impl<F: Fn(&Dual, &Tensor) -> Result<(Dual, Dual)>> Moments for FromFn<F> {
    fn at(&self, t: &Dual, x1: &Tensor) -> Result<(Dual, Dual)> {
        (self.0)(t, x1)
    }
}
