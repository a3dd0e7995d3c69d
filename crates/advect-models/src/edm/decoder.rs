//! The way up.

use advect_core::{Key, Result};
use advect_nn::{Activation, ConvolutionLayer, Cost, GroupNorm, ResamplingFilter};
use advect_ops::Value;
use candle_nn::VarBuilder;

use super::block::Block;
use super::law::Place;
use super::plan::Up;
use super::settings::Settings;
use super::style::Style;
use crate::resample::Resample;

/// A layer of a plan, with its parameters.
#[derive(Debug, Clone)]
enum Layer {
    Block(Box<Block>),
    Join(Box<Block>),
    DoubleOutput,
    Head(GroupNorm, ConvolutionLayer),
}

/// The layers from the smallest feature maps to the output.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    layers: Vec<Layer>,
    filter: ResamplingFilter,
}

impl Decoder {
    pub(super) fn new(
        plan: &[(String, Up)],
        settings: &Settings,
        style: &Style,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(plan.len());
        for (name, layer) in plan {
            let here = builder.pp(name);
            let block = |plan| -> Result<Box<Block>> {
                Ok(Box::new(Block::new(plan, settings, style, &here)?))
            };
            layers.push(match *layer {
                Up::Block(plan) => Layer::Block(block(plan)?),
                Up::Join(plan) => Layer::Join(block(plan)?),
                Up::DoubleOutput => {
                    style.register(Resample::Double, &here)?;
                    Layer::DoubleOutput
                }
                Up::Head(inputs) => {
                    let [norm, last] =
                        ["norm", "conv"].map(|end| builder.pp(format!("{name}{end}")));
                    let (law, ends) = (style.law, [inputs, settings.outputs]);
                    let last = law.convolution(Place::Last, ends, 3, 0, &last)?;
                    Layer::Head(style.norm(inputs, &norm)?, last)
                }
            });
        }
        let filter = style.filter.clone();
        Ok(Decoder { layers, filter })
    }

    /// The output, given what the encoder's layers are worth.
    pub(super) fn forward<V: Value>(
        &self,
        mut values: Vec<V>,
        x: &V,
        embedding: &V,
        dropping: Option<Key>,
    ) -> Result<V> {
        let mut h = values.last().unwrap_or(x).clone();
        let mut output: Option<V> = None;
        for layer in &self.layers {
            match layer {
                Layer::Block(block) => h = block.forward(&h, embedding, dropping)?,
                Layer::Join(block) => {
                    if let Some(skip) = values.pop() {
                        h = V::concatenate(&[&h, &skip], 1)?;
                    }
                    h = block.forward(&h, embedding, dropping)?;
                }
                Layer::DoubleOutput => {
                    let doubled = output.map(|y| self.filter.double(&y));
                    output = doubled.transpose()?;
                }
                Layer::Head(norm, convolution) => {
                    let normal = norm.forward(&h, Activation::Silu)?;
                    output = Some(match output {
                        Some(output) => convolution.forward_onto(&normal, &output)?,
                        None => convolution.forward(&normal)?,
                    });
                }
            }
        }
        Ok(output.unwrap_or(h))
    }

    /// The cost for a sample whose smallest feature maps have a size, which becomes the size of the output.
    pub(super) fn cost(&self, size: &mut [usize]) -> Cost {
        let mut sum = Cost::default();
        for layer in &self.layers {
            let mut same = size.to_vec();
            sum = sum
                + match layer {
                    Layer::Block(block) | Layer::Join(block) => block.cost(size),
                    Layer::DoubleOutput => Cost::default(),
                    Layer::Head(norm, convolution) => norm.cost() + convolution.cost(&mut same),
                };
        }
        sum
    }
}
