//! DDPM++ and NCSN++.

use advect_core::{Error, Key, Result};
use advect_nn::{Cost, Network, network_field};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::{Backbone, augmented_network, backbone_network};
use super::mapping::Mapping;
use super::plan::{Kind, Plan};
use super::settings::{Settings, augmented_settings, shared_settings};
use super::style::Style;
use super::{NoiseEmbedding, SongDecoder, SongEncoder};
use crate::heads::Heads;
use crate::limits::{self, BLOCKS, CHANNELS};

/// The configuration of a [`SongUNet`]; created by [`SongUNet::config`], [`SongUNet::ddpmpp`] or [`SongUNet::ncsnpp`].
#[derive(Debug, Clone, PartialEq)]
pub struct SongUNetConfig {
    settings: Settings,
    noise_embedding: NoiseEmbedding,
    noise_multiplier: usize,
    encoder: SongEncoder,
    decoder: SongDecoder,
    resample_filter: Vec<f64>,
}

/// The U-Net of Song et al. (2021, appendix H), in the form of Karras et al. (2022, table 1 and appendix F): DDPM++,
/// NCSN++ and what lies between. It is a [`Field`](advect_core::Field) on images `(batch, channels, height, width)` and,
/// if it has classes, a [`Conditional`](advect_core::Conditional) field on class labels.
///
/// It is the network that NVlabs' EDM calls `SongUNet`. Its parameters have the same names and shapes, and so have the
/// buffers: [`ParameterStore::load`](advect_nn::ParameterStore::load) reads their state dicts, uses the random
/// frequencies of [`NoiseEmbedding::Fourier`], and checks the filters. Images may have other sizes than the configured one, as long as they can be
/// halved as often.
///
/// The time of this field is EDM's *noise label*, any number, from which features are computed without scaling. A
/// `Preconditioned` of `advect-paths` provides it: `¼ ln σ` with `EdmPreconditioner`, `(M − 1) s` with
/// `VpPreconditioner`, `ln(σ/2)` with `VePreconditioner`. A network that is trained here on times in [0, 1] learns from
/// them too, but frequencies of [`NoiseEmbedding::Positional`] of at most 1 tell them poorly apart.
///
/// Label `classes` means "none": a vector of zeros in place of a unit vector. Evaluation as a plain field uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::SongUNet;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let config = SongUNet::ncsnpp(3, 8).channels(16).multipliers(&[1, 2]).blocks(1).classes(10);
/// let net = config.build(&store.builder())?;
/// let x = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 10], &Device::Cpu)?;
/// assert_eq!(net.given(&labels).at(&Time::Shared(-0.3), &x)?.dims(), [2, 3, 8, 8]);
/// // What is not trained is in the state all the same.
/// assert!(store.parameters().iter().any(|(name, _)| name == "enc.4x4_block0.norm0.weight"));
/// assert!(store.buffers().iter().any(|(name, _)| name == "map_noise.freqs"));
/// assert_eq!(net.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DDPM++")]
#[doc(alias = "NCSN++")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone)]
pub struct SongUNet {
    config: SongUNetConfig,
    backbone: Backbone,
}

shared_settings!(
    SongUNetConfig,
    SongUNet,
    channels = "128",
    multipliers = "1, 2, 2, 2",
    blocks = "4",
    attention = "16"
);
augmented_settings!(SongUNetConfig, SongUNet);

impl SongUNetConfig {
    /// Sets the features of noise; [`NoiseEmbedding::Positional`] by default.
    #[doc(alias = "embedding_type")]
    pub fn noise_embedding(mut self, embedding: NoiseEmbedding) -> Self {
        self.noise_embedding = embedding;
        self
    }

    /// Sets the number of the features of noise, as a multiple of the network's width; 1 by default.
    #[doc(alias = "channel_mult_noise")]
    pub fn noise_multiplier(mut self, multiplier: usize) -> Self {
        self.noise_multiplier = multiplier;
        self
    }

    /// Sets the way of the images through the encoder; [`SongEncoder::Standard`] by default.
    #[doc(alias = "encoder_type")]
    pub fn encoder(mut self, encoder: SongEncoder) -> Self {
        self.encoder = encoder;
        self
    }

    /// Sets the levels of the decoder that contribute to the output; [`SongDecoder::Standard`] by default.
    #[doc(alias = "decoder_type")]
    pub fn decoder(mut self, decoder: SongDecoder) -> Self {
        self.decoder = decoder;
        self
    }

