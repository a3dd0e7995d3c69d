//! The configuration of a diffusion transformer.

use advect_core::{Error, Result, check};
use advect_nn::NoClass;
use candle_nn::VarBuilder;

use super::condition::Condition;
use super::{DiffusionTransformer, FeedForward, PositionEmbedding, TokenNorm};

/// The configuration of a [`DiffusionTransformer`]; created by [`DiffusionTransformer::config`], or by the name of a
/// size.
#[derive(Debug, Clone, PartialEq)]
pub struct DiffusionTransformerConfig {
    pub(super) dim: Vec<usize>,
    pub(super) patch: Vec<usize>,
    pub(super) width: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) ratio: f64,
    pub(super) outputs: usize,
    pub(super) discarded: usize,
    pub(super) condition: Condition,
    pub(super) time_scale: f64,
    pub(super) positions: PositionEmbedding,
    pub(super) rotary: Option<f64>,
    pub(super) norm: TokenNorm,
    pub(super) feed_forward: FeedForward,
    pub(super) qk_norm: bool,
    pub(super) checkpointing: bool,
}

/// Sizes beyond which they are taken for mistakes.
const WIDTH: usize = 1 << 20;
const DEPTH: usize = 1 << 10;
const TOKENS: usize = 1 << 24;

impl DiffusionTransformerConfig {
    pub(super) fn new(dim: &[usize], patch: usize) -> Self {
        DiffusionTransformerConfig {
            dim: dim.to_vec(),
            patch: vec![patch; dim.len().saturating_sub(1)],
            width: 384,
            depth: 12,
            heads: 6,
            ratio: 4.0,
            outputs: dim.first().copied().unwrap_or(0),
            discarded: 0,
            condition: Condition::None,
            time_scale: 1.0,
            positions: PositionEmbedding::default(),
            rotary: None,
            norm: TokenNorm::default(),
            feed_forward: FeedForward::default(),
            qk_norm: false,
            checkpointing: false,
        }
    }

    /// Sets the sides of the patches, one for each axis of the states, such as `[1, 2, 2]` for video.
    #[doc(alias = "patch_size")]
    pub fn patches(mut self, sides: &[usize]) -> Self {
        self.patch = sides.to_vec();
        self
    }

    /// Sets the number of features of a token; 384 by default.
    #[doc(alias = "hidden_size")]
    pub fn width(mut self, width: usize) -> Self {
        self.width = width;
        self
    }

    /// Sets the number of blocks; 12 by default.
    #[doc(alias = "num_layers")]
    pub fn depth(mut self, blocks: usize) -> Self {
        self.depth = blocks;
        self
    }

    /// Sets the number of attention heads, a divisor of the width; 6 by default.
    #[doc(alias = "num_heads")]
    pub fn heads(mut self, count: usize) -> Self {
        self.heads = count;
        self
    }

