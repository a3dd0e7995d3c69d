//! Classes as input.

use advect_core::{Error, Result, check};
use advect_nn::Cost;
use advect_ops::{Activation, linear};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

use super::classes::Classes;

/// A linear layer of the unit vectors of classes. "None" is the zero vector.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    /// `(features, classes)`.
    weight: Tensor,
    bias: Option<Tensor>,
    classes: Classes,
}

impl Labels {
    /// A layer with a weight, and a bias if a law is given for it; none if there are no classes.
    pub(super) fn new(
        classes: Option<Classes>,
        features: usize,
        [weight, bias]: [Option<Init>; 2],
        builder: &VarBuilder<'_>,
    ) -> Result<Option<Self>> {
        let Some(classes) = classes else {
            return Ok(None);
        };
        let here = builder.pp("map_label");
        let weight = weight.unwrap_or(candle_nn::init::ZERO);
        let bias = bias.map(|law| here.get_with_hints(features, "bias", law));
        Ok(Some(Labels {
            weight: here.get_with_hints((features, classes.count()), "weight", weight)?,
            bias: bias.transpose()?,
            classes,
        }))
    }

    /// The classes of a network that may have none.
    pub(super) fn classes(layer: Option<&Self>) -> Option<&Classes> {
        layer.map(|layer| &layer.classes)
    }

    /// The features of vectors of classes.
    pub(super) fn of(&self, vectors: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref();
        linear(vectors, &self.weight, bias, Activation::Identity)
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
