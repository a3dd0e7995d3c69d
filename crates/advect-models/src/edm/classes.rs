//! Classes as vectors.

use advect_core::{Generator, Key, Result, check};
use advect_nn::ClassEmbedding;
use candle_core::{DType, Device, Tensor};

use super::settings::Settings;

/// The classes of a network, as vectors of a length along the axes. "None" is the zero vector.
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
        let (batch, classes) = (check::batch("x", x)?, self.count);
        check::labels("condition", labels, batch, classes + 1)?;
        let on_host = labels.to_device(&Device::Cpu)?.to_dtype(DType::U32)?;
        let mut vectors = vec![0f64; batch * classes];
        let kept = self.kept(batch, dropping)?;
        for (i, label) in on_host.to_vec1::<u32>()?.into_iter().enumerate() {
            let label = label as usize;
            if kept[i] && label < classes {
                vectors[i * classes + label] = self.length;
            }
        }
        let vectors = Tensor::from_vec(vectors, (batch, classes), &Device::Cpu)?;
        Ok(vectors.to_dtype(x.dtype())?.to_device(x.device())?)
    }

    /// Whether the label of each sample is kept.
    fn kept(&self, batch: usize, dropping: Option<Key>) -> Result<Vec<bool>> {
        let Some(key) = dropping.filter(|_| self.dropout > 0.0) else {
            return Ok(vec![true; batch]);
        };
        let mut rng = Generator::from(key.named("labels"));
        let uniform = rng.uniform(0.0..1.0, batch, DType::F64, &Device::Cpu)?;
        let uniform = uniform.to_vec1::<f64>()?;
        Ok(uniform.iter().map(|u| *u >= self.dropout).collect())
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
