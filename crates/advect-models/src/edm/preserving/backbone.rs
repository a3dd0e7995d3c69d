//! The way down and up.

use advect_core::{Error, Key, Result, check};
use advect_nn::Cost;
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_nn::init::ZERO;

use super::arithmetic::concatenated;
use super::block::{Block, Flavor};
use super::layer::Layer;
use super::mapping::Mapping;
use super::style::Style;
use crate::edm::classes::Classes;
use crate::edm::plan::{Down, Plan, Up};
use crate::edm::settings::Settings;
use crate::limits::check_halving;

/// A U-Net, and how it is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Backbone {
    mapping: Mapping,
    entry: Layer,
    encoder: Vec<Block>,
    /// Blocks, and whether they get the value of a layer of the encoder.
    decoder: Vec<(Block, bool)>,
    head: Layer,
    /// The factor of the output, a scalar.
    gain: Tensor,
    /// How much the values of the encoder count beside those of the decoder.
    balance: f64,
    images: usize,
    resolution: usize,
    levels: usize,
    pub(super) dropping: Option<Key>,
}

impl Backbone {
    pub(super) fn new(
        settings: &Settings,
        plan: &Plan,
        style: Style,
        balance: f64,
        mapping: Mapping,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let block =
            |flavor, plan, name: &str| Block::new(flavor, plan, settings, style, &builder.pp(name));
        let (mut entry, mut encoder) = (None, Vec::new());
        for (name, layer) in &plan.encoder {
            match *layer {
                // A channel of ones makes up for biases.
                Down::Entry([images, outputs]) => {
                    let here = builder.pp(name);
                    entry = Some(Layer::convolution(images + 1, outputs, 3, &here)?);
                }
                Down::Block(plan) => encoder.push(block(Flavor::Encoder, plan, name)?),
                _ => {}
            }
        }
        let (mut head, mut decoder) = (None, Vec::new());
        for (name, layer) in &plan.decoder {
            match *layer {
                Up::Block(plan) => decoder.push((block(Flavor::Decoder, plan, name)?, false)),
                Up::Join(plan) => decoder.push((block(Flavor::Decoder, plan, name)?, true)),
                Up::Head(inputs) => {
                    let here = builder.pp(format!("{name}conv"));
                    head = Some(Layer::convolution(inputs, settings.outputs, 3, &here)?);
                }
                Up::DoubleOutput => {}
            }
        }
        let (Some(entry), Some(head)) = (entry, head) else {
            let argument = "multipliers".into();
            return Err(Error::Empty { argument });
        };
        Ok(Backbone {
            mapping,
            entry,
            encoder,
            decoder,
            head,
            gain: builder.get_with_hints((), "out_gain", ZERO)?,
            balance,
            images: settings.images,
            resolution: settings.resolution,
            levels: settings.multipliers.len(),
            dropping: None,
        })
    }

    pub(super) fn forward<V: Value>(&self, noise: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
        self.check(x.primal())?;
        let embedding = self.mapping.of(noise, x.primal(), labels, self.dropping)?;
        let ones = V::constant(x.primal().narrow(1, 0, 1)?.ones_like()?);
        let mut h = self.entry.forward(&V::concatenate(&[x, &ones], 1)?, 1.0)?;
        let mut values = vec![h.clone()];
        for block in &self.encoder {
            h = block.forward(&h, &embedding, self.dropping)?;
            values.push(h.clone());
        }
        for (block, joins) in &self.decoder {
            if let Some(value) = joins.then(|| values.pop()).flatten() {
                h = concatenated(&h, &value, self.balance)?;
            }
            h = block.forward(&h, &embedding, self.dropping)?;
        }
        let gain = V::constant(self.gain.clone());
        self.head.forward(&h, 1.0)?.times(&gain)
    }

    pub(super) fn no_labels(&self, x: &Tensor) -> Result<Tensor> {
        Classes::none(self.mapping.classes(), x)
    }

    /// All layers with weights of unit length.
    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let blocks = (self.encoder.iter()).chain(self.decoder.iter().map(|(block, _)| block));
        let ends = [&self.entry, &self.head];
        let layers = ends.into_iter().chain(self.mapping.layers());
        layers.chain(blocks.flat_map(Block::layers))
    }

    pub(super) fn cost(&self) -> Cost {
        let mut size = [self.resolution; 2];
        let pixels = self.resolution.saturating_mul(self.resolution);
        let ends = self.entry.cost(pixels) + self.head.cost(pixels) + Cost::of(1, 0, 0);
        let blocks = (self.encoder.iter()).chain(self.decoder.iter().map(|(block, _)| block));
        let blocks = blocks.map(|block| block.cost(&mut size));
        blocks.fold(self.mapping.cost() + ends, |sum, cost| sum + cost)
    }

    /// Checks images.
    fn check(&self, x: &Tensor) -> Result<()> {
        check::batch("x", x)?;
        if x.rank() != 4 || x.dims()[1] != self.images {
            let accepted = format!("(batch, {}, height, width)", self.images);
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check_halving("x", x.dims(), 2, self.levels)?;
        check::same_kind("x", x, "the network", self.entry.weight())
    }
}
