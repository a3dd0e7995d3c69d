//! The diffusion transformer as a field.

mod attention;
mod block;
mod condition;
mod config;
mod feed_forward;
mod positions;
mod rotation;
mod token_norm;

use advect_core::{Error, Result, check};
use advect_nn::{Activation, Cost, Linear, Network, Patches, TimeEmbedding, network_field};
use advect_ops::{Value, linear};
use candle_core::Tensor;
use candle_nn::init::ZERO;
use candle_nn::{Init, VarBuilder};

use block::{Block, LastLayer};
use condition::{ConditionEmbedding, DEVIATION};
pub use config::DiffusionTransformerConfig;
pub use feed_forward::FeedForward;
pub use positions::PositionEmbedding;
use rotation::Rotation;
pub use token_norm::TokenNorm;

/// A transformer on patches (Dosovitskiy et al. 2021), with time and condition as inputs by adaptive layer normalisation,
/// whose gates begin as zeros: the DiT of Peebles and Xie 2023 (section 3), which Ma et al. 2024 call SiT where it is trained
/// to be a velocity. It is a [`Field`](advect_core::Field) on sequences `(batch, channels, length)`, images
/// `(batch, channels, height, width)` or volumes and video `(batch, channels, depth, height, width)` and, if it has
/// conditions, a [`Conditional`](advect_core::Conditional) field on class labels or vectors.
///
/// Its parameters have the names and shapes of SiT and DiT, so that
/// [`ParameterStore::load`](advect_nn::ParameterStore::load) reads their state dicts from a file of safetensors or of
/// PyTorch. The fixed table of positions, `pos_embed`, is a [table](advect_nn::table): what a file has of it is used.
///
/// | size | blocks | width | heads | parameters with patches of 2, latents `[4, 32, 32]`, 1000 classes, variances |
/// | --- | --- | --- | --- | --- |
/// | [`small`](Self::small) (S) | 12 | 384 | 6 | 33 M |
/// | [`base`](Self::base) (B) | 12 | 768 | 12 | 130 M |
/// | [`large`](Self::large) (L) | 24 | 1024 | 16 | 458 M |
/// | [`extra_large`](Self::extra_large) (XL) | 28 | 1152 | 16 | 675 M |
///
/// With [`TokenNorm::Rms`], [`FeedForward::SwiGlu`], [`rotary`](DiffusionTransformerConfig::rotary) and
/// [`qk_norm`](DiffusionTransformerConfig::qk_norm), it is what later work made of it (Yao et al. 2025, section 4).
///
/// Evaluation as a plain field uses the condition that means "none".
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::DiffusionTransformer;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = DiffusionTransformer::config(&[3, 8, 8], 2)
///     .width(32)
///     .depth(2)
///     .heads(4)
///     .classes(10)
///     .build(&store.builder())?;
/// let x = Tensor::ones((3, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 1, 10], &Device::Cpu)?;
/// let velocity = net.given(&labels).at(&Time::Shared(0.5), &x)?;
/// // Its last layer begins as zeros.
/// assert_eq!(velocity.flatten_all()?.to_vec1::<f32>()?, [0.0; 3 * 3 * 64]);
/// assert!(store.parameters().iter().any(|(name, _)| name == "blocks.1.attn.qkv.weight"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DiT")]
#[doc(alias = "SiT")]
#[doc(alias = "LightningDiT")]
#[doc(alias = "vision transformer")]
#[doc(alias = "ViT")]
#[derive(Debug, Clone)]
pub struct DiffusionTransformer {
    config: DiffusionTransformerConfig,
    patches: Patches,
    /// The weight of the convolution that turns patches into tokens, and its bias.
    embedding: [Tensor; 2],
    positions: Option<Tensor>,
    /// For states of the configured size.
    rotation: Option<Rotation>,
    time: [Linear; 2],
    condition: ConditionEmbedding,
    blocks: Vec<Block>,
    last: LastLayer,
}

/// The number of sinusoidal features of time.
const TIME_FEATURES: usize = 256;

impl DiffusionTransformer {
    /// Creates a configuration for sequences `[channels, length]`, images `[channels, height, width]` or volumes
    /// `[channels, depth, height, width]` that are cut into patches of this side. Its size is that of
    /// [`small`](Self::small).
    pub fn config(dim: &[usize], patch: usize) -> DiffusionTransformerConfig {
        DiffusionTransformerConfig::new(dim, patch)
    }

