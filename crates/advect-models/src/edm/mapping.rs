//! Features of noise, class and augmentation.

use advect_core::{Key, Result};
use advect_nn::{Activation, Cost, Linear};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use super::NoiseEmbedding;
use super::classes::Classes;
use super::labels::{Augmentation, Labels};
use super::law::{Law, Place};
use super::noise_embedding::Waves;
use super::settings::Settings;

/// Two layers on the features of noise. Those of class are added before them (Song) or after them (Dhariwal).
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    waves: Waves,
    augmentation: Option<Augmentation>,
    layers: [Linear; 2],
    labels: Option<Labels>,
    labels_first: bool,
}

impl Mapping {
    pub(super) fn song(
        settings: &Settings,
        embedding: NoiseEmbedding,
        features: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let (law, classes) = (Law::Song, settings.classes);
        let vectors = Classes::new(settings, (classes as f64).sqrt());
        let laws = law.of(Place::Inner, classes, features).map(Some);
        let numbers = settings.augmentation;
        let [augment, _] = law.of(Place::Inner, numbers, features);
        Ok(Mapping {
            waves: Waves::song(embedding, features, builder)?,
            labels: Labels::new(vectors, features, laws, builder)?,
            augmentation: Augmentation::new(numbers, features, augment, builder)?,
            layers: layers(law, features, settings.embedding(), builder)?,
            labels_first: true,
        })
    }

    pub(super) fn dhariwal(settings: &Settings, builder: &VarBuilder<'_>) -> Result<Self> {
        let (features, embedding) = (settings.channels, settings.embedding());
        let zero = candle_nn::init::ZERO;
        let normal = Init::Randn {
            mean: 0.0,
            stdev: 1.0,
        };
        let laws = [Some(normal), None];
        Ok(Mapping {
            waves: Waves::dhariwal(features)?,
            augmentation: Augmentation::new(settings.augmentation, features, zero, builder)?,
            layers: layers(Law::Dhariwal, features, embedding, builder)?,
            labels: Labels::new(Classes::new(settings, 1.0), embedding, laws, builder)?,
            labels_first: false,
        })
    }

    /// The features, `(1, n)` or `(batch, n)`.
    pub(super) fn of<V: Value>(
        &self,
        noise: &V,
        x: &Tensor,
        labels: Option<&Tensor>,
        augmentation: Option<&Tensor>,
        dropping: Option<Key>,
    ) -> Result<V> {
        let class = match (
            Classes::of(self.classes(), x, labels, dropping)?,
            &self.labels,
        ) {
            (Some(vectors), Some(layer)) => Some(layer.of(&vectors)?),
            _ => None,
        };
        let with_class = |h: V| match &class {
            Some(class) => h.plus(&V::constant(class.clone())),
            None => Ok(h),
        };
        let mut h = self.waves.of(noise, x)?;
        if let (Some(layer), Some(numbers)) = (&self.augmentation, augmentation) {
            h = h.plus(&V::constant(layer.of(numbers, x)?))?;
        }
        if self.labels_first {
            h = with_class(h)?;
        }
        h = self.layers[0].activated(&h, Activation::Silu)?;
        if self.labels_first {
            return self.layers[1].activated(&h, Activation::Silu);
        }
        Activation::Silu.apply(&with_class(self.layers[1].forward(&h)?)?)
    }

    pub(super) fn classes(&self) -> Option<&Classes> {
        Labels::classes(self.labels.as_ref())
    }

    /// Checks augmentation labels.
    pub(super) fn check_augmentation(&self, numbers: &Tensor) -> Result<()> {
        Augmentation::check(self.augmentation.as_ref(), numbers)
    }

    pub(super) fn cost(&self) -> Cost {
        let labels = self.labels.as_ref().map(Labels::cost);
        let augmentation = self.augmentation.as_ref().map(Augmentation::cost);
        let layers = self.layers[0].cost() + self.layers[1].cost();
        layers + labels.unwrap_or_default() + augmentation.unwrap_or_default()
    }

    /// A parameter, for its dtype and device.
    pub(super) fn parameter(&self) -> &Tensor {
        self.layers[0].weight()
    }
}

fn layers(
    law: Law,
    features: usize,
    embedding: usize,
    builder: &VarBuilder<'_>,
) -> Result<[Linear; 2]> {
    Ok([
        law.linear(features, embedding, &builder.pp("map_layer0"))?,
        law.linear(embedding, embedding, &builder.pp("map_layer1"))?,
    ])
}
