//! Adaptive layer normalisation.

use advect_core::Result;
use advect_ops::{Value, layer_norm};

/// Returns the layer-normalised x, `(batch, ..., width)`, times `1 + scale`, plus `shift`; both are `(width,)` or
/// `(batch, width)`, as [`Modulation`](crate::Modulation) gives them (Peebles and Xie 2023, section 3.2).
///
/// ```
/// use advect_nn::adaptive_layer_norm;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 3.0]], &Device::Cpu)?;
/// let (scale, shift) = (Tensor::new(&[0f64, 9.0], &Device::Cpu)?, Tensor::new(&[0.5f64, 0.0], &Device::Cpu)?);
/// assert_eq!(adaptive_layer_norm(&x, &scale, &shift, 0.0)?.to_vec2::<f64>()?, [[-0.5, 10.0]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`layer_norm`].
#[doc(alias = "AdaLN")]
#[doc(alias = "modulate")]
pub fn adaptive_layer_norm<V: Value>(x: &V, scale: &V, shift: &V, epsilon: f64) -> Result<V> {
    let factor = scale.plus_number(1.0)?;
    layer_norm(x, &factor, shift, epsilon)
}