    /// Creates a configuration of size S: 12 blocks of width 384 with 6 heads. A patch of 2 makes it S/2.
    #[doc(alias = "DiT-S")]
    #[doc(alias = "SiT-S")]
    pub fn small(dim: &[usize], patch: usize) -> DiffusionTransformerConfig {
        Self::config(dim, patch).depth(12).width(384).heads(6)
    }

    /// Creates a configuration of size B: 12 blocks of width 768 with 12 heads.
    #[doc(alias = "DiT-B")]
    #[doc(alias = "SiT-B")]
    pub fn base(dim: &[usize], patch: usize) -> DiffusionTransformerConfig {
        Self::config(dim, patch).depth(12).width(768).heads(12)
    }

    /// Creates a configuration of size L: 24 blocks of width 1024 with 16 heads.
    #[doc(alias = "DiT-L")]
    #[doc(alias = "SiT-L")]
    pub fn large(dim: &[usize], patch: usize) -> DiffusionTransformerConfig {
        Self::config(dim, patch).depth(24).width(1024).heads(16)
    }

    /// Creates a configuration of size XL: 28 blocks of width 1152 with 16 heads.
    #[doc(alias = "DiT-XL")]
    #[doc(alias = "SiT-XL")]
    pub fn extra_large(dim: &[usize], patch: usize) -> DiffusionTransformerConfig {
        Self::config(dim, patch).depth(28).width(1152).heads(16)
    }

    fn build(config: &DiffusionTransformerConfig, builder: &VarBuilder<'_>) -> Result<Self> {
        let (width, channels) = (config.width, config.dim[0]);
        let elements = (config.patch.iter()).fold(1usize, |n, &side| n.saturating_mul(side));
        let patches = Patches::new(&config.patch)?;
        let grid = patches.grid(&config.dim[1..]);
        let normal = Init::Randn {
            mean: 0.0,
            stdev: DEVIATION,
        };
        let outputs = (config.outputs + config.discarded).saturating_mul(elements);
        let time = builder.pp("t_embedder.mlp");
        let blocks = builder.pp("blocks");
        let blocks = (0..config.depth).map(|i| Block::new(config, &blocks.pp(i)));
        let embedding = embedding(config, channels.saturating_mul(elements), builder)?;
        Ok(DiffusionTransformer {
            positions: config.positions.table(&grid, width, builder)?,
            rotation: rotation(config, &grid, &embedding[0])?,
            time: [
                Linear::initialized(TIME_FEATURES, width, [normal, ZERO], &time.pp(0))?,
                Linear::initialized(width, width, [normal, ZERO], &time.pp(2))?,
            ],
            condition: ConditionEmbedding::new(config.condition, width, &builder.pp("y_embedder"))?,
            blocks: blocks.collect::<Result<_>>()?,
            last: LastLayer::new(config, outputs, &builder.pp("final_layer"))?,
            config: config.clone(),
            embedding,
            patches,
        })
    }

    /// Returns the same network on the parameters of another builder, such as averaged ones.
    ///
    /// # Errors
    /// Errors of the builder.
    #[doc(alias = "EMA")]
    pub fn on(&self, builder: &VarBuilder<'_>) -> Result<Self> {
        self.config.build(builder)
    }

    /// Returns the cost: the number of parameters, and of operations for a sample of the size that the network was
    /// configured for.
    pub fn cost(&self) -> Cost {
        let tokens = self.patches.grid(&self.config.dim[1..]).iter().product();
        let [weight, bias] = self.embedding.each_ref().map(Tensor::elem_count);
        let mut cost = Cost::of(weight + bias, weight, tokens) + self.condition.cost();
        if let (PositionEmbedding::Learned, Some(table)) = (self.config.positions, &self.positions)
        {
            cost = cost + Cost::of(table.elem_count(), 0, 0);
        }
        let layers = self.time.iter().map(Linear::cost);
        let blocks = self.blocks.iter().map(|block| block.cost(tokens));
        layers.chain(blocks).fold(cost, |sum, cost| sum + cost) + self.last.cost(tokens)
    }

