//! Position embeddings, added to tokens.

use advect_core::Result;
use advect_nn::table;
use candle_core::{Device, Tensor};
use candle_nn::{Init, VarBuilder};

use super::rotation::position;

/// The position embedding of a [`DiffusionTransformer`](crate::DiffusionTransformer): numbers that
/// are added to each token.
///
/// The sines and cosines of `SinCos` are `sin(i ω_k)`, then `cos(i ω_k)`, for the position i along an axis and
/// `ω_k = 10000^(−k / n)`, k = 0 … n − 1 (Vaswani et al. 2017, section 3.5). With several axes, each has an equal part
/// of the width, the last axis (the columns of images) first; what remains of the width is 0.
#[doc(alias = "pos_embed")]
#[doc(alias = "positional encoding")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PositionEmbedding {
    /// Fixed sines and cosines: the [table] `pos_embed`. States have the configured size.
    #[default]
    SinCos,
    /// Learned numbers: the parameter `pos_embed`. States have the configured size.
    Learned,
    /// No embedding. Without [rotations](crate::DiffusionTransformerConfig::rotary) either, the network does not
    /// know the order of its patches.
    None,
}

impl PositionEmbedding {
    /// The table for a grid of tokens, `(1, tokens, width)`.
    pub(super) fn table(
        self,
        grid: &[usize],
        width: usize,
        builder: &VarBuilder<'_>,
    ) -> Result<Option<Tensor>> {
        let tokens: usize = grid.iter().product();
        match self {
            PositionEmbedding::None => Ok(None),
            PositionEmbedding::SinCos => {
                let values = sines_and_cosines(grid, width);
                let values = Tensor::from_vec(values, (1, tokens, width), &Device::Cpu)?;
                Ok(Some(table(&values, "pos_embed", builder)?))
            }
            PositionEmbedding::Learned => {
                let init = Init::Randn {
                    mean: 0.0,
                    stdev: 0.02,
                };
                let table = builder.get_with_hints((1, tokens, width), "pos_embed", init)?;
                Ok(Some(table))
            }
        }
    }
}

/// The rows of all tokens, one after the other.
fn sines_and_cosines(grid: &[usize], width: usize) -> Vec<f64> {
    let each = width / (2 * grid.len());
    let frequencies: Vec<f64> = (0..each)
        .map(|k| 10_000f64.powf(-(k as f64) / each as f64))
        .collect();
    let tokens: usize = grid.iter().product();
    let mut table = Vec::with_capacity(tokens * width);
    for token in 0..tokens {
        for i in position(grid, token).into_iter().rev() {
            table.extend(frequencies.iter().map(|f| (i as f64 * f).sin()));
            table.extend(frequencies.iter().map(|f| (i as f64 * f).cos()));
        }
        table.resize((token + 1) * width, 0.0);
    }
    table
}