    /// Sets the taps of the filter with which feature maps are halved and doubled along each side: an even number of
    /// them, of any sum but 0, by which they are divided. `[1, 1]`, the default, is the mean of squares; `[1, 3, 3, 1]`
    /// is NCSN++'s.
    #[doc(alias = "FIR")]
    pub fn resample_filter(mut self, taps: &[f64]) -> Self {
        self.resample_filter = taps.to_vec();
        self
    }

    /// Sets the number of attention heads; 1 by default.
    pub fn heads(mut self, count: usize) -> Self {
        self.settings.heads = Heads::Count(count);
        self
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin
    /// that samples. Weights begin uniform on `±g √(6/(fan_in + fan_out))`, with g = 1e-5 for the last layer of each
    /// branch and of the network, `√0.2` for queries, keys and values, and 1 for the others; biases begin as zeros.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a setting that is 0, not a number, or does not divide what it
    /// should; [`Error::Shape`](advect_core::Error::Shape) for a resolution that cannot be halved as often as there are
    /// levels; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<SongUNet> {
        let settings = &self.settings;
        settings.check_with_waves()?;
        limits::count("noise_multiplier", self.noise_multiplier, BLOCKS)?;
        let features = settings.channels.saturating_mul(self.noise_multiplier);
        limits::count("noise_multiplier", features, CHANNELS)?;
        let style = Style::song(&self.resample_filter, builder).map_err(|error| match error {
            Error::Range {
                argument,
                given,
                accepted,
            } if argument == "taps" => {
                let argument = "resample_filter".into();
                Error::Range {
                    argument,
                    given,
                    accepted,
                }
            }
            other => other,
        })?;
        let plan = Plan::new(settings, Kind::Song(self.encoder, self.decoder));
        plan.check(settings)?;
        let mapping = Mapping::song(settings, self.noise_embedding, features, builder)?;
        Ok(SongUNet {
            backbone: Backbone::new(settings, &plan, &style, mapping, builder)?,
            config: self.clone(),
        })
    }
}

impl SongUNet {
    /// Creates a configuration for square images of `channels` channels and `resolution` pixels on a side. Its defaults
    /// are those of EDM's class: DDPM++ with dropout 0.1.
    pub fn config(channels: usize, resolution: usize) -> SongUNetConfig {
        SongUNetConfig {
            settings: Settings {
                images: channels,
                resolution,
                outputs: channels,
                channels: 128,
                multipliers: vec![1, 2, 2, 2],
                embedding_multiplier: 4,
                blocks: 4,
                usual_attention: &[16],
                attention: None,
                heads: Heads::Count(1),
                dropout: 0.1,
                classes: 0,
                label_dropout: 0.0,
                augmentation: 0,
            },
            noise_embedding: NoiseEmbedding::Positional,
            noise_multiplier: 1,
            encoder: SongEncoder::Standard,
            decoder: SongDecoder::Standard,
            resample_filter: vec![1.0, 1.0],
        }
    }

    /// Creates the configuration of DDPM++ as EDM trains it (Karras et al. 2022, table 7): multipliers 2, 2, 2 for images
    /// of up to 32 pixels on a side, as those of CIFAR-10, and 1, 2, 2, 2 for larger ones; dropout 0.13, that of CIFAR-10,
    /// where EDM has 0.05 for FFHQ and 0.25 for AFHQv2. EDM also gives it 9 [augmentation](SongUNetConfig::augmentation)
    /// labels, with which it has 55.7 million parameters.
    pub fn ddpmpp(channels: usize, resolution: usize) -> SongUNetConfig {
        let multipliers: &[usize] = match resolution {
            ..=32 => &[2, 2, 2],
            _ => &[1, 2, 2, 2],
        };
        SongUNet::config(channels, resolution)
            .multipliers(multipliers)
            .dropout(0.13)
    }

    /// Creates the configuration of NCSN++ as EDM trains it (Karras et al. 2022, table 7): that of
    /// [`ddpmpp`](SongUNet::ddpmpp) with Fourier features of noise, twice as many, a residual encoder, and the filter
    /// `[1, 3, 3, 1]`.
    pub fn ncsnpp(channels: usize, resolution: usize) -> SongUNetConfig {
        SongUNet::ddpmpp(channels, resolution)
            .noise_embedding(NoiseEmbedding::Fourier)
            .noise_multiplier(2)
            .encoder(SongEncoder::Residual)
            .resample_filter(&[1.0, 3.0, 3.0, 1.0])
    }
}
backbone_network!(SongUNet, SongUNetConfig);
augmented_network!(SongUNet, SongUNetConfig);
