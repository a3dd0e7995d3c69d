//! EDM2's network.

use advect_core::{Key, Result, check};
use advect_nn::{Cost, Network, network_field};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::WeightNormalization;
use super::backbone::Backbone;
use super::mapping::Mapping;
use super::style::Style;
use crate::edm::backbone::backbone_network;
use crate::edm::plan::{Kind, Plan};
use crate::edm::settings::{Settings, shared_settings};
use crate::heads::Heads;
use crate::limits::{self, CHANNELS};

/// The configuration of an [`Edm2UNet`]; created by [`Edm2UNet::config`] or by the name of a size, such as
/// [`Edm2UNet::small`].
#[derive(Debug, Clone, PartialEq)]
pub struct Edm2UNetConfig {
    settings: Settings,
    noise_multiplier: Option<usize>,
    embedding_multiplier: Option<usize>,
    label_balance: f64,
    skip_balance: f64,
    style: Style,
}

/// The U-Net of EDM2 (Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion models", figure 21:
/// configuration G): each of its layers preserves magnitudes. It is a [`Field`](advect_core::Field) on images
/// `(batch, channels, height, width)` and, if it has classes, a [`Conditional`](advect_core::Conditional) field on class labels.
///
/// A layer's weights have unit length, it has no bias, and there is no group normalisation: features of unit
/// variance stay so through sums, concatenations and activations, which are scaled for it. Attention goes by cosines. The gains, by which noise and class
/// act in a block and by which the output is scaled, begin as zeros, so the network begins as zero. In training, weights are normalised
/// after each step by its [`weight_normalization`](Self::weight_normalization), and losses are weighted by a [`NoiseUncertainty`](crate::NoiseUncertainty).
///
/// | size | channels | dropout | parameters for latents of 4 channels and 64 pixels, 1000 classes |
/// | --- | --- | --- | --- |
/// | [`extra_small`](Self::extra_small) (XS) | 128 | 0 | 125 M |
/// | [`small`](Self::small) (S) | 192 | 0 | 280 M |
/// | [`medium`](Self::medium) (M) | 256 | 0.1 | 498 M |
/// | [`large`](Self::large) (L) | 320 | 0.1 | 777 M |
/// | [`extra_large`](Self::extra_large) (XL) | 384 | 0.1 | 1,119 M |
/// | [`extra_extra_large`](Self::extra_extra_large) (XXL) | 448 | 0.1 | 1,523 M |
///
/// Its parameters and buffers have the names and shapes of the state dicts of NVlabs' EDM2, where its builder is
/// `store.builder().pp("unet")`, and [`ParameterStore::load`](advect_nn::ParameterStore::load) reads them. Images may have other
/// sizes than the configured one, as long as they can be halved as often.
///
/// The time of this field is the noise label of a [`SongUNet`](crate::SongUNet), `¼ ln σ`, which `EdmPreconditioner` of `advect-paths` provides.
///
/// Label `classes` means "none": a vector of zeros in place of a unit vector. Evaluation as a plain field uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::Edm2UNet;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let config = Edm2UNet::config(3, 8).channels(16).multipliers(&[1, 2]).blocks(1).head_channels(16);
/// let net = config.classes(10).build(&store.builder().pp("unet"))?;
/// let x = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 10], &Device::Cpu)?;
/// let value = net.given(&labels).at(&Time::Shared(-0.3), &x)?;
/// assert_eq!(value.flatten_all()?.to_vec1::<f32>()?, [0.0; 2 * 3 * 64]);
/// assert!(store.parameters().iter().any(|(name, _)| name == "unet.enc.4x4_block0.conv_res0.weight"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "EDM2")]
#[doc(alias = "magnitude-preserving")]
#[doc(alias = "MPConv")]
#[derive(Debug, Clone)]
pub struct Edm2UNet {
    config: Edm2UNetConfig,
    backbone: Backbone,
}

shared_settings!(
    Edm2UNetConfig,
    Edm2UNet,
    channels = "192",
    multipliers = "1, 2, 3, 4",
    blocks = "3",
    attention = "16 and 8"
);

impl Edm2UNetConfig {
    /// Sets the number of channels of each head of attention; 64 by default.
    #[doc(alias = "channels_per_head")]
    pub fn head_channels(mut self, channels: usize) -> Self {
        self.settings.heads = Heads::Channels(channels);
        self
    }

    /// Sets the number of the features of noise, as a multiple of the network's width; the first of the multipliers by default.
    #[doc(alias = "channel_mult_noise")]
    pub fn noise_multiplier(mut self, multiplier: usize) -> Self {
        self.noise_multiplier = Some(multiplier);
        self
    }

    /// Sets the number of features of noise and class that blocks get, as a multiple of the network's width; the largest of
    /// the multipliers by default.
    #[doc(alias = "channel_mult_emb")]
    pub fn embedding_multiplier(mut self, multiplier: usize) -> Self {
        self.embedding_multiplier = Some(multiplier);
        self
    }

    /// Sets how much the class counts beside the noise, from 0 (only noise) to 1 (only the class); 0.5 by default.
    #[doc(alias = "mp_sum")]
    pub fn label_balance(mut self, balance: f64) -> Self {
        self.label_balance = balance;
        self
    }

    /// Sets how much values of the encoder count beside those of the decoder, from 0 to 1; 0.5 by default.
    #[doc(alias = "concat_balance")]
    #[doc(alias = "mp_cat")]
    pub fn skip_balance(mut self, balance: f64) -> Self {
        self.skip_balance = balance;
        self
    }

