//! Products of each sample with its own factor.

use advect_core::{Error, Result, check, shape};

use crate::Value;

/// Returns `c_i x_i` for x of shape `(batch, ...)` and c of shape `(batch,)`, differentiable in both. If the factors
/// are numbers on the host, [`combine`](crate::combine) is faster.
///
/// ```
/// use advect_ops::scale_samples;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1.0f32, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let c = Tensor::new(&[10.0f32, -1.0], &Device::Cpu)?;
/// assert_eq!(scale_samples(&x, &c)?.to_vec2::<f32>()?, [[10.0, 20.0], [-3.0, -4.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless there is one factor per sample, [`Error`] naming `factors` if their dtype or device is not
/// that of x.
pub fn scale_samples<V: Value>(x: &V, factors: &V) -> Result<V> {
    let (primal, c) = (x.primal(), factors.primal());
    let batch = check::batch("x", primal)?;
    check::float("x", primal)?;
    check::same_kind("factors", c, "x", primal)?;
    if c.dims() != [batch] {
        let accepted = format!("({batch},), one factor per sample");
        return Err(Error::shape("factors", c.dims(), accepted));
    }
    // In 32 bits at least: the gradient of a factor is a sum.
    x.map_bilinear(factors, |x, c| {
        let column = shape::column(&shape::wide(c)?, x.rank())?;
        shape::cast(&shape::wide(x)?.broadcast_mul(&column)?, x.dtype())
    })
}
