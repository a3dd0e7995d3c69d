//! Convolutions and pools of Inception-v3.

use advect_core::Result;
use advect_nn::buffer;
use advect_ops::{Convolution, conv2d};
use candle_core::{DType, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::ZERO;

/// The number that is added to variances.
const EPSILON: f64 = 1e-3;

/// A convolution without a bias, a batch normalisation by stored moments, which becomes part of its weights, and a ReLU.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    weight: Tensor,
    bias: Tensor,
    convolution: Convolution,
}

impl Layer {
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        kernel: [usize; 2],
        convolution: Convolution,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let weight = zeros(
            (outputs, inputs, kernel[0], kernel[1]),
            "conv.weight",
            builder,
        )?;
        let scale = zeros(outputs, "bn.weight", builder)?;
        let shift = zeros(outputs, "bn.bias", builder)?;
        let mean = buffer(outputs, "bn.running_mean", ZERO, builder)?;
        let variance = buffer(outputs, "bn.running_var", ZERO, builder)?;
        let factor = (scale / (variance + EPSILON)?.sqrt()?)?;
        Ok(Layer {
            weight: weight.broadcast_mul(&factor.reshape((outputs, 1, 1, 1))?)?,
            bias: (shift - (mean * factor)?)?,
            convolution,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(conv2d(x, &self.weight, Some(&self.bias), &self.convolution)?.relu()?)
    }
}

/// A parameter that a file will fill.
pub(super) fn zeros(
    shape: impl Into<Shape>,
    name: &str,
    builder: &VarBuilder<'_>,
) -> Result<Tensor> {
    Ok(builder.get_with_hints(shape, name, ZERO)?.detach())
}

/// The largest of 3 × 3 pixels, in steps of two.
pub(super) fn max_pool(x: &Tensor) -> Result<Tensor> {
    Ok(x.max_pool2d_with_stride(3, 2)?)
}

/// The largest of the 3 × 3 pixels around each.
pub(super) fn max_around(x: &Tensor) -> Result<Tensor> {
    let padded = x.pad_with_same(2, 1, 1)?.pad_with_same(3, 1, 1)?;
    Ok(padded.max_pool2d_with_stride(3, 1)?)
}

/// The mean of those of the 3 × 3 pixels around each that are in the image.
pub(super) fn mean_around(x: &Tensor) -> Result<Tensor> {
    let padded = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
    // candle's mean has zeros beyond the edges among its nine pixels.
    let inside = |side: usize| -> Result<Tensor> {
        let counts = (0..side).map(|i| 1 + usize::from(i > 0) + usize::from(i + 1 < side));
        let factors: Vec<f64> = counts.map(|count| 3.0 / count as f64).collect();
        Ok(Tensor::from_vec(factors, side, x.device())?.to_dtype(DType::F32)?)
    };
    let (_, _, height, width) = x.dims4()?;
    let factors = inside(height)?
        .unsqueeze(1)?
        .broadcast_mul(&inside(width)?.unsqueeze(0)?)?;
    Ok(padded
        .avg_pool2d_with_stride(3, 1)?
        .broadcast_mul(&factors)?)
}
