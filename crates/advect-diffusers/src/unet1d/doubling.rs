//! Doubling of sequences by a transposed convolution.

use advect_core::Result;
use advect_nn::Cost;
use advect_ops::{Convolution, Value, conv1d};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

/// The transposed convolution with four weights and steps of two: `y_(2m) = w_1 x_m + w_3 x_(m−1) + b`, `y_(2m+1) = w_2
/// x_m + w_0 x_(m+1) + b`.
#[derive(Debug, Clone)]
pub(super) struct Doubling {
    /// `(channels, channels, 4)`, inputs first.
    weight: Tensor,
    bias: Tensor,
}

impl Doubling {
    /// Creates a layer with parameters `conv.…`, which begin as PyTorch's do.
    pub(super) fn new(channels: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let builder = builder.pp("conv");
        let bound = 1.0 / (4.0 * channels as f64).sqrt();
        let init = Init::Uniform {
            lo: -bound,
            up: bound,
        };
        Ok(Doubling {
            weight: builder.get_with_hints((channels, channels, 4), "weight", init)?,
            bias: builder.get_with_hints(channels, "bias", init)?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        // Two convolutions over (x_(m−1), x_m, x_(m+1)), whose values take turns.
        let place = |k: usize| self.weight.narrow(2, k, 1);
        let none = place(0)?.zeros_like()?;
        let even = Tensor::cat(&[&place(3)?, &place(1)?, &none], 2)?;
        let odd = Tensor::cat(&[&none, &place(2)?, &place(0)?], 2)?;
        let weight = Tensor::cat(&[&even, &odd], 1)?
            .transpose(0, 1)?
            .contiguous()?;
        let bias = Tensor::cat(&[&self.bias, &self.bias], 0)?;
        let y = conv1d(x, &weight, Some(&bias), &Convolution::padded(1))?;
        y.map_linear(|y| {
            let (batch, channels, length) = y.dims3()?;
            let y = y.reshape((batch, 2, channels / 2, length))?;
            let y = y.permute((0, 2, 3, 1))?.contiguous()?;
            Ok(y.reshape((batch, channels / 2, 2 * length))?)
        })
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let length = size.iter_mut().next();
        let (weights, mut places) = (self.weight.elem_count(), 0);
        if let Some(length) = length {
            places = *length;
            *length = length.saturating_mul(2);
        }
        Cost::of(weights + self.bias.elem_count(), weights, places)
    }
}
