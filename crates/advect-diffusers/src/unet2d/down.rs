//! A level on the way down.

use advect_core::Result;
use advect_nn::{ConvolutionLayer, Cost};
use advect_ops::{Convolution, Value};
use candle_nn::VarBuilder;

use super::block_kind::{BlockKind, Resampling};
use super::config::UNet2dConfig;
use super::layer::Layer;
use crate::block::{Halving, Resample, Residual, ResidualConfig};

/// Residual blocks, perhaps with attention, and a halving of the images.
#[derive(Debug, Clone)]
pub(super) struct Down {
    layers: Vec<Layer>,
    end: End,
}

/// What halves images for the next level.
#[derive(Debug, Clone)]
enum End {
    None,
    Convolution(Halving),
    Residual(Box<Residual>),
    /// A residual block, and what is added of the images themselves.
    Skip(Box<Residual>, ConvolutionLayer),
}

impl Down {
    pub(super) fn new(
        config: &UNet2dConfig,
        kind: BlockKind,
        inputs: usize,
        outputs: usize,
        is_last: bool,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let skips = kind.resampling == Resampling::Skip;
        let layer = |i: usize| {
            let inputs = if i == 0 { inputs } else { outputs };
            let residual = match skips {
                true => config.skipping(inputs, outputs),
                false => config.residual(inputs, outputs),
            };
            Layer::new(config, residual, kind.attends, skips, i, builder)
        };
        let layers = (0..config.layers).map(layer).collect::<Result<_>>()?;
        let residual = |config, name| Residual::new(config, &builder.pp(name)).map(Box::new);
        let end = match kind.resampling {
            _ if is_last => End::None,
            Resampling::Convolution => {
                let builder = builder.pp("downsamplers.0");
                End::Convolution(Halving::new(outputs, config.padding, &builder)?)
            }
            Resampling::Residual => {
                let config = ResidualConfig {
                    resample: Resample::Halve,
                    ..config.residual(outputs, outputs)
                };
                End::Residual(residual(config, "downsamplers.0")?)
            }
            Resampling::Skip => {
                let plain = Convolution::padded(0);
                let skip = builder.pp("skip_conv");
                let skip = ConvolutionLayer::new(config.inputs, outputs, &[1, 1], plain, &skip)?;
                let config = ResidualConfig {
                    resample: Resample::FirHalve,
                    projects: true,
                    ..config.skipping(outputs, outputs)
                };
                End::Skip(residual(config, "resnet_down")?, skip)
            }
        };
        Ok(Down { layers, end })
    }

    /// The value at h, and the images, made smaller as the value is. Values for the way up go to `skips`.
    pub(super) fn forward<V: Value>(
        &self,
        mut h: V,
        images: V,
        features: &V,
        skips: &mut Vec<V>,
    ) -> Result<(V, V)> {
        for layer in &self.layers {
            h = layer.forward(&h, features)?;
            skips.push(h.clone());
        }
        let (h, images) = match &self.end {
            End::None => return Ok((h, images)),
            End::Convolution(layer) => (layer.forward(&h)?, images),
            End::Residual(block) => (block.forward(&h, Some(features))?, images),
            End::Skip(block, skip) => {
                let images = Resample::FirHalve.apply(&images)?;
                let h = block.forward(&h, Some(features))?;
                (skip.forward_onto(&images, &h)?, images)
            }
        };
        skips.push(h.clone());
        Ok((h, images))
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let layers = self.layers.iter();
        let cost = layers.fold(Cost::default(), |cost, layer| cost + layer.cost(size));
        cost + match &self.end {
            End::None => Cost::default(),
            End::Convolution(layer) => layer.cost(size),
            End::Residual(block) => block.cost(size),
            End::Skip(block, skip) => block.cost(size) + skip.cost(size),
        }
    }
}