    /// Checks states. Returns how many patches they have along each axis.
    fn check(&self, x: &Tensor) -> Result<Vec<usize>> {
        check::batch("x", x)?;
        let dim = &self.config.dim;
        if x.rank() != dim.len() + 1 || x.dims()[1] != dim[0] {
            let sizes = ["length", "height, width", "depth, height, width"];
            let accepted = format!("(batch, {}, {})", dim[0], sizes[dim.len() - 2]);
            return Err(Error::shape("x", x.dims(), accepted));
        }
        self.config.check_size("x", x.dims())?;
        if self.positions.is_some() && x.dims()[2..] != dim[1..] {
            let accepted = format!(
                "(batch, {dim:?}), as the network has a table of positions: use rotations for states of other sizes"
            );
            return Err(Error::shape("x", x.dims(), accepted));
        }
        check::same_kind("x", x, "the network", &self.embedding[0])?;
        Ok(self.patches.grid(&x.dims()[2..]))
    }

    /// The SiLU of the features of time and condition, `(batch, width)`, or `(1, width)` for the whole batch.
    fn features<V: Value>(&self, t: &V, x: &Tensor, condition: Option<&Tensor>) -> Result<V> {
        let t = match self.config.time_scale {
            1.0 => t.clone(),
            factor => t.map_linear(|t| Ok((t * factor)?))?,
        };
        let features = TIME_FEATURES;
        let time = TimeEmbedding::Sinusoidal { features }.embed(&t, x)?;
        let time = self.time[0].activated(&time, Activation::Silu)?;
        let mut features = self.time[1].forward(&time)?;
        if let Some(condition) = self.condition.embed(x, condition)? {
            features = features.plus(&V::constant(condition))?;
        }
        Activation::Silu.apply(&features)
    }
}

/// The weight and the bias of the layer from patches to tokens: those of a convolution whose stride is the patch.
fn embedding(
    config: &DiffusionTransformerConfig,
    inputs: usize,
    builder: &VarBuilder<'_>,
) -> Result<[Tensor; 2]> {
    let builder = builder.pp("x_embedder.proj");
    let mut shape = vec![config.width, config.dim[0]];
    shape.extend(&config.patch);
    let bound = (6.0 / (inputs as f64 + config.width as f64)).sqrt();
    let init = Init::Uniform {
        lo: -bound,
        up: bound,
    };
    let weight = builder.get_with_hints(shape, "weight", init)?;
    let bias = builder.get_with_hints(config.width, "bias", candle_nn::init::ZERO)?;
    Ok([weight, bias])
}

/// The rotation of queries and keys on a grid, for states like another tensor.
fn rotation(
    config: &DiffusionTransformerConfig,
    grid: &[usize],
    like: &Tensor,
) -> Result<Option<Rotation>> {
    let Some(base) = config.rotary else {
        return Ok(None);
    };
    let head = config.width / config.heads;
    let rotation = Rotation::new(grid, head, base, like.dtype(), like.device())?;
    Ok(Some(rotation))
}

/// The parameters of a layer.
fn of_layer(layer: &Linear) -> [&Tensor; 2] {
    [layer.weight(), layer.bias()]
}

impl Network for DiffusionTransformer {
    /// Returns the output given labels, `(batch,)` of u8, u32 or i64 in `0..=classes`, weights of the rows of the table of classes, vectors, `(batch, size)`, or
    /// none.
    fn forward<V: Value>(&self, t: &V, x: &V, condition: Option<&Tensor>) -> Result<V> {
        let grid = self.check(x.primal())?;
        let features = self.features(t, x.primal(), condition)?;
        let rows = self.patches.rows(x)?;
        let [weight, bias] = &self.embedding;
        let weight = weight.flatten_from(1)?;
        let mut h = linear(&rows, &weight, Some(bias), Activation::Identity)?;
        if let Some(table) = &self.positions {
            h = h.plus(&V::constant(table.clone()))?;
        }
        let other;
        let rotation = match x.primal().dims()[2..] == self.config.dim[1..] {
            true => self.rotation.as_ref(),
            false => {
                other = rotation(&self.config, &grid, &weight)?;
                other.as_ref()
            }
        };
        for block in &self.blocks {
            h = match self.config.checkpointing {
                true => block.checkpointed(&h, &features, rotation)?,
                false => block.forward(&h, &features, rotation)?,
            };
        }
        let y = self
            .patches
            .assembled(&self.last.forward(&h, &features)?, &grid)?;
        match self.config.discarded {
            0 => Ok(y),
            _ => y.map_linear(|y| Ok(y.narrow(1, 0, self.config.outputs)?)),
        }
    }

    fn null_condition(&self, x: &Tensor) -> Result<Tensor> {
        self.condition.none(x)
    }
}
network_field!(DiffusionTransformer);
