//! The way down.

use advect_core::{Key, Result};
use advect_nn::{ConvolutionLayer, Cost, ResamplingFilter};
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::block::Block;
use super::law::Place;
use super::plan::Down;
use super::settings::Settings;
use super::style::Style;
use crate::resample::Resample;
use crate::residual::scaled;

/// A layer of a plan, with its parameters.
#[derive(Debug, Clone)]
enum Layer {
    Entry(ConvolutionLayer),
    Block(Box<Block>),
    HalveBeside,
    AddBeside(ConvolutionLayer),
    ReplaceBeside(ConvolutionLayer),
}

/// The layers from images to the smallest feature maps.
#[derive(Debug, Clone)]
pub(super) struct Encoder {
    layers: Vec<Layer>,
    filter: ResamplingFilter,
}

impl Encoder {
    pub(super) fn new(
        plan: &[(String, Down)],
        settings: &Settings,
        style: &Style,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(plan.len());
        for (name, layer) in plan {
            let here = builder.pp(name);
            let convolution = |ends, side, more| {
                let law = style.law;
                law.convolution(Place::Inner, ends, side, more, &here)
            };
            layers.push(match *layer {
                Down::Entry(ends) => Layer::Entry(convolution(ends, 3, 0)?),
                Down::Block(plan) => {
                    Layer::Block(Box::new(Block::new(plan, settings, style, &here)?))
                }
                Down::HalveBeside => {
                    style.register(Resample::Halve, &here)?;
                    Layer::HalveBeside
                }
                Down::AddBeside(ends) => Layer::AddBeside(convolution(ends, 1, 0)?),
                Down::ReplaceBeside(ends) => {
                    style.register(Resample::Halve, &here)?;
                    Layer::ReplaceBeside(convolution(ends, 3, style.filter.padding())?)
                }
            });
        }
        let filter = style.filter.clone();
        Ok(Encoder { layers, filter })
    }

    /// The values of the first convolution and of all blocks at images x.
    pub(super) fn forward<V: Value>(
        &self,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<Vec<V>> {
        let (mut h, mut beside) = (x.clone(), x.clone());
        let mut values = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            match layer {
                Layer::Entry(convolution) => h = convolution.forward(&h)?,
                Layer::Block(block) => h = block.forward(&h, embedding, dropping)?,
                Layer::HalveBeside => {
                    beside = self.filter.halve(&beside)?;
                    continue;
                }
                Layer::AddBeside(convolution) => {
                    h = convolution.forward_onto(&beside, &h)?;
                    values.pop();
                }
                Layer::ReplaceBeside(convolution) => {
                    let branch = self.filter.halve_padded(&convolution.forward(&beside)?)?;
                    h = scaled(h.plus(&branch)?, 0.5f64.sqrt())?;
                    beside = h.clone();
                    values.pop();
                }
            }
            values.push(h.clone());
        }
        Ok(values)
    }

    /// The cost for a sample of a size, which becomes the size of the last value.
    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let mut sum = Cost::default();
        for layer in &self.layers {
            let mut same = size.to_vec();
            sum = sum
                + match layer {
                    Layer::Entry(convolution) | Layer::AddBeside(convolution) => {
                        convolution.cost(&mut same)
                    }
                    Layer::Block(block) => block.cost(size),
                    Layer::HalveBeside => Cost::default(),
                    Layer::ReplaceBeside(convolution) => {
                        Resample::Double.resize(&mut same);
                        convolution.cost(&mut same)
                    }
                };
        }
        sum
    }
}
