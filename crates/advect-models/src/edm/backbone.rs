//! The part that the networks have in common.

use advect_core::{Error, Key, Result, check};
use advect_nn::Cost;
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::classes::Classes;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::mapping::Mapping;
use super::plan::Plan;
use super::settings::Settings;
use super::style::Style;
use crate::features::for_each_sample;
use crate::limits::check_halving;

/// A U-Net, and how it is evaluated.
#[derive(Debug, Clone)]
pub(super) struct Backbone {
    mapping: Mapping,
    encoder: Encoder,
    decoder: Decoder,
    images: usize,
    resolution: usize,
    levels: usize,
    pub(super) dropping: Option<Key>,
    augmentation: Option<Tensor>,
}

impl Backbone {
    pub(super) fn new(
        settings: &Settings,
        plan: &Plan,
        style: &Style,
        mapping: Mapping,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        Ok(Backbone {
            mapping,
            encoder: Encoder::new(&plan.encoder, settings, style, builder)?,
            decoder: Decoder::new(&plan.decoder, settings, style, builder)?,
            images: settings.images,
            resolution: settings.resolution,
            levels: settings.multipliers.len(),
            dropping: None,
            augmentation: None,
        })
    }

    /// The same network, with the augmentation of the images as input.
    pub(super) fn augmented(&self, labels: &Tensor) -> Result<Self> {
        self.mapping.check_augmentation(labels)?;
        Ok(Backbone {
            augmentation: Some(labels.clone()),
            ..self.clone()
        })
    }

    pub(super) fn forward<V: Value>(&self, noise: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
        let batch = self.check(x.primal())?;
        let augmentation = self.augmentation.as_ref();
        let mapping = &self.mapping;
        let embedding = mapping.of(noise, x.primal(), labels, augmentation, self.dropping)?;
        let embedding = for_each_sample(embedding, batch)?;
        let values = self.encoder.forward(x, &embedding, self.dropping)?;
        self.decoder.forward(values, x, &embedding, self.dropping)
    }

    pub(super) fn no_labels(&self, x: &Tensor) -> Result<Tensor> {
        Classes::none(self.mapping.classes(), x)
    }

    pub(super) fn cost(&self) -> Cost {
        let mut size = [self.resolution; 2];
        let encoder = self.encoder.cost(&mut size);
        self.mapping.cost() + encoder + self.decoder.cost(&mut size)
    }

    /// Checks images. Returns how many there are.
    fn check(&self, x: &Tensor) -> Result<usize> {
        let batch = check::batch("x", x)?;
        if x.rank() != 4 || x.dims()[1] != self.images {
            let accepted = format!("(batch, {}, height, width)", self.images);
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check_halving("x", x.dims(), 2, self.levels)?;
        check::same_kind("x", x, "the network", self.mapping.parameter())?;
        Ok(batch)
    }
}

/// The methods and abilities of a network that is a backbone with a configuration: `dropping`, `forward`, `no_labels`, `cost`.
macro_rules! backbone_network {
    ($network:ident, $config:ident) => {
        impl $network {
            /// Returns the same network on the parameters of another builder, such as averaged ones.
            ///
            /// # Errors
            /// Errors of the builder.
            #[doc(alias = "EMA")]
            pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
                self.config.build(builder)
            }

            /// Returns the network in training mode, with dropout of features and of labels. The key determines
            /// which are dropped, so that the same key drops the same ones. Without this, nothing is dropped.
            pub fn dropping(&self, key: Key) -> Self {
                let mut network = self.clone();
                network.backbone.dropping = Some(key);
                network
            }

            /// Returns the cost: the number of parameters, and of operations for a sample of the resolution that the
            /// network was configured for. Operations of resampling are not counted.
            pub fn cost(&self) -> Cost {
                self.backbone.cost()
            }
        }

        impl Network for $network {
            /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, weights of classes, `(batch, classes)`, or none.
            fn forward<V: Value>(&self, t: &V, x: &V, labels: Option<&Tensor>) -> Result<V> {
                self.backbone.forward(t, x, labels)
            }

            fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
                self.backbone.no_labels(x)
            }
        }
        network_field!($network);
    };
}
pub(super) use backbone_network;

/// The method of networks that know how images were augmented.
macro_rules! augmented_network {
    ($network:ident, $config:ident) => {
        impl $network {
            /// Returns the network with the augmentation of each image of a batch as input: numbers `(batch, n)`, as many
            /// as
            #[doc = concat!("[`", stringify!($config), "::augmentation`]")]
            /// says. Without this, and at zeros, images are not augmented.
            ///
            /// # Errors
            /// [`Error`](advect_core::Error) naming `labels` for labels of another shape, dtype or device, or a network
            /// that takes none.
            #[doc(alias = "augment_labels")]
            pub fn augmented(&self, labels: &Tensor) -> Result<Self> {
                Ok($network {
                    config: self.config.clone(),
                    backbone: self.backbone.augmented(labels)?,
                })
            }
        }
    };
}
pub(super) use augmented_network;
