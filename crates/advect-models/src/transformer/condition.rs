//! The inputs of a network besides time and state.

use advect_core::{Error, Result, check};
use advect_nn::{ClassEmbedding, Cost, Linear, NoClass};
use candle_core::Tensor;
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};

/// The kind of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    None,
    Classes(usize, NoClass),
    /// Vectors of a size.
    Vectors(usize),
}

/// The layer that turns conditions into features.
#[derive(Debug, Clone)]
pub(super) enum ConditionEmbedding {
    None,
    Classes(ClassEmbedding),
    Vectors(Linear),
}

/// The standard deviation of initial weights.
pub(super) const DEVIATION: f64 = 0.02;

impl ConditionEmbedding {
    pub(super) fn new(kind: Condition, width: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        match kind {
            Condition::None => Ok(ConditionEmbedding::None),
            Condition::Classes(classes, none) => {
                let builder = builder.pp("embedding_table");
                let table = ClassEmbedding::initialized(
                    classes, width, none, DEVIATION, "weight", &builder,
                )?;
                Ok(ConditionEmbedding::Classes(table))
            }
            Condition::Vectors(size) => {
                let init = Init::Randn {
                    mean: 0.0,
                    stdev: DEVIATION,
                };
                let layer = Linear::initialized(size, width, [init, ZERO], &builder.pp("proj"))?;
                Ok(ConditionEmbedding::Vectors(layer))
            }
        }
    }

    /// The features of the conditions of a batch, `(batch, width)`, or, without conditions, those that stand for none,
    /// `(1, width)`, if there are any.
    pub(super) fn embed(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<Option<Tensor>> {
        match (self, condition) {
            (ConditionEmbedding::None, condition) => ClassEmbedding::of(None, x, condition),
            (ConditionEmbedding::Classes(classes), labels) => {
                ClassEmbedding::of(Some(classes), x, labels)
            }
            (ConditionEmbedding::Vectors(layer), Some(vectors)) => {
                check::same_kind("condition", vectors, "x", x)?;
                let (batch, size) = (check::batch("x", x)?, layer.weight().dims()[1]);
                if vectors.dims() != [batch, size] {
                    let accepted = format!("({batch}, {size}), one vector for each sample");
                    return Err(Error::shape("condition", vectors.dims(), accepted));
                }
                Ok(Some(layer.forward(vectors)?))
            }
            (ConditionEmbedding::Vectors(layer), None) => Ok(Some(layer.bias().unsqueeze(0)?)),
        }
    }

    /// The conditions that mean "none".
    pub(super) fn none(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            ConditionEmbedding::None => ClassEmbedding::no_labels(None, x),
            ConditionEmbedding::Classes(classes) => ClassEmbedding::no_labels(Some(classes), x),
            ConditionEmbedding::Vectors(layer) => {
                let shape = (check::batch("x", x)?, layer.weight().dims()[1]);
                Ok(Tensor::zeros(shape, x.dtype(), x.device())?)
            }
        }
    }

    pub(super) fn cost(&self) -> Cost {
        match self {
            ConditionEmbedding::None => Cost::default(),
            ConditionEmbedding::Classes(classes) => classes.cost(),
            ConditionEmbedding::Vectors(layer) => layer.cost(),
        }
    }
}
