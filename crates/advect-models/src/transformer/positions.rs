//! Position embeddings, added to tokens.

use advect_core::Result;
use advect_nn::{sinusoidal_positions, table};
use candle_core::Tensor;
use candle_nn::{Init, VarBuilder};

/// The position embedding of a [`DiffusionTransformer`](crate::DiffusionTransformer): numbers that
/// are added to each token.
///
/// The numbers of `SinCos` are [`sinusoidal_positions`].
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
                let values = sinusoidal_positions(grid, width)?.unsqueeze(0)?;
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
