//! Features of noise and class.

use advect_core::{Key, Result};
use advect_nn::{Activation, Cost};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::arithmetic::sum;
use super::fourier::Fourier;
use super::layer::Layer;
use crate::edm::classes::Classes;
use crate::edm::settings::Settings;

/// A layer on the features of noise, and one on the vectors of classes; their sum.
#[derive(Debug, Clone)]
pub(super) struct Mapping {
    fourier: Fourier,
    noise: Layer,
    labels: Option<(Classes, Layer)>,
    /// How much classes count.
    balance: f64,
}

impl Mapping {
    pub(super) fn new(
        settings: &Settings,
        features: usize,
        balance: f64,
        builder: &VarBuilder<'_>,
    ) -> Result<Self> {
        let embedding = settings.embedding();
        let length = (settings.classes as f64).sqrt();
        let label = |classes: Classes| -> Result<_> {
            let here = builder.pp("emb_label");
            let layer = Layer::linear(classes.count(), embedding, &here)?;
            Ok((classes, layer))
        };
        Ok(Mapping {
            fourier: Fourier::new(features, &builder.pp("emb_fourier"))?,
            noise: Layer::linear(features, embedding, &builder.pp("emb_noise"))?,
            labels: Classes::new(settings, length).map(label).transpose()?,
            balance,
        })
    }

    /// The SiLU of the features, `(1, n)` or `(batch, n)`.
    pub(super) fn of<V: Value>(
        &self,
        noise: &V,
        x: &Tensor,
        labels: Option<&Tensor>,
        dropping: Option<Key>,
    ) -> Result<V> {
        let class = Classes::of(self.classes(), x, labels, dropping)?;
        let mut h = self.noise.forward(&self.fourier.of(noise, x)?, 1.0)?;
        if let (Some((_, layer)), Some(vectors)) = (&self.labels, class) {
            let class = V::constant(layer.forward(&vectors, 1.0)?);
            h = sum(&h, &class, self.balance)?;
        }
        Activation::Silu.apply(&h)
    }

    pub(super) fn classes(&self) -> Option<&Classes> {
        self.labels.as_ref().map(|(classes, _)| classes)
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = &Layer> {
        let labels = self.labels.iter().map(|(_, layer)| layer);
        [&self.noise].into_iter().chain(labels)
    }

    pub(super) fn cost(&self) -> Cost {
        self.layers()
            .fold(Cost::default(), |sum, layer| sum + layer.cost(1))
    }
}