    /// Sets the ratio of the size of the middle of feed-forward layers to the width; 4 by default.
    #[doc(alias = "mlp_ratio")]
    pub fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = ratio;
        self
    }

    /// Sets the number of channels of the output, that of the states by default: twice as many for learned variances.
    #[doc(alias = "out_channels")]
    #[doc(alias = "learn_sigma")]
    pub fn outputs(mut self, channels: usize) -> Self {
        self.outputs = channels;
        self
    }

    /// Sets a number of channels that the last layer computes after those of the output, and that are discarded; 0 by
    /// default. The SiT networks that were trained with `learn_sigma` have as many as their states have channels.
    #[doc(alias = "learn_sigma")]
    pub fn discarded_outputs(mut self, channels: usize) -> Self {
        self.discarded = channels;
        self
    }

    /// Conditions the network on labels in `0..classes`, in place of other conditions; label `classes` means "none",
    /// and has features of its own. Weights of the classes and of "none", `(batch, classes + 1)` in floats, may take the place of
    /// labels, see [`ClassEmbedding`](advect_nn::ClassEmbedding).
    #[doc(alias = "num_classes")]
    #[doc(alias = "class_dropout_prob")]
    #[doc(alias = "CFG")]
    pub fn classes(mut self, classes: usize) -> Self {
        self.condition = match classes {
            0 => Condition::None,
            _ => Condition::Classes(classes, NoClass::Learned),
        };
        self
    }

    /// Conditions the network on labels as [`classes`](Self::classes) does, but nothing is added for label `classes`:
    /// the table of features has no row for it, as in networks that were trained without class dropout.
    #[doc(alias = "class_dropout_prob")]
    pub fn classes_without_none(mut self, classes: usize) -> Self {
        self.condition = match classes {
            0 => Condition::None,
            _ => Condition::Classes(classes, NoClass::Zero),
        };
        self
    }

    /// Conditions the network on vectors of this size, `(batch, size)` with the dtype of the states, in place of other
    /// conditions. A linear layer turns them into features; zeros mean "none".
    #[doc(alias = "conditioning")]
    #[doc(alias = "CFG")]
    pub fn condition_vectors(mut self, size: usize) -> Self {
        self.condition = match size {
            0 => Condition::None,
            _ => Condition::Vectors(size),
        };
        self
    }

    /// Sets the factor on times before their features are computed; 1 by default, as in SiT, which takes times in [0,
    /// 1]. Wavelengths of the features are from 6 to 60,000, so that times in [0, 1] change only a few of them: a
    /// network that is trained here may take 1000 t.
    ///
    /// This does not reverse time. DiT was trained on steps 0 (the least noise) to 999 (the most): leave the factor at
    /// 1, and wrap the network in `TimeMapped` of advect-paths, with `DiscreteTimes::steps(1000)`.
    pub fn time_scale(mut self, factor: f64) -> Self {
        self.time_scale = factor;
        self
    }

    /// Sets the embedding of positions; fixed sines and cosines by default.
    #[doc(alias = "pos_embed")]
    pub fn positions(mut self, positions: PositionEmbedding) -> Self {
        self.positions = positions;
        self
    }

    /// Turns queries and keys by angles `i · base^(−2k / D)` of their position i along each axis (Su et al. 2021), where
    /// the D numbers of an axis are an equal part of each head's, the first axis first: rotary position embedding. The
    /// usual base is 10000. It is added to what [`positions`](Self::positions) says.
    #[doc(alias = "RoPE")]
    #[doc(alias = "rotary position embedding")]
    pub fn rotary(mut self, base: f64) -> Self {
        self.rotary = Some(base);
        self
    }

    /// Sets the normalisation of tokens; layer normalisation by default.
    #[doc(alias = "RMSNorm")]
    #[doc(alias = "use_rmsnorm")]
    pub fn norm(mut self, norm: TokenNorm) -> Self {
        self.norm = norm;
        self
    }

    /// Sets the layers that each token goes through by itself; two with a GELU between them by default.
    #[doc(alias = "SwiGLU")]
    #[doc(alias = "use_swiglu")]
    pub fn feed_forward(mut self, layers: FeedForward) -> Self {
        self.feed_forward = layers;
        self
    }

    /// Sets whether the queries and keys of each head are normalised, with learned factors, before their products are
    /// taken (Henry et al. 2020; Dehghani et al. 2023, section 2): no by default. They are normalised as tokens are.
    #[doc(alias = "QK norm")]
    pub fn qk_norm(mut self, normalized: bool) -> Self {
        self.qk_norm = normalized;
        self
    }

    /// Sets whether the backward pass computes each block again, so that training takes the memory of one block and of the
    /// tokens between blocks, for a third more time (Chen et al. 2016): no by default. Values and gradients are the same.
    #[doc(alias = "gradient checkpointing")]
    #[doc(alias = "activation checkpointing")]
    pub fn checkpointing(mut self, checkpointing: bool) -> Self {
        self.checkpointing = checkpointing;
        self
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin
    /// that samples. They begin as in the original: linear layers and patches uniform on `±√(6 / (inputs + outputs))`,
    /// the layers of time and condition normal with deviation 0.02, and the last layer, scales, shifts and gates as
    /// zeros, so that each block is the identity.
    ///
    /// # Errors
    /// [`Error::Range`] for a setting that is 0, not a number, or does not divide what it should; [`Error::Shape`] for
    /// sizes that are no multiples of the patches'; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<DiffusionTransformer> {
        self.check()?;
        DiffusionTransformer::build(self, builder)
    }

    /// The size of the middle of feed-forward layers.
    pub(super) fn hidden(&self) -> usize {
        self.feed_forward.hidden(self.width, self.ratio)
    }

    fn check(&self) -> Result<()> {
        if !(2..=4).contains(&self.dim.len()) || self.dim.contains(&0) {
            let accepted = "a list [channels, ...] without zeros, with one to three sizes";
            return Err(Error::range("dim", format!("{:?}", self.dim), accepted));
        }
        let axes = self.dim.len() - 1;
        if self.patch.len() != axes || self.patch.contains(&0) {
            let accepted = format!("a list of {axes} sides without zeros");
            return Err(Error::range(
                "patches",
                format!("{:?}", self.patch),
                accepted,
            ));
        }
        self.check_size("dim", &self.dim)?;
        for (name, count, most) in [
            ("width", self.width, WIDTH),
            ("outputs", self.outputs, WIDTH),
            ("depth", self.depth, DEPTH),
        ] {
            if !(1..=most).contains(&count) {
                let accepted = format!("a count from 1 to {most}");
                return Err(Error::range(name, count, accepted));
            }
        }
        if self.discarded > WIDTH {
            let accepted = format!("a count up to {WIDTH}");
            return Err(Error::range("discarded_outputs", self.discarded, accepted));
        }
        check::finite_number("time_scale", self.time_scale)?;
        check::positive("ratio", self.ratio)?;
        if !(1..=4 * WIDTH).contains(&self.hidden()) {
            let accepted = format!(
                "a ratio whose product with the width, {}, is a count from 1 to {}",
                self.width,
                4 * WIDTH
            );
            return Err(Error::range("ratio", self.ratio, accepted));
        }
        self.check_heads(axes)
    }

    fn check_heads(&self, axes: usize) -> Result<()> {
        let heads = self.heads;
        if heads == 0 || !self.width.is_multiple_of(heads) {
            let accepted = format!("a divisor of the width, {}", self.width);
            return Err(Error::range("heads", heads, accepted));
        }
        if let Some(base) = self.rotary {
            check::positive("rotary", base)?;
            let (size, unit) = (self.width / heads, 2 * axes);
            if !size.is_multiple_of(unit) {
                let accepted = format!(
                    "a number of heads whose size is a multiple of {unit}, as {axes} axes have pairs of numbers to turn"
                );
                let given = format!("{heads}, of size {size}");
                return Err(Error::range("heads", given, accepted));
            }
        }
        if self.positions == PositionEmbedding::SinCos && self.width < 2 * axes {
            let accepted = format!(
                "at least {}, for sines and cosines of {axes} axes",
                2 * axes
            );
            return Err(Error::range("width", self.width, accepted));
        }
        Ok(())
    }

    /// Checks the sizes that come last in a shape: multiples of the patch, of so many patches as can be counted.
    pub(super) fn check_size(&self, argument: &'static str, dims: &[usize]) -> Result<()> {
        let sizes = &dims[dims.len() - self.patch.len()..];
        let mut sides = sizes.iter().zip(&self.patch);
        if !sides.all(|(&size, &side)| size > 0 && size.is_multiple_of(side)) {
            let accepted = format!(
                "sizes that are multiples of those of the patches, {:?}",
                self.patch
            );
            return Err(Error::shape(argument, dims, accepted));
        }
        let counts = sizes
            .iter()
            .zip(&self.patch)
            .map(|(size, side)| size / side);
        let tokens = (counts.into_iter()).try_fold(1usize, |n, count| n.checked_mul(count));
        match tokens {
            Some(tokens) if tokens <= TOKENS => Ok(()),
            _ => {
                let accepted = format!("sizes of at most {TOKENS} patches");
                Err(Error::shape(argument, dims, accepted))
            }
        }
    }
}
