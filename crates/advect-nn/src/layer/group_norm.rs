//! Group normalisation as a layer.

use advect_core::{Error, Result, check};
use advect_ops::{Activation, Value, group_norm};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::Cost;

/// A group normalisation of `(batch, channels, ...)` with a learned scale, initially 1, and a learned shift, initially
/// 0.
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Activation, GroupNorm, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let norm = GroupNorm::new(1, 2, &store.builder())?;
/// let x = Tensor::new(&[[[1f64], [3.0]]], &Device::Cpu)?;
/// let y = norm.forward(&x, Activation::Identity)?.flatten_all()?.to_vec1::<f64>()?;
/// assert!((y[0] + 1.0).abs() < 1e-5 && (y[1] - 1.0).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "normalization")]
#[derive(Debug, Clone)]
pub struct GroupNorm {
    scale: Tensor,
    shift: Tensor,
    groups: usize,
    /// The number that is added to variances.
    epsilon: f64,
}

impl GroupNorm {
    /// Creates a layer with parameters `weight` and `bias`, `(channels,)`; the names are PyTorch's.
    ///
    /// # Errors
    /// [`Error::Range`] unless the groups divide the channels; errors of the builder.
    pub fn new(groups: usize, channels: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        if groups == 0 || channels == 0 || !channels.is_multiple_of(groups) {
            let accepted = format!("a divisor of the number of channels, {channels}");
            return Err(Error::range("groups", groups, accepted));
        }
        Ok(GroupNorm {
            scale: builder.get_with_hints(channels, "weight", candle_nn::init::ONE)?,
            shift: builder.get_with_hints(channels, "bias", candle_nn::init::ZERO)?,
            groups,
            epsilon: 1e-5,
        })
    }

    /// Sets the number that is added to variances: 1e-5 by default, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is finite and above 0.
    #[doc(alias = "eps")]
    pub fn epsilon(self, epsilon: f64) -> Result<Self> {
        Ok(GroupNorm {
            epsilon: check::positive("epsilon", epsilon)?,
            ..self
        })
    }

    /// Returns an activation of the normalised x.
    ///
    /// # Errors
    /// Errors of [`group_norm`].
    pub fn forward<V: Value>(&self, x: &V, activation: Activation) -> Result<V> {
        let (scale, shift) = (self.scale.clone(), self.shift.clone());
        let (scale, shift) = (V::constant(scale), V::constant(shift));
        group_norm(x, self.groups, &scale, &shift, self.epsilon, activation)
    }

    /// Returns an activation of the normalised x times `1 + scale`, plus `shift`, both `(batch, channels)`: adaptive
    /// group normalisation (Dhariwal and Nichol 2021, section 3.1).
    ///
    /// # Errors
    /// Errors of [`group_norm`].
    #[doc(alias = "AdaGN")]
    #[doc(alias = "FiLM")]
    #[doc(alias = "scale_shift_norm")]
    pub fn adaptive<V: Value>(
        &self,
        x: &V,
        scale: &V,
        shift: &V,
        activation: Activation,
    ) -> Result<V> {
        // (w n + b) (1 + s) + h = w (1 + s) n + b (1 + s) + h
        let factor = scale.plus_number(1.0)?;
        let scale = factor.times(&V::constant(self.scale.clone()))?;
        let shift = factor
            .times(&V::constant(self.shift.clone()))?
            .plus(shift)?;
        group_norm(x, self.groups, &scale, &shift, self.epsilon, activation)
    }

    /// Returns the cost: the number of parameters. Its operations are not counted.
    pub fn cost(&self) -> Cost {
        Cost::of(self.scale.elem_count() + self.shift.elem_count(), 0, 0)
    }
}
