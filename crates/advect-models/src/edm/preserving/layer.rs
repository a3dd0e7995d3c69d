//! Convolutions and fully connected layers with weights of unit length (Karras et al. 2024, eq. 47).

use advect_core::{Result, check};
use advect_nn::Cost;
use advect_ops::{Activation, Convolution, Value, conv2d, conv2d_onto, linear};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use super::normalize::normalized;

/// A convolution that keeps the size of images, or a fully connected layer. It has no bias, and the weights of each output are divided by
/// their length.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// `(outputs, inputs)` or `(outputs, inputs, side, side)`.
    weight: Tensor,
}

impl Layer {
    /// A fully connected layer.
    pub(super) fn linear(inputs: usize, outputs: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        Layer::new(&[outputs, inputs], builder)
    }

    /// A convolution with a kernel of `side × side`.
    pub(super) fn convolution(
        inputs: usize,
        outputs: usize,
        side: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        Layer::new(&[outputs, inputs, side, side], builder)
    }

    fn new(shape: &[usize], builder: &VarBuilder<'_>) -> Result<Self> {
        check::at_least_one("outputs", shape[0])?;
        check::at_least_one("inputs", shape[1])?;
        let normal = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        let weight = builder.get_with_hints(shape, "weight", normal)?;
        Ok(Layer { weight })
    }

    /// The weights, those of each output with this length.
    pub(super) fn weight_of_length(&self, gain: f64) -> Result<Tensor> {
        let rows = self.weight.flatten_from(1)?;
        let length = (rows.dims()[1] as f64).sqrt();
        let rows = normalized(&rows, 1, gain / length)?;
        Ok(rows.reshape(self.weight.shape())?)
    }

    /// `gain` times the layer's value at images or rows.
    pub(super) fn forward<V: Value>(&self, x: &V, gain: f64) -> Result<V> {
        let weight = self.weight_of_length(gain)?;
        match self.weight.rank() {
            2 => linear(x, &weight, None, Activation::Identity),
            _ => conv2d(x, &weight, None, &self.padded()),
        }
    }

    /// `gain` times a convolution's value at images, added to other images.
    pub(super) fn forward_onto<V: Value>(&self, x: &V, gain: f64, onto: &V) -> Result<V> {
        let weight = self.weight_of_length(gain)?;
        conv2d_onto(x, &weight, None, &self.padded(), onto)
    }

    fn padded(&self) -> Convolution {
        Convolution::padded(self.weight.dims()[2] / 2)
    }

    /// The weights as they are stored.
    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The cost at a number of pixels.
    pub(super) fn cost(&self, pixels: usize) -> Cost {
        let weights = self.weight.elem_count();
        Cost::of(weights, weights, pixels)
    }
}
