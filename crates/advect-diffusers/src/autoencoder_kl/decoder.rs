//! The decoder, from latents to images.

use advect_core::Result;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm};
use advect_ops::{Convolution, Value};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::config::{AutoencoderKlConfig, EPSILON};
use super::middle::Middle;
use crate::block::{Doubling, Residual};

/// Levels of residual blocks, each of which but the last doubles images.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    entry: ConvolutionLayer,
    middle: Middle,
    levels: Vec<(Vec<Residual>, Option<Doubling>)>,
    norm: GroupNorm,
    out: ConvolutionLayer,
}

impl Decoder {
    pub(super) fn new(config: &AutoencoderKlConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let convolution = |inputs, outputs, name| {
            let padded = Convolution::padded(1);
            ConvolutionLayer::new(inputs, outputs, &[3, 3], padded, &builder.pp(name))
        };
        let count = config.widths.len();
        let (mut width, mut levels) = (config.widths[count - 1], Vec::new());
        let entry = convolution(config.latents, width, "conv_in")?;
        let middle = Middle::new(config, width, &builder.pp("mid_block"))?;
        for (level, &outputs) in config.widths.iter().rev().enumerate() {
            let builder = builder.pp("up_blocks").pp(level);
            let mut blocks = Vec::with_capacity(config.layers + 1);
            for i in 0..=config.layers {
                let block = config.residual(width, outputs);
                blocks.push(Residual::new(block, &builder.pp("resnets").pp(i))?);
                width = outputs;
            }
            let doubling = match level + 1 < count {
                true => Some(Doubling::new(width, &builder.pp("upsamplers.0"))?),
                false => None,
            };
            levels.push((blocks, doubling));
        }
        let norm = GroupNorm::new(config.groups, width, &builder.pp("conv_norm_out"))?;
        Ok(Decoder {
            entry,
            middle,
            levels,
            norm: norm.epsilon(EPSILON)?,
            out: convolution(width, config.outputs, "conv_out")?,
        })
    }

    pub(super) fn forward<V: Value>(&self, z: &V) -> Result<V> {
        let mut h = self.middle.forward(&self.entry.forward(z)?)?;
        for (blocks, doubling) in &self.levels {
            for block in blocks {
                h = block.forward(&h, None)?;
            }
            if let Some(doubling) = doubling {
                h = doubling.forward(&h)?;
            }
        }
        self.out.forward(&self.norm.forward(&h, Activation::Silu)?)
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let mut cost = self.entry.cost(size) + self.middle.cost(size);
        for (blocks, doubling) in &self.levels {
            for block in blocks {
                cost = cost + block.cost(size);
            }
            if let Some(doubling) = doubling {
                cost = cost + doubling.cost(size);
            }
        }
        cost + self.norm.cost() + self.out.cost(size)
    }

    /// A parameter, for its dtype and device.
    pub(super) fn parameter(&self) -> &Tensor {
        self.out.weight()
    }
}
