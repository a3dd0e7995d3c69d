//! Classes as input.

use advect_core::{Error, Generator, Key, Result, check};
use advect_nn::{ClassEmbedding, Cost};
use advect_ops::{Activation, linear};
use candle_core::{DType, Device, Tensor};
use candle_nn::{Init, VarBuilder};

/// A linear layer of the unit vectors of classes. "None" is the zero vector.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    /// `(features, classes)`.
    weight: Tensor,
    bias: Option<Tensor>,
    /// The length of the vectors.
    length: f64,
    dropout: f64,
}

impl Labels {
    /// A layer with a weight, and a bias if a law is given for it; none if there are no classes.
    pub(super) fn new(
        classes: usize,
        features: usize,
        [weight, bias]: [Option<Init>; 2],
        [length, dropout]: [f64; 2],
        builder: &VarBuilder<'_>,
    ) -> Result<Option<Self>> {
        if classes == 0 {
            return Ok(None);
        }
        let here = builder.pp("map_label");
        let weight = weight.unwrap_or(candle_nn::init::ZERO);
        let bias = bias.map(|law| here.get_with_hints(features, "bias", law));
        Ok(Some(Labels {
            weight: here.get_with_hints((features, classes), "weight", weight)?,
            bias: bias.transpose()?,
            length,
            dropout,
        }))
    }

    fn classes(&self) -> usize {
        self.weight.dims()[1]
    }

    /// The features of the labels of a batch x, `(batch, features)`, or `(1, features)` without labels, for a network
    /// that may have no classes. With a key, some of the labels are dropped.
    pub(super) fn of(
        layer: Option<&Self>,
        x: &Tensor,
        labels: Option<&Tensor>,
        dropping: Option<Key>,
    ) -> Result<Option<Tensor>> {
        let Some(layer) = layer else {
            return ClassEmbedding::of(None, x, labels);
        };
        let vectors = match labels {
            Some(labels) => layer.vectors(labels, x, dropping)?,
            None => Tensor::zeros((1, layer.classes()), x.dtype(), x.device())?,
        };
        let bias = layer.bias.as_ref();
        let features = linear(&vectors, &layer.weight, bias, Activation::Identity)?;
        Ok(Some(features))
    }

    /// The vectors of labels, `(batch, classes)`.
    fn vectors(&self, labels: &Tensor, x: &Tensor, dropping: Option<Key>) -> Result<Tensor> {
        let (batch, classes) = (check::batch("x", x)?, self.classes());
        check::labels("condition", labels, batch, classes + 1)?;
        let on_host = labels.to_device(&Device::Cpu)?.to_dtype(DType::U32)?;
        let mut vectors = vec![0f64; batch * classes];
        let kept = match dropping {
            Some(key) if self.dropout > 0.0 => {
                let mut rng = Generator::from(key.named("labels"));
                let uniform = rng.uniform(0.0..1.0, batch, DType::F64, &Device::Cpu)?;
                let uniform = uniform.to_vec1::<f64>()?;
                uniform.iter().map(|u| *u >= self.dropout).collect()
            }
            _ => vec![true; batch],
        };
        for (i, label) in on_host.to_vec1::<u32>()?.into_iter().enumerate() {
            let label = label as usize;
            if kept[i] && label < classes {
                vectors[i * classes + label] = self.length;
            }
        }
        let vectors = Tensor::from_vec(vectors, (batch, classes), &Device::Cpu)?;
        Ok(vectors.to_dtype(x.dtype())?.to_device(x.device())?)
    }

    /// Labels that mean "none".
    pub(super) fn none(layer: Option<&Self>, x: &Tensor) -> Result<Tensor> {
        match layer {
            None => ClassEmbedding::no_labels(None, x),
            Some(layer) => {
                let none = layer.classes() as u32;
                Ok(Tensor::full(none, check::batch("x", x)?, x.device())?)
            }
        }
    }

    pub(super) fn cost(&self) -> Cost {
        let weights = self.weight.elem_count();
        let biases = self.bias.as_ref().map_or(0, Tensor::elem_count);
        Cost::of(weights + biases, weights, 1)
    }
}

/// A linear map of the numbers that tell how images were augmented.
#[derive(Debug, Clone)]
pub(super) struct Augmentation {
    /// `(features, numbers)`.
    weight: Tensor,
}

impl Augmentation {
    pub(super) fn new(
        numbers: usize,
        features: usize,
        law: Init,
        builder: &VarBuilder<'_>,
    ) -> Result<Option<Self>> {
        if numbers == 0 {
            return Ok(None);
        }
        let here = builder.pp("map_augment");
        let weight = here.get_with_hints((features, numbers), "weight", law)?;
        Ok(Some(Augmentation { weight }))
    }

    /// Checks numbers for a network that may have none.
    pub(super) fn check(layer: Option<&Self>, numbers: &Tensor) -> Result<()> {
        let Some(layer) = layer else {
            let accepted = "none, as this network has no augmentation labels";
            return Err(Error::range("labels", "augmentation labels", accepted));
        };
        let count = layer.weight.dims()[1];
        if numbers.rank() != 2 || numbers.dims()[1] != count {
            let accepted = format!("(batch, {count})");
            return Err(Error::shape("labels", numbers.dims(), accepted));
        }
        check::same_kind("labels", numbers, "the network", &layer.weight)
    }

    /// The features of numbers `(batch, numbers)`.
    pub(super) fn of(&self, numbers: &Tensor, x: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        if numbers.dims()[0] != batch {
            let accepted = format!("augmentation labels of a batch of {}", numbers.dims()[0]);
            return Err(Error::shape("x", x.dims(), accepted));
        }
        linear(numbers, &self.weight, None, Activation::Identity)
    }

    pub(super) fn cost(&self) -> Cost {
        let weights = self.weight.elem_count();
        Cost::of(weights, weights, 1)
    }
}
