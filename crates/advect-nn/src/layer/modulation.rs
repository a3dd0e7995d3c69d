//! Factors and terms for the columns of tokens, from features of time and condition.

use advect_core::{Error, Result, check};
use advect_ops::Value;

use crate::{Cost, Linear};

/// A linear layer whose outputs are several rows of the width of tokens: the shifts, scales and gates of adaptive layer
/// normalisation (Peebles and Xie 2023, section 3.2).
///
/// ```
/// use advect_core::Key;
/// use advect_nn::{Linear, Modulation, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let modulation = Modulation::new(Linear::zero(8, 3 * 4, &store.builder())?, 3)?;
/// let features = Tensor::ones((2, 8), DType::F32, &Device::Cpu)?;
/// let [shift, scale, gate] = modulation.forward(&features)?.try_into().unwrap();
/// assert_eq!((shift.dims(), scale.dims(), gate.dims()), (&[2, 4][..], &[2, 4][..], &[2, 4][..]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "adaLN-Zero")]
#[doc(alias = "AdaLayerNormZero")]
#[derive(Debug, Clone)]
pub struct Modulation {
    linear: Linear,
    parts: usize,
}

impl Modulation {
    /// Creates the modulation whose parts are those of the outputs of a layer, one after the other.
    ///
    /// # Errors
    /// [`Error::Range`] unless the number of parts divides that of outputs.
    pub fn new(linear: Linear, parts: usize) -> Result<Self> {
        check::at_least_one("parts", parts)?;
        let outputs = linear.bias().elem_count();
        match outputs.is_multiple_of(parts) {
            true => Ok(Modulation { linear, parts }),
            false => {
                let accepted = format!("a divisor of {outputs}, the outputs of the layer");
                Err(Error::range("parts", parts, accepted))
            }
        }
    }

    /// Returns the parts, given features `(batch, inputs)`: each `(batch, width)`, or `(width,)` if the batch is 1, so
    /// that they are shared.
    ///
    /// # Errors
    /// [`Error::Shape`] naming `features` unless they are `(batch, inputs)`; errors of [`advect_ops::linear`].
    pub fn forward<V: Value>(&self, features: &V) -> Result<Vec<V>> {
        let all = self.linear.forward(features)?;
        let &[batch, outputs] = all.primal().dims() else {
            let accepted = "(batch, inputs)";
            return Err(Error::shape("features", features.primal().dims(), accepted));
        };
        let width = outputs / self.parts;
        let part = |i: usize| {
            all.map_linear(|x| {
                let part = x.narrow(1, i * width, width)?;
                match batch {
                    1 => Ok(part.squeeze(0)?),
                    _ => Ok(part),
                }
            })
        };
        (0..self.parts).map(part).collect()
    }

    /// Returns the layer.
    pub fn linear(&self) -> &Linear {
        &self.linear
    }

    /// Returns the cost: the numbers of parameters and of operations.
    pub fn cost(&self) -> Cost {
        self.linear.cost()
    }
}