    /// Sets how much the residual branch of a block counts beside its input, from 0 to 1; 0.3 by default.
    #[doc(alias = "res_balance")]
    pub fn residual_balance(mut self, balance: f64) -> Self {
        self.style.residual = balance;
        self
    }

    /// Sets how much attention counts beside its input, from 0 to 1; 0.3 by default.
    #[doc(alias = "attn_balance")]
    pub fn attention_balance(mut self, balance: f64) -> Self {
        self.style.attention = balance;
        self
    }

    /// Sets the bound to which the values of blocks are limited; 256 by default, and no bound for `None`.
    #[doc(alias = "clip_act")]
    pub fn clip(mut self, bound: impl Into<Option<f64>>) -> Self {
        self.style.clip = bound.into();
        self
    }

    /// Sets whether the backward pass computes each block's insides again in place of keeping them, see
    /// [`checkpointed`](advect_ops::checkpointed); false by default.
    #[doc(alias = "gradient checkpointing")]
    pub fn checkpointing(mut self, recompute: bool) -> Self {
        self.style.checkpointing = recompute;
        self
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin
    /// that samples. Weights begin as standard normal numbers, gains as zeros.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a setting that is 0, not a number, or does not divide what it
    /// should; [`Error::Shape`](advect_core::Error::Shape) for a resolution that cannot be halved as often as there are
    /// levels; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<Edm2UNet> {
        let mut settings = self.settings.clone();
        settings.check()?;
        let largest = settings.multipliers.iter().copied().max().unwrap_or(1);
        let multiplier = self.embedding_multiplier.unwrap_or(largest);
        settings.embedding_multiplier = multiplier;
        limits::count("embedding_multiplier", settings.embedding(), CHANNELS)?;
        let multiplier = self.noise_multiplier.unwrap_or(settings.multipliers[0]);
        let features = settings.channels.saturating_mul(multiplier);
        limits::count("noise_multiplier", features, CHANNELS)?;
        let label_balance = check::fraction("label_balance", self.label_balance)?;
        let skip_balance = check::fraction("skip_balance", self.skip_balance)?;
        self.style.check()?;
        let plan = Plan::new(&settings, Kind::Dhariwal);
        plan.check_heads(&settings)?;
        let mapping = Mapping::new(&settings, features, label_balance, builder)?;
        let (style, balance) = (self.style, skip_balance);
        Ok(Edm2UNet {
            backbone: Backbone::new(&settings, &plan, style, balance, mapping, builder)?,
            config: self.clone(),
        })
    }
}

impl Edm2UNet {
    /// Creates a configuration for square images of `channels` channels and `resolution` pixels on a side. Its size is that of
    /// [`small`](Self::small).
    pub fn config(channels: usize, resolution: usize) -> Edm2UNetConfig {
        Edm2UNetConfig {
            settings: Settings {
                images: channels,
                resolution,
                outputs: channels,
                channels: 192,
                multipliers: vec![1, 2, 3, 4],
                embedding_multiplier: 1,
                blocks: 3,
                usual_attention: &[16, 8],
                attention: None,
                heads: Heads::Channels(64),
                dropout: 0.0,
                classes: 0,
                label_dropout: 0.0,
                augmentation: 0,
            },
            noise_multiplier: None,
            embedding_multiplier: None,
            label_balance: 0.5,
            skip_balance: 0.5,
            style: Style {
                residual: 0.3,
                attention: 0.3,
                clip: Some(256.0),
                checkpointing: false,
            },
        }
    }

    /// Creates a configuration of size XS: 128 channels.
    #[doc(alias = "EDM2-XS")]
    pub fn extra_small(channels: usize, resolution: usize) -> Edm2UNetConfig {
        Self::config(channels, resolution).channels(128)
    }

    /// Creates a configuration of size S: 192 channels.
    #[doc(alias = "EDM2-S")]
    pub fn small(channels: usize, resolution: usize) -> Edm2UNetConfig {
        Self::config(channels, resolution).channels(192)
    }

    /// Creates a configuration of size M: 256 channels, dropout 0.1.
    #[doc(alias = "EDM2-M")]
    pub fn medium(channels: usize, resolution: usize) -> Edm2UNetConfig {
        let config = Self::config(channels, resolution);
        config.channels(256).dropout(0.1)
    }

    /// Creates a configuration of size L: 320 channels, dropout 0.1.
    #[doc(alias = "EDM2-L")]
    pub fn large(channels: usize, resolution: usize) -> Edm2UNetConfig {
        let config = Self::config(channels, resolution);
        config.channels(320).dropout(0.1)
    }

    /// Creates a configuration of size XL: 384 channels, dropout 0.1.
    #[doc(alias = "EDM2-XL")]
    pub fn extra_large(channels: usize, resolution: usize) -> Edm2UNetConfig {
        let config = Self::config(channels, resolution);
        config.channels(384).dropout(0.1)
    }

    /// Creates a configuration of size XXL: 448 channels, dropout 0.1.
    #[doc(alias = "EDM2-XXL")]
    pub fn extra_extra_large(channels: usize, resolution: usize) -> Edm2UNetConfig {
        let config = Self::config(channels, resolution);
        config.channels(448).dropout(0.1)
    }

    /// Returns the weights that are to be normalised after each step of training.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) naming `network` for a frozen twin.
    pub fn weight_normalization(&self) -> Result<WeightNormalization> {
        WeightNormalization::of(self.backbone.layers())
    }
}
backbone_network!(Edm2UNet, Edm2UNetConfig);
