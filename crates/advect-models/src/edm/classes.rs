//! Classes as vectors.

use advect_core::{Generator, Key, Result, check, shape};
use advect_nn::{ClassEmbedding, class_weights};
use candle_core::{DType, Device, Tensor};

use super::settings::Settings;

/// The classes of a network, as vectors of a length along the axes, or sums of them by weights. "None" is the zero vector.
#[derive(Debug, Clone)]
pub(super) struct Classes {
    count: usize,
    length: f64,
    dropout: f64,
}

impl Classes {
    /// The classes of settings that may have none, as vectors of a length.
    pub(super) fn new(settings: &Settings, length: f64) -> Option<Self> {
        (settings.classes > 0).then_some(Classes {
            count: settings.classes,
            length,
            dropout: settings.label_dropout,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// The vectors of the labels of a batch x, `(batch, classes)`, or the zero vector `(1, classes)` without labels, for a
    /// network that may have no classes. With a key, some of the labels are dropped.
    pub(super) fn of(
        classes: Option<&Self>,
        x: &Tensor,
        labels: Option<&Tensor>,
        dropping: Option<Key>,
    ) -> Result<Option<Tensor>> {
        match (classes, labels) {
            (None, labels) => ClassEmbedding::of(None, x, labels),
            (Some(classes), None) => {
                let zero = Tensor::zeros((1, classes.count), x.dtype(), x.device())?;
                Ok(Some(zero))
            }
            (Some(classes), Some(labels)) => Ok(Some(classes.vectors(labels, x, dropping)?)),
        }
    }

    fn vectors(&self, labels: &Tensor, x: &Tensor, dropping: Option<Key>) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        let mut vectors = match class_weights(labels, [batch, self.count], x)? {
            Some(weights) => weights.clone(),
            None => {
                check::labels("condition", labels, batch, self.count + 1)?;
                let labels = labels.to_device(x.device())?;
                shape::one_hot(&labels, self.count, x.dtype())?
            }
        };
        if let Some(key) = dropping.filter(|_| self.dropout > 0.0) {
            let mut rng = Generator::from(key.named("labels"));
            let uniform = rng.uniform(0.0..1.0, (batch, 1), DType::F64, &Device::Cpu)?;
            let kept = uniform.ge(self.dropout)?.to_dtype(x.dtype())?;
            vectors = vectors.broadcast_mul(&kept.to_device(x.device())?)?;
        }
        Ok((vectors * self.length)?)
    }

    /// Labels that mean "none".
    pub(super) fn none(classes: Option<&Self>, x: &Tensor) -> Result<Tensor> {
        match classes {
            None => ClassEmbedding::no_labels(None, x),
            Some(classes) => {
                let none = classes.count as u32;
                Ok(Tensor::full(none, check::batch("x", x)?, x.device())?)
            }
        }
    }
}
