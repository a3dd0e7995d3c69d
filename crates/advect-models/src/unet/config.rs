//! The configuration of a U-Net.

use advect_core::{Error, Result, check};
use advect_ops::HeadOrder;
use candle_nn::VarBuilder;

use super::UNet;
use crate::heads::Heads;
use crate::limits::{self, BLOCKS, CHANNELS, LEVELS, check_halving};

/// The configuration of a [`UNet`]; created by [`UNet::config`].
#[derive(Debug, Clone, PartialEq)]
pub struct UNetConfig {
    pub(super) dim: Vec<usize>,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) blocks: usize,
    pub(super) multipliers: Vec<f64>,
    pub(super) attention: Vec<usize>,
    pub(super) heads: Heads,
    pub(super) heads_upwards: Option<usize>,
    pub(super) order: HeadOrder,
    pub(super) scale_shift: bool,
    pub(super) resample_in_blocks: bool,
    pub(super) classes: usize,
    pub(super) dropout: f64,
    pub(super) groups: usize,
    pub(super) time_scale: f64,
}

impl UNetConfig {
    pub(super) fn new(dim: &[usize]) -> Self {
        UNetConfig {
            dim: dim.to_vec(),
            channels: 128,
            outputs: dim.first().copied().unwrap_or(0),
            blocks: 2,
            multipliers: usual_multipliers(dim.last().copied().unwrap_or(0)),
            attention: Vec::new(),
            heads: Heads::Count(1),
            heads_upwards: None,
            order: HeadOrder::default(),
            scale_shift: false,
            resample_in_blocks: false,
            classes: 0,
            dropout: 0.0,
            groups: 32,
            time_scale: 1.0,
        }
    }

    /// Sets the width of the network, by which the multipliers are multiplied, and the number of its features of time, at
    /// least 2; 128 by default.
    #[doc(alias = "model_channels")]
    #[doc(alias = "num_channels")]
    pub fn channels(mut self, channels: usize) -> Self {
        self.channels = channels;
        self
    }

    /// Sets the number of residual blocks at each level on the way down (there is one more on the way up); 2 by
    /// default.
    #[doc(alias = "num_res_blocks")]
    pub fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// Sets the multipliers of the channels, one for each level; images are half as large from one to the next. The
    /// defaults are those of Dhariwal and Nichol's code for widths of 512, 256, 128 and 64, and for other widths as
    /// many of 1, 2, 2, 2 as the width can be halved for: for 32 and 28 those of torchcfm.
    #[doc(alias = "channel_mult")]
    pub fn multipliers(mut self, multipliers: &[f64]) -> Self {
        self.multipliers = multipliers.to_vec();
        self
    }

    /// Sets the widths of feature maps at which there is attention, besides the middle, which always has it; none by
    /// default. A resolution r means the level that shrinks images by `⌊width / r⌋`, so that 16 of 28 is the first.
    #[doc(alias = "attention_resolutions")]
    pub fn attention(mut self, resolutions: &[usize]) -> Self {
        self.attention = resolutions.to_vec();
        self
    }

    /// Sets the number of attention heads; 1 by default.
    #[doc(alias = "num_heads")]
    pub fn heads(mut self, count: usize) -> Self {
        self.heads = Heads::Count(count);
        self
    }

    /// Sets the number of channels of each head, in place of a number of heads.
    #[doc(alias = "num_head_channels")]
    pub fn head_channels(mut self, channels: usize) -> Self {
        self.heads = Heads::Channels(channels);
        self
    }

    /// Sets another number of heads on the way up. It can't be set beside the channels of a head.
    #[doc(alias = "num_heads_upsample")]
    pub fn heads_upwards(mut self, count: usize) -> Self {
        self.heads_upwards = Some(count);
        self
    }

    /// Sets the order of the channels of queries, keys and values; [`HeadOrder::ByHead`] by default.
    #[doc(alias = "use_new_attention_order")]
    pub fn head_order(mut self, order: HeadOrder) -> Self {
        self.order = order;
        self
    }

    /// Sets whether time and class scale and shift the normalised features, in place of being added to them.
    #[doc(alias = "use_scale_shift_norm")]
    #[doc(alias = "FiLM")]
    #[doc(alias = "AdaGN")]
    pub fn scale_shift(mut self, scale_shift: bool) -> Self {
        self.scale_shift = scale_shift;
        self
    }

    /// Sets whether residual blocks halve and double images, in place of convolutions.
    #[doc(alias = "resblock_updown")]
    pub fn resample_in_blocks(mut self, resample: bool) -> Self {
        self.resample_in_blocks = resample;
        self
    }

