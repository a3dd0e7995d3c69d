//! A level on the way up.

use advect_core::Result;
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm};
use advect_ops::{Convolution, Value};
use candle_nn::VarBuilder;

use super::block_kind::{BlockKind, Resampling};
use super::config::UNet2dConfig;
use super::layer::Layer;
use crate::block::{Doubling, Resample, Residual, ResidualConfig};

/// Residual blocks onto what the way down left, perhaps with attention, and a doubling of the images.
#[derive(Debug, Clone)]
pub(super) struct Up {
    layers: Vec<Layer>,
    end: End,
    /// Whether the sum of the images is doubled here.
    skips: bool,
}

/// What doubles images for the next level.
#[derive(Debug, Clone)]
enum End {
    None,
    Convolution(Doubling),
    Residual(Box<Residual>),
    /// What is added to the sum of the images, and a residual block.
    Skip {
        norm: GroupNorm,
        out: ConvolutionLayer,
        residual: Box<Residual>,
    },
}

impl Up {
    /// `skips` are the numbers of channels that the way down left, the last of which is used first.
    pub(super) fn new(
        config: &UNet2dConfig,
        kind: BlockKind,
        inputs: usize,
        outputs: usize,
        is_last: bool,
        skips: &mut Vec<usize>,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let is_skip = kind.resampling == Resampling::Skip;
        let mut layers = Vec::new();
        for i in 0..=config.layers {
            let inputs = if i == 0 { inputs } else { outputs };
            let skip = skips.pop().unwrap_or(0);
            let residual = match is_skip {
                false => config.residual(inputs + skip, outputs),
                true => {
                    let mut residual = config.skipping(inputs + skip, outputs);
                    if kind.attends {
                        // So diffusers counts, and so they were trained.
                        residual.groups[0] = (inputs + skip / 4).min(32);
                    }
                    residual
                }
            };
            // Blocks that skip attend once, at the end.
            let attends = kind.attends && (!is_skip || i == config.layers);
            let mut layer = Layer::new(config, residual, false, is_skip, i, builder)?;
            if attends {
                let place = if is_skip { 0 } else { i };
                layer = layer.attending(config, outputs, is_skip, place, builder)?;
            }
            layers.push(layer);
        }
        let residual = |config, name| Residual::new(config, &builder.pp(name)).map(Box::new);
        let end = match kind.resampling {
            _ if is_last => End::None,
            Resampling::Convolution => {
                End::Convolution(Doubling::new(outputs, &builder.pp("upsamplers.0"))?)
            }
            Resampling::Residual => {
                let config = ResidualConfig {
                    resample: Resample::Double,
                    ..config.residual(outputs, outputs)
                };
                End::Residual(residual(config, "upsamplers.0")?)
            }
            Resampling::Skip => {
                let (padded, images) = (Convolution::padded(1), config.outputs);
                let out = builder.pp("skip_conv");
                let up = ResidualConfig {
                    resample: Resample::FirDouble,
                    projects: true,
                    ..config.skipping(outputs, outputs)
                };
                let norm = GroupNorm::new(up.groups[1], outputs, &builder.pp("skip_norm"))?;
                End::Skip {
                    norm: norm.epsilon(config.epsilon)?,
                    out: ConvolutionLayer::new(outputs, images, &[3, 3], padded, &out)?,
                    residual: residual(up, "resnet_up")?,
                }
            }
        };
        Ok(Up {
            layers,
            end,
            skips: is_skip,
        })
    }

    /// The value at h, and the sum of the images so far, made larger as the value is.
    pub(super) fn forward<V: Value>(
        &self,
        mut h: V,
        images: Option<V>,
        features: &V,
        skips: &mut Vec<V>,
    ) -> Result<(V, Option<V>)> {
        for layer in &self.layers {
            if let Some(skip) = skips.pop() {
                h = V::concatenate(&[&h, &skip], 1)?;
            }
            h = layer.forward(&h, features)?;
        }
        let images = match images {
            Some(images) if self.skips => Some(Resample::FirDouble.apply(&images)?),
            images => images,
        };
        match &self.end {
            End::None => Ok((h, images)),
            End::Convolution(layer) => Ok((layer.forward(&h)?, images)),
            End::Residual(block) => Ok((block.forward(&h, Some(features))?, images)),
            End::Skip {
                norm,
                out,
                residual,
            } => {
                let part = norm.forward(&h, Activation::Silu)?;
                let images = match images {
                    Some(images) => out.forward_onto(&part, &images)?,
                    None => out.forward(&part)?,
                };
                Ok((residual.forward(&h, Some(features))?, Some(images)))
            }
        }
    }

    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let layers = self.layers.iter();
        let cost = layers.fold(Cost::default(), |cost, layer| cost + layer.cost(size));
        cost + match &self.end {
            End::None => Cost::default(),
            End::Convolution(layer) => layer.cost(size),
            End::Residual(block) => block.cost(size),
            End::Skip {
                norm,
                out,
                residual,
            } => norm.cost() + out.cost(&mut size.to_vec()) + residual.cost(size),
        }
    }
}
