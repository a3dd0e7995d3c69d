//! The layers of a U-Net, which is a list of them.

use advect_core::{Key, Result};
use advect_ops::{Value, upsample_nearest};

use super::attention::Attention;
use crate::resample::Resample;
use crate::residual::Residual;
use advect_nn::{ConvolutionLayer, Cost};

/// A layer of a U-Net.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    Convolution(ConvolutionLayer),
    Residual(Box<Residual>),
    Attention(Attention),
    /// Doubles images, then convolves them.
    Upsample(ConvolutionLayer),
}

impl Layer {
    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        match self {
            Layer::Convolution(layer) => layer.forward(x),
            Layer::Residual(block) => block.forward(x, embedding, dropping),
            Layer::Attention(block) => block.forward(x),
            Layer::Upsample(layer) => layer.forward(&upsample_nearest(x, 2)?),
        }
    }

    /// Operations for a sample of some size, which is that of the value afterwards; and the number of parameters.
    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        match self {
            Layer::Convolution(layer) => layer.cost(size),
            Layer::Residual(block) => block.cost(size),
            Layer::Attention(block) => block.cost(size),
            Layer::Upsample(layer) => {
                Resample::Double.resize(size);
                layer.cost(size)
            }
        }
    }
}
