//! The U-Net of diffusion policies.

mod config;
mod doubling;
mod mish;
mod residual;

use advect_core::{Error, Result, check};
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, Linear, Network, network_field};
use advect_ops::{Convolution, Value};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::block::Positional;
pub use config::UNet1dConfig;
use doubling::Doubling;
use mish::mish;
use residual::Residual;

/// The U-Net for sequences that diffusers calls `UNet1DModel`, with the blocks of diffusion policies (Janner et al.
/// 2022, appendix C): a [`Field`](advect_core::Field) on `(batch, channels, length)`.
///
/// Its parameters have the names and shapes of diffusers' state dicts, so that [`ParameterStore::load`](advect_nn::ParameterStore::load)
/// reads their files. Its time is the network's own: a step from 0 to T − 1.
///
/// The normalisations of its blocks have 8 groups, as diffusers' have whatever the configuration says; that of the last
/// block has the configured number.
#[doc(alias = "UNet1DModel")]
#[doc(alias = "diffusion policy")]
#[doc(alias = "Diffuser")]
#[derive(Debug, Clone)]
pub struct UNet1d {
    config: UNet1dConfig,
    time: Positional,
    time_layers: [Linear; 2],
    down: Vec<(Vec<Residual>, Option<ConvolutionLayer>)>,
    middle: Vec<Residual>,
    up: Vec<(Vec<Residual>, Doubling)>,
    last: [ConvolutionLayer; 2],
    norm: GroupNorm,
}

impl UNet1d {
    fn build(config: &UNet1dConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let widths = &config.widths;
        let (features, count) = (widths[0], widths.len());
        // One block that changes the number of channels, and as many more as there are layers.
        let blocks = |inputs, outputs, builder: &VarBuilder<'_>| -> Result<Vec<Residual>> {
            let block = |i: usize| {
                let inputs = if i == 0 { inputs } else { outputs };
                Residual::new(inputs, outputs, features, &builder.pp("resnets").pp(i))
            };
            (0..=config.layers).map(block).collect()
        };
        let (mut width, mut down) = (config.inputs, Vec::new());
        for (level, &outputs) in widths.iter().enumerate() {
            let builder = builder.pp("down_blocks").pp(level);
            let halving = match level + 1 < count {
                true => {
                    let halves = Convolution {
                        stride: [2, 2],
                        ..Convolution::padded(1)
                    };
                    let builder = builder.pp("downsample.conv");
                    let layer = ConvolutionLayer::new(outputs, outputs, &[3], halves, &builder)?;
                    Some(layer)
                }
                false => None,
            };
            down.push((blocks(width, outputs, &builder)?, halving));
            width = outputs;
        }
        let middle = blocks(width, width, &builder.pp("mid_block"))?;
        let mut up = Vec::new();
        for level in 0..count - 1 {
            let builder = builder.pp("up_blocks").pp(level);
            // The last one goes to the width of the first level; so does the one before.
            let outputs = match level + 2 < count {
                true => widths[count - 2 - level],
                false => features,
            };
            let doubling = Doubling::new(outputs, &builder.pp("upsample"))?;
            up.push((blocks(2 * width, outputs, &builder)?, doubling));
            width = outputs;
        }
        let layer = builder.pp("time_mlp");
        let out = builder.pp("out_block");
        let convolution = |outputs, side: usize, name| {
            let padded = Convolution::padded(side / 2);
            ConvolutionLayer::new(width, outputs, &[side], padded, &out.pp(name))
        };
        Ok(UNet1d {
            time: Positional::new(features, config.shift, config.cosines_first),
            time_layers: [
                Linear::new(features, 4 * features, &layer.pp("linear_1"))?,
                Linear::new(4 * features, features, &layer.pp("linear_2"))?,
            ],
            down,
            middle,
            up,
            last: [
                convolution(width, 5, "final_conv1d_1")?,
                convolution(config.outputs, 1, "final_conv1d_2")?,
            ],
            norm: GroupNorm::new(config.groups, width, &out.pp("final_conv1d_gn"))?,
            config: config.clone(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &UNet1dConfig {
        &self.config
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the cost: the number of parameters, and of operations for a sequence of the configured length.
    pub fn cost(&self) -> Cost {
        let size = &mut [self.config.length][..];
        let mut cost = self.time_layers[0].cost() + self.time_layers[1].cost();
        for (blocks, halving) in &self.down {
            cost = blocks
                .iter()
                .fold(cost, |cost, block| cost + block.cost(size));
            if let Some(halving) = halving {
                cost = cost + halving.cost(size);
            }
        }
        cost = (self.middle.iter()).fold(cost, |cost, block| cost + block.cost(size));
        for (blocks, doubling) in &self.up {
            cost = blocks
                .iter()
                .fold(cost, |cost, block| cost + block.cost(size));
            cost = cost + doubling.cost(size);
        }
        cost + self.last[0].cost(size) + self.norm.cost() + self.last[1].cost(size)
    }

    /// Checks sequences. Returns how many there are.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let batch = check::batch("x", x)?;
        let (inputs, most) = (self.config.inputs, 1 << (self.config.widths.len() - 1));
        let fits = |length: usize| length > 0 && length.is_multiple_of(most);
        if x.rank() != 3 || x.dims()[1] != inputs || !fits(x.dims()[2]) {
            let accepted = format!("(batch, {inputs}, length) with a length divisible by {most}");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check::same_kind("x", x, "the network", self.parameter())?;
        Ok(batch)
    }

    /// A parameter, for its dtype and device.
    fn parameter(&self) -> &Tensor {
        self.last[0].weight()
    }
}

impl Network for UNet1d {
    /// Returns the output. The network takes no condition.
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        let batch = self.check(x.primal())?;
        if condition.is_some() {
            let accepted = "no condition, as this network takes none";
            return Err(Error::range("condition", "a condition", accepted));
        }
        let features = self.time.of(t, x.primal())?;
        let features = mish(&self.time_layers[0].forward(&features)?)?;
        let features = mish(&self.time_layers[1].forward(&features)?)?;
        let features = match features.primal().dims() {
            &[1, count] if batch > 1 => {
                features.map_linear(|e| Ok(e.broadcast_as((batch, count))?.contiguous()?))?
            }
            _ => features,
        };
        let run = |blocks: &[Residual], h: V| {
            (blocks.iter()).try_fold(h, |h, block| block.forward(&h, &features))
        };
        let (mut h, mut skips) = (x.clone(), Vec::with_capacity(self.down.len()));
        for (blocks, halving) in &self.down {
            h = run(blocks, h)?;
            skips.push(h.clone());
            if let Some(halving) = halving {
                h = halving.forward(&h)?;
            }
        }
        h = run(&self.middle, h)?;
        for (blocks, doubling) in &self.up {
            if let Some(skip) = skips.pop() {
                h = V::concatenate(&[&h, &skip], 1)?;
            }
            h = doubling.forward(&run(blocks, h)?)?;
        }
        let h = self.last[0].forward(&h)?;
        let h = mish(&self.norm.forward(&h, Activation::Identity)?)?;
        self.last[1].forward(&h)
    }
}
network_field!(UNet1d);
