//! Time and class as features.

use advect_core::Result;
use advect_nn::{Activation, ClassEmbedding, Cost, Linear, NoClass};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use crate::block::Positional;

/// The number of sinusoids of time.
const SINUSOIDS: usize = 256;

/// The features of time and class. diffusers calls it `CombinedTimestepLabelEmbeddings`, and gives each block its own; in
/// files that were converted from the original, all of them are equal.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    time: Positional,
    layers: [Linear; 2],
    classes: ClassEmbedding,
}

impl Condition {
    pub(super) fn new(classes: usize, width: usize, builder: &VarBuilder<'_>) -> Result<Self> {
        let layers = builder.pp("timestep_embedder");
        let table = builder.pp("class_embedder.embedding_table");
        Ok(Condition {
            time: Positional::new(SINUSOIDS, 1.0, true),
            layers: [
                Linear::new(SINUSOIDS, width, &layers.pp("linear_1"))?,
                Linear::new(width, width, &layers.pp("linear_2"))?,
            ],
            classes: ClassEmbedding::new(classes, width, NoClass::Learned, "weight", &table)?,
        })
    }

    /// The SiLU of the features, `(batch, width)`, or `(1, width)` for the whole batch.
    pub(super) fn forward<V: Value>(
        &self,
        t: &V,
        x: &Tensor,
        labels: Option<&Tensor>,
    ) -> Result<V> {
        let time = self.time.of(t, x)?;
        let time = self.layers[0].activated(&time, Activation::Silu)?;
        let time = self.layers[1].forward(&time)?;
        let features = match ClassEmbedding::of(Some(&self.classes), x, labels)? {
            Some(class) => time.plus(&V::constant(class))?,
            None => time,
        };
        Activation::Silu.apply(&features)
    }

    /// Labels that mean "none".
    pub(super) fn no_labels(&self, x: &Tensor) -> Result<Tensor> {
        ClassEmbedding::no_labels(Some(&self.classes), x)
    }

    pub(super) fn cost(&self) -> Cost {
        self.layers[0].cost() + self.layers[1].cost() + self.classes.cost()
    }
}
