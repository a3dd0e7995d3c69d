//! The diffusion transformer in the format of diffusers.

mod block;
mod condition;
mod config;

use advect_core::{Error, Result, check};
use advect_nn::{
    ConvolutionLayer, Cost, Linear, Modulation, Network, Patches, adaptive_layer_norm,
    network_field, sinusoidal_positions,
};
use advect_ops::{Activation, Convolution, Value, linear};
use candle_core::Tensor;
use candle_nn::VarBuilder;

use block::{Block, EPSILON};
pub use config::DitTransformer2dConfig;

/// The diffusion transformer that diffusers calls `DiTTransformer2DModel` (Peebles and Xie 2023): a
/// [`Field`](advect_core::Field) on square images or latents `(batch, channels, size, size)`, and a
/// [`Conditional`](advect_core::Conditional) field on class labels. Evaluation as a plain field uses the label that means
/// "none".
///
/// Its parameters have the names and shapes of diffusers' state dicts, so that
/// [`ParameterStore::load`](advect_nn::ParameterStore::load) reads their files. Its time is the network's own: a step from 0
/// to T − 1.
///
/// It differs from the transformer of `advect-models`, whose files are those of the original code, in three ways: each block
/// has its own features of time and class, the frequencies of time are `10000^(−k / 127)` rather than `10000^(−k / 128)`,
/// and the second norm of a block has its own ε.
#[doc(alias = "DiTTransformer2DModel")]
#[doc(alias = "Transformer2DModel")]
#[doc(alias = "DiT")]
#[derive(Debug, Clone)]
pub struct DitTransformer2d {
    config: DitTransformer2dConfig,
    patches: Patches,
    /// The convolution whose stride is the patch.
    embedding: ConvolutionLayer,
    /// `(1, tokens, width)`.
    positions: Tensor,
    /// At least one.
    blocks: Vec<Block>,
    modulation: Modulation,
    last: Linear,
}

impl DitTransformer2d {
    fn build(config: &DitTransformer2dConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let (width, patch) = (config.width(), config.patch);
        let grid = [config.size / patch; 2];
        let strided = Convolution {
            stride: [patch; 2],
            ..Convolution::padded(0)
        };
        let embedding = builder.pp("pos_embed.proj");
        let embedding =
            ConvolutionLayer::new(config.inputs, width, &[patch; 2], strided, &embedding)?;
        let positions = sinusoidal_positions(&grid, width)?.unsqueeze(0)?;
        let positions = positions
            .to_dtype(builder.dtype())?
            .to_device(builder.device())?;
        let blocks = builder.pp("transformer_blocks");
        let blocks = (0..config.depth).map(|i| Block::new(config, &blocks.pp(i)));
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        let outputs = patch.saturating_mul(patch).saturating_mul(config.outputs);
        let modulation = Linear::new(width, 2 * width, &builder.pp("proj_out_1"))?;
        Ok(DitTransformer2d {
            patches: Patches::new(&[patch; 2])?,
            embedding,
            positions,
            blocks,
            modulation: Modulation::new(modulation, 2)?,
            last: Linear::new(width, outputs, &builder.pp("proj_out_2"))?,
            config: config.clone(),
        })
    }

    /// Returns the configuration.
    pub fn config(&self) -> &DitTransformer2dConfig {
        &self.config
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the cost: the number of parameters, and of operations for a state.
    pub fn cost(&self) -> Cost {
        let tokens = self.positions.dims()[1];
        let ends = self.embedding.cost(&mut [self.config.size; 2]) + self.last.cost_at(tokens);
        let blocks = self.blocks.iter().map(|block| block.cost(tokens));
        blocks.fold(ends + self.modulation.cost(), |sum, cost| sum + cost)
    }

    /// Checks states.
    fn check(&self, x: &Tensor) -> Result<()> {
        check::batch("x", x)?;
        let (inputs, size) = (self.config.inputs, self.config.size);
        if x.rank() != 4 || x.dims()[1..] != [inputs, size, size] {
            let accepted = format!("(batch, {inputs}, {size}, {size})");
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check::same_kind("x", x, "the network", self.embedding.weight())
    }
}

impl Network for DitTransformer2d {
    /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, weights of classes and of none, `(batch, classes + 1)`, or none.
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        self.check(x.primal())?;
        let weight = self.embedding.weight().flatten_from(1)?;
        let rows = self.patches.rows(x)?;
        let h = linear(
            &rows,
            &weight,
            Some(self.embedding.bias()),
            Activation::Identity,
        )?;
        let mut h = h.plus(&V::constant(self.positions.clone()))?;
        let features = |block: &Block| block.condition().forward(t, x.primal(), condition);
        // Those of the first block serve the last layer too.
        let first = features(&self.blocks[0])?;
        h = self.blocks[0].forward(&h, &first)?;
        for block in &self.blocks[1..] {
            h = block.forward(&h, &features(block)?)?;
        }
        let parts = self.modulation.forward(&first)?;
        let h = adaptive_layer_norm(&h, &parts[1], &parts[0], EPSILON)?;
        let h = self.last.forward(&h)?;
        self.patches
            .assembled(&h, &[self.config.size / self.config.patch; 2])
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.blocks[0].condition().no_labels(x)
    }
}
network_field!(DitTransformer2d);
