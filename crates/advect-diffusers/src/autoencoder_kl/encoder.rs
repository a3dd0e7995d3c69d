//! The encoder, from images to the moments of latents.

use advect_core::Result;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm};
use advect_ops::{Convolution, Value};
use candle_nn::VarBuilder;

use super::config::{AutoencoderKlConfig, EPSILON};
use super::middle::Middle;
use crate::block::{Halving, Residual};

/// Levels of residual blocks, each of which but the last halves images.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    entry: ConvolutionLayer,
    levels: Vec<(Vec<Residual>, Option<Halving>)>,
    middle: Middle,
    norm: GroupNorm,
    out: ConvolutionLayer,
}

impl Encoder {
    pub(super) fn new(config: &AutoencoderKlConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let convolution = |inputs, outputs, name| {
            let padded = Convolution::padded(1);
            ConvolutionLayer::new(inputs, outputs, &[3, 3], padded, &builder.pp(name))
        };
        let (mut width, mut levels) = (config.widths[0], Vec::new());
        let entry = convolution(config.inputs, width, "conv_in")?;
        for (level, &outputs) in config.widths.iter().enumerate() {
            let builder = builder.pp("down_blocks").pp(level);
            let mut blocks = Vec::with_capacity(config.layers);
            for i in 0..config.layers {
                let block = config.residual(width, outputs);
                blocks.push(Residual::new(block, &builder.pp("resnets").pp(i))?);
                width = outputs;
            }
            let halving = match level + 1 < config.widths.len() {
                true => Some(Halving::new(width, 0, &builder.pp("downsamplers.0"))?),
                false => None,
            };
            levels.push((blocks, halving));
        }
        let norm = GroupNorm::new(config.groups, width, &builder.pp("conv_norm_out"))?;
        Ok(Encoder {
            entry,
            levels,
            middle: Middle::new(config, width, &builder.pp("mid_block"))?,
            norm: norm.epsilon(EPSILON)?,
            out: convolution(width, 2 * config.latents, "conv_out")?,
        })
    }

    pub(super) fn forward<V: Value>(&self, x: &V) -> Result<V> {
        let mut h = self.entry.forward(x)?;
        for (blocks, halving) in &self.levels {
            for block in blocks {
                h = block.forward(&h, None)?;
            }
            if let Some(halving) = halving {
                h = halving.forward(&h)?;
            }
        }
        let h = self
            .norm
            .forward(&self.middle.forward(&h)?, Activation::Silu)?;
        self.out.forward(&h)
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let mut cost = self.entry.cost(size);
        for (blocks, halving) in &self.levels {
            for block in blocks {
                cost = cost + block.cost(size);
            }
            if let Some(halving) = halving {
                cost = cost + halving.cost(size);
            }
        }
        cost + self.middle.cost(size) + self.norm.cost() + self.out.cost(size)
    }
}
