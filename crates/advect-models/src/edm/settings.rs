//! The settings that the networks have in common.

use advect_core::{Error, Result, check};

use crate::heads::Heads;
use crate::limits::{self, BLOCKS, CHANNELS, LEVELS, check_halving};

/// The settings of any network of EDM.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// The channels of images.
    pub(super) images: usize,
    pub(super) resolution: usize,
    pub(super) outputs: usize,
    pub(super) channels: usize,
    pub(super) multipliers: Vec<usize>,
    pub(super) embedding_multiplier: usize,
    pub(super) blocks: usize,
    /// The usual resolutions with attention, and those that were asked for.
    pub(super) usual_attention: &'static [usize],
    pub(super) attention: Option<Vec<usize>>,
    pub(super) heads: Heads,
    pub(super) dropout: f64,
    pub(super) classes: usize,
    pub(super) label_dropout: f64,
    pub(super) augmentation: usize,
}

impl Settings {
    /// The channels of each level.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |m: &usize| m.saturating_mul(self.channels);
        self.multipliers.iter().map(width).collect()
    }

    /// The number of features of noise and class.
    pub(super) fn embedding(&self) -> usize {
        self.channels.saturating_mul(self.embedding_multiplier)
    }

    /// Whether there is attention at a level.
    pub(super) fn attends(&self, level: usize) -> bool {
        let attention = self.attention.as_deref().unwrap_or(self.usual_attention);
        attention.contains(&(self.resolution >> level))
    }

    pub(super) fn check(&self) -> Result<()> {
        limits::count("image channels", self.images, CHANNELS)?;
        limits::count("outputs", self.outputs, CHANNELS)?;
        limits::count("channels", self.channels, CHANNELS)?;
        limits::count("blocks", self.blocks, BLOCKS)?;
        limits::count("embedding_multiplier", self.embedding_multiplier, BLOCKS)?;
        let levels = limits::count("multipliers", self.multipliers.len(), LEVELS)?;
        for (&multiplier, width) in self.multipliers.iter().zip(self.widths()) {
            if !CHANNELS.contains(&width) {
                let accepted = format!(
                    "a number from 1, whose product with the number of channels, {}, is up to {}",
                    self.channels,
                    CHANNELS.end()
                );
                return Err(Error::range("multipliers", multiplier, accepted));
            }
        }
        check_halving("resolution", &[self.resolution], 1, levels)?;
        for &resolution in self.attention.iter().flatten() {
            let known: Vec<usize> = (0..levels).map(|l| self.resolution >> l).collect();
            if !known.contains(&resolution) {
                let accepted = format!("one of the widths of feature maps, {known:?}");
                return Err(Error::range("attention", resolution, accepted));
            }
        }
        check::fraction("dropout", self.dropout)?;
        check::fraction("label_dropout", self.label_dropout)?;
        if self.augmentation > 0 {
            limits::count("augmentation", self.augmentation, CHANNELS)?;
        }
        Ok(())
    }

    /// Checks the settings of a network that tells noise by as many sines as cosines.
    pub(super) fn check_with_waves(&self) -> Result<()> {
        self.check()?;
        match self.channels.is_multiple_of(2) {
            true => Ok(()),
            false => {
                let accepted = "an even number, as noise is told by as many sines as cosines";
                Err(Error::range("channels", self.channels, accepted))
            }
        }
    }
}

/// The methods that set what the networks of EDM have in common.
macro_rules! shared_settings {
    ($config:ident, $network:ident, channels = $channels:literal, multipliers = $multipliers:literal,
     blocks = $blocks:literal, attention = $attention:literal) => {
        impl $config {
            /// Sets the width of the network, by which the multipliers are multiplied;
            #[doc = concat!(" ", $channels, " by default.")]
            #[doc(alias = "model_channels")]
            pub fn channels(mut self, channels: usize) -> Self {
                self.settings.channels = channels;
                self
            }

            /// Sets the multipliers of the channels, one for each level; images are half as large from one to the next.
            #[doc = concat!("The default is ", $multipliers, ".")]
            #[doc(alias = "channel_mult")]
            pub fn multipliers(mut self, multipliers: &[usize]) -> Self {
                self.settings.multipliers = multipliers.to_vec();
                self
            }

            /// Sets the number of residual blocks at each level on the way down (there is one more on the way up);
            #[doc = concat!(" ", $blocks, " by default.")]
            #[doc(alias = "num_blocks")]
            pub fn blocks(mut self, blocks: usize) -> Self {
                self.settings.blocks = blocks;
                self
            }

            /// Sets the widths of feature maps at which there is attention, besides the first block of the way up, which
            /// always has it. The default are those of
            #[doc = concat!(" ", $attention, " that occur.")]
            #[doc(alias = "attn_resolutions")]
            pub fn attention(mut self, resolutions: &[usize]) -> Self {
                self.settings.attention = Some(resolutions.to_vec());
                self
            }

            /// Sets the number of channels of the output; that of the images by default.
            #[doc(alias = "out_channels")]
            pub fn outputs(mut self, channels: usize) -> Self {
                self.settings.outputs = channels;
                self
            }

            /// Sets the probability with which features are dropped in training, see
            #[doc = concat!("[`", stringify!($network), "::dropping`].")]
            pub fn dropout(mut self, probability: f64) -> Self {
                self.settings.dropout = probability;
                self
            }

            /// Conditions the network on labels in `0..classes`; label `classes` means "none".
            /// Weights of the classes, `(batch, classes)` in floats, may take the place of labels, see [`ClassEmbedding`](advect_nn::ClassEmbedding).
            #[doc(alias = "label_dim")]
            #[doc(alias = "CFG")]
            pub fn classes(mut self, classes: usize) -> Self {
                self.settings.classes = classes;
                self
            }

            /// Sets the probability with which a label is replaced by "none" in training, see
            #[doc = concat!("[`", stringify!($network), "::dropping`];")]
            /// 0 by default.
            #[doc(alias = "classifier-free guidance")]
            pub fn label_dropout(mut self, probability: f64) -> Self {
                self.settings.label_dropout = probability;
                self
            }
        }
    };
}
pub(super) use shared_settings;

/// The methods that set what the networks of EDM have in common, but not those of EDM2.
macro_rules! augmented_settings {
    ($config:ident, $network:ident) => {
        impl $config {
            /// Sets the number of features of noise and class that blocks get, as a multiple of the network's width; 4 by
            /// default.
            #[doc(alias = "channel_mult_emb")]
            pub fn embedding_multiplier(mut self, multiplier: usize) -> Self {
                self.settings.embedding_multiplier = multiplier;
                self
            }

            /// Sets the count of numbers that describe the augmentation of each training image to the network (Karras et
            /// al. 2020, section 2; 9 in EDM), see
            #[doc = concat!("[`", stringify!($network), "::augmented`];")]
            /// 0 by default.
            #[doc(alias = "augment_dim")]
            pub fn augmentation(mut self, labels: usize) -> Self {
                self.settings.augmentation = labels;
                self
            }
        }
    };
}
pub(super) use augmented_settings;
