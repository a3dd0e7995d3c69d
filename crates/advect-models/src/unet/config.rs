//! What a U-Net looks like.

use advect_core::{Error, Result, check};
use advect_ops::HeadOrder;
use candle_nn::VarBuilder;

use super::UNet;

/// What a [`UNet`] looks like; made by [`UNet::config`].
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

/// Levels, blocks and channels beyond which sizes could not be counted.
const LEVELS: usize = 32;
const BLOCKS: usize = 1 << 10;
const CHANNELS: usize = 1 << 20;

/// How channels are divided among the heads of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heads {
    Count(usize),
    Channels(usize),
}

impl Heads {
    /// The number of heads for so many channels.
    pub(super) fn count(self, channels: usize) -> Result<usize> {
        let (name, given, count) = match self {
            Heads::Count(count) => ("heads", count, count),
            Heads::Channels(each) => ("head_channels", each, channels / each.max(1)),
        };
        if given == 0 || !channels.is_multiple_of(given) {
            let accepted =
                format!("a divisor of the {channels} channels at a level with attention");
            return Err(Error::range(name, given, accepted));
        }
        Ok(count)
    }
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

    /// The width of the network, which the multipliers multiply, and the number of its features of time; 128 unless set.
    pub fn channels(mut self, channels: usize) -> Self {
        self.channels = channels;
        self
    }

    /// Residual blocks at each level on the way down (one more on the way up); 2 unless set.
    pub fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// Multipliers of the channels, one for each level; images are half as large from one to the next. Unless set, they
    /// are those that Dhariwal and Nichol use for widths of 512, 256, 128, 64, 32 and 28, and elsewhere as many of 1, 2,
    /// 2, 2 as the width can be halved for.
    pub fn multipliers(mut self, multipliers: &[f64]) -> Self {
        self.multipliers = multipliers.to_vec();
        self
    }

    /// The widths of feature maps at which there is attention, besides the middle, which always has it; none unless set.
    /// A resolution r means the level that shrinks images by `⌊width / r⌋`, so that 16 of 28 is the first.
    pub fn attention(mut self, resolutions: &[usize]) -> Self {
        self.attention = resolutions.to_vec();
        self
    }

    /// The number of heads of attention; 1 unless set.
    pub fn heads(mut self, count: usize) -> Self {
        self.heads = Heads::Count(count);
        self
    }

    /// Channels of each head, in place of a number of heads.
    pub fn head_channels(mut self, channels: usize) -> Self {
        self.heads = Heads::Channels(channels);
        self
    }

    /// Another number of heads on the way up. A network whose heads are told by their channels has none to set.
    pub fn heads_upwards(mut self, count: usize) -> Self {
        self.heads_upwards = Some(count);
        self
    }

    /// The order of the channels of queries, keys and values; [`HeadOrder::ByHead`] unless set.
    pub fn head_order(mut self, order: HeadOrder) -> Self {
        self.order = order;
        self
    }

    /// Has time and class scale and shift the normalised features, in place of being added to them.
    pub fn scale_shift(mut self, scale_shift: bool) -> Self {
        self.scale_shift = scale_shift;
        self
    }

    /// Has residual blocks halve and double images, in place of convolutions.
    pub fn resample_in_blocks(mut self, resample: bool) -> Self {
        self.resample_in_blocks = resample;
        self
    }

    /// Conditions the network on labels in `0..classes`; label `classes` means "none".
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = classes;
        self
    }

    /// The probability with which features are dropped in training, see [`UNet::dropping`]; 0 unless set.
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = probability;
        self
    }

    /// Groups of the normalisations; 32 unless set, as in the original.
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// Channels of the value, if not those of the images: twice as many for learned variances.
    pub fn outputs(mut self, channels: usize) -> Self {
        self.outputs = channels;
        self
    }

    /// The factor on times before their features are made; 1 unless set. Wavelengths of the features are from 6 to
    /// 60,000, so that times in [0, 1] change only a few of them: a network that is trained here may be told 100 t or 1000 t.
    ///
    /// This does not turn time round. A network that was trained elsewhere, on steps 0 (the least noise) to 999 (the most), is asked at
    /// step 999 where our time is 0: leave the factor at 1, and wrap the network in `TimeMapped` of advect-paths, with
    /// `DiscreteTimes::steps(1000)`.
    pub fn time_scale(mut self, factor: f64) -> Self {
        self.time_scale = factor;
        self
    }

    /// The network, with its parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin that
    /// samples. Convolutions and linear layers begin as PyTorch's do; the last layer of each residual block, of each
    /// attention block and of the network as zeros.
    ///
    /// # Errors
    /// [`Error::Range`] for a setting that is 0, not a number, or does not divide what it should; [`Error::Shape`] for
    /// sizes that cannot be halved as often as there are levels; those of the builder.
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
            let accepted = "[channels, height, width] or [channels, length], none of them 0";
            return Err(Error::range("dim", format!("{:?}", self.dim), accepted));
        }
        for (name, count, most) in [
            ("channels", self.channels, CHANNELS),
            ("outputs", self.outputs, CHANNELS),
            ("blocks", self.blocks, BLOCKS),
        ] {
            if !(1..=most).contains(&count) {
                return Err(Error::range(
                    name,
                    count,
                    format!("a count from 1 to {most}"),
                ));
            }
        }
        if let (Heads::Channels(_), Some(count)) = (self.heads, self.heads_upwards) {
            let accepted = "no such number beside head_channels";
            return Err(Error::range("heads_upwards", count, accepted));
        }
        check::finite_number("time_scale", self.time_scale)?;
        check::fraction("dropout", self.dropout)?;
        let levels = self.multipliers.len();
        if !(1..=LEVELS).contains(&levels) {
            let accepted = format!("1 to {LEVELS} of them");
            return Err(Error::range("multipliers", levels, accepted));
        }
        let groups = check::at_least_one("groups", self.groups)?;
        for (multiplier, width) in self.multipliers.iter().zip(self.widths()) {
            if !(1..=CHANNELS).contains(&width) || !width.is_multiple_of(groups) {
                let accepted = format!(
                    "numbers whose products with {} channels are multiples of {groups} groups",
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
                let accepted = format!("widths of feature maps: {known:?}");
                return Err(Error::range("attention", resolution, accepted));
            }
        }
        Ok(())
    }

    /// Checks the size of images or sequences, which come after another dimension.
    pub(super) fn check_size(&self, argument: &'static str, dims: &[usize]) -> Result<()> {
        let most = 1 << (self.multipliers.len() - 1);
        let sizes = &dims[dims.len() + 1 - self.dim.len()..];
        if sizes
            .iter()
            .all(|&size| size > 0 && size.is_multiple_of(most))
        {
            return Ok(());
        }
        let accepted = format!(
            "sizes that are multiples of {most}, as there are {} levels",
            self.multipliers.len()
        );
        Err(Error::shape(argument, dims, accepted))
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