    /// Conditions the network on labels in `0..classes`; label `classes` means "none".
    /// Weights of the classes, `(batch, classes)` in floats, may take the place of labels, see [`ClassEmbedding`](advect_nn::ClassEmbedding).
    #[doc(alias = "class_cond")]
    #[doc(alias = "num_classes")]
    #[doc(alias = "CFG")]
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the probability with which features are dropped in training, see [`UNet::dropping`]; 0 by default.
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = probability;
        self
    }

    /// Sets the number of groups of the normalisations; 32 by default, as in the original.
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Sets the number of channels of the output, that of the images by default: twice as many for learned variances.
    #[doc(alias = "out_channels")]
    #[doc(alias = "learn_sigma")]
    pub fn outputs(mut self, channels: usize) -> Self {
        self.outputs = channels;
        self
    }

    /// Sets the factor on times before their features are computed; 1 by default. Wavelengths of the features are from
    /// 6 to 60,000, so that times in [0, 1] change only a few of them: a network that is trained here may take 100 t or
    /// 1000 t.
    ///
    /// This does not reverse time. A network that was trained elsewhere, on steps 0 (the least noise) to 999 (the
    /// most), is asked at step 999 where our time is 0: leave the factor at 1, and wrap the network in `TimeMapped` of
    /// advect-paths, with `DiscreteTimes::steps(1000)`.
    pub fn time_scale(mut self, factor: f64) -> Self {
        self.time_scale = factor;
        self
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin
    /// that samples. Convolutions and linear layers begin as PyTorch's do; the last layer of each residual block, of
    /// each attention block and of the network begins as zeros.
    ///
    /// # Errors
    /// [`Error::Range`] for a setting that is 0, not a number, or does not divide what it should; [`Error::Shape`] for
    /// sizes that cannot be halved as often as there are levels; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<UNet> {
        self.check()?;
        UNet::build(self, builder)
    }

    /// The channels of each level.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |m: &f64| (m * self.channels as f64) as usize;
        self.multipliers.iter().map(width).collect()
    }

    /// The heads of attention on the way up.
    pub(super) fn heads_up(&self) -> Heads {
        self.heads_upwards.map_or(self.heads, Heads::Count)
    }

    /// Whether there is attention at a level.
    pub(super) fn attends(&self, level: usize) -> bool {
        let width = self.dim.last().copied().unwrap_or(0);
        self.attention.iter().any(|r| width / r == 1 << level)
    }

    fn check(&self) -> Result<()> {
        if !(2..=3).contains(&self.dim.len()) || self.dim.contains(&0) {
            let accepted = "a list [channels, height, width] or [channels, length] without zeros";
            return Err(Error::range("dim", format!("{:?}", self.dim), accepted));
        }
        // Features of time come in pairs.
        limits::count("channels", self.channels, 2..=*CHANNELS.end())?;
        limits::count("outputs", self.outputs, CHANNELS)?;
        limits::count("blocks", self.blocks, BLOCKS)?;
        if let (Heads::Channels(_), Some(count)) = (self.heads, self.heads_upwards) {
            let accepted = "no number, as head_channels is set";
            return Err(Error::range("heads_upwards", count, accepted));
        }
        check::finite_number("time_scale", self.time_scale)?;
        check::fraction("dropout", self.dropout)?;
        let levels = self.multipliers.len();
        limits::count("multipliers", levels, LEVELS)?;
        let groups = check::at_least_one("groups", self.groups)?;
        for (multiplier, width) in self.multipliers.iter().zip(self.widths()) {
            if !CHANNELS.contains(&width) || !width.is_multiple_of(groups) {
                let accepted = format!(
                    "a number whose product with the number of channels, {}, is a multiple of the number of groups, {groups}",
                    self.channels
                );
                return Err(Error::range("multipliers", *multiplier, accepted));
            }
        }
        self.check_attention(levels)?;
        for (level, &width) in self.widths().iter().enumerate() {
            // The middle, after the last level, always attends.
            if level == levels - 1 || self.attends(level) {
                self.heads.count(width)?;
            }
            if self.attends(level) {
                self.heads_up().count(width)?;
            }
        }
        self.check_size("dim", &self.dim)
    }

    fn check_attention(&self, levels: usize) -> Result<()> {
        let full = self.dim.last().copied().unwrap_or(0);
        for &resolution in &self.attention {
            let exists = resolution > 0 && (0..levels).any(|level| full / resolution == 1 << level);
            if !exists {
                let known: Vec<usize> = (0..levels).map(|level| full >> level).collect();
                let accepted = format!("one of the widths of feature maps, {known:?}");
                return Err(Error::range("attention", resolution, accepted));
            }
        }
        Ok(())
    }

    /// Checks the size of images or sequences, which come after another dimension.
    pub(super) fn check_size(&self, argument: &'static str, dims: &[usize]) -> Result<()> {
        check_halving(argument, dims, self.dim.len() - 1, self.multipliers.len())
    }
}

/// Multipliers for images of some width.
fn usual_multipliers(width: usize) -> Vec<f64> {
    match width {
        512 => vec![0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
        256 => vec![1.0, 1.0, 2.0, 2.0, 4.0, 4.0],
        128 => vec![1.0, 1.0, 2.0, 3.0, 4.0],
        64 => vec![1.0, 2.0, 3.0, 4.0],
        other => {
            let halvings = other.trailing_zeros().min(3) as usize;
            [1.0, 2.0, 2.0, 2.0][..=halvings].to_vec()
        }
    }
}
