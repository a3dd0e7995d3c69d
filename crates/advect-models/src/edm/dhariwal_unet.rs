//! ADM.

use advect_core::{Key, Result};
use advect_nn::{Cost, Network, network_field};
use advect_ops::Value;
use candle_core::Tensor;
use candle_nn::VarBuilder;

use super::backbone::{Backbone, augmented_network, backbone_network};
use super::mapping::Mapping;
use super::plan::{Kind, Plan};
use super::settings::{Settings, augmented_settings, shared_settings};
use super::style::Style;
use crate::heads::Heads;

/// The configuration of a [`DhariwalUNet`]; created by [`DhariwalUNet::config`] or [`DhariwalUNet::imagenet64`].
#[derive(Debug, Clone, PartialEq)]
pub struct DhariwalUNetConfig {
    settings: Settings,
}

/// The U-Net of Dhariwal and Nichol (2021, section 3: ADM), in the form of Karras et al. (2022, appendix F): a
/// [`Field`](advect_core::Field) on images `(batch, channels, height, width)` and, if it has classes, a
/// [`Conditional`](advect_core::Conditional) field on class labels.
///
/// It is the network that NVlabs' EDM calls `DhariwalUNet`. Its parameters and buffers have the same names and shapes, so that
/// [`ParameterStore::load`](advect_nn::ParameterStore::load) reads their state dicts. The same network with the names of
/// guided-diffusion is a [`UNet`](crate::UNet); EDM's has other groups, queries in another order, and the noise label of a
/// [`SongUNet`](crate::SongUNet): the time is used unchanged.
///
/// Label `classes` means "none": then nothing is added to the features of noise. Evaluation as a plain field uses it.
///
/// ```
/// use advect_core::{Conditional, Field, Key, Time};
/// use advect_models::DhariwalUNet;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let config = DhariwalUNet::config(3, 8).channels(16).multipliers(&[1, 2]).blocks(1).head_channels(16);
/// let net = config.classes(10).build(&store.builder())?;
/// let x = Tensor::ones((2, 3, 8, 8), DType::F32, &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 10], &Device::Cpu)?;
/// let value = net.given(&labels).at(&Time::Shared(-0.3), &x)?;
/// // Its last layer begins as zeros.
/// assert_eq!(value.flatten_all()?.to_vec1::<f32>()?, [0.0; 2 * 3 * 64]);
/// assert!(store.parameters().iter().any(|(name, _)| name == "enc.4x4_block0.norm0.weight"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "ADM")]
#[doc(alias = "EDM")]
#[derive(Debug, Clone)]
pub struct DhariwalUNet {
    config: DhariwalUNetConfig,
    backbone: Backbone,
}

shared_settings!(
    DhariwalUNetConfig,
    DhariwalUNet,
    channels = "192",
    multipliers = "1, 2, 3, 4",
    blocks = "3",
    attention = "32, 16 and 8"
);
augmented_settings!(DhariwalUNetConfig, DhariwalUNet);

impl DhariwalUNetConfig {
    /// Sets the number of channels of each head of attention; 64 by default.
    #[doc(alias = "channels_per_head")]
    pub fn head_channels(mut self, channels: usize) -> Self {
        self.settings.heads = Heads::Channels(channels);
        self
    }

    /// Builds the network with parameters from a builder: `store.builder()` to train it, `store.frozen()` for a twin
    /// that samples. Weights and biases begin uniform on `±1/√fan_in`; the last layer of each branch and of the network
    /// begins as zeros, and so does that of augmentation labels.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a setting that is 0, not a number, or does not divide what it
    /// should; [`Error::Shape`](advect_core::Error::Shape) for a resolution that cannot be halved as often as there are
    /// levels; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<DhariwalUNet> {
        let settings = &self.settings;
        settings.check_with_waves()?;
        let plan = Plan::new(settings, Kind::Dhariwal);
        plan.check(settings)?;
        let (style, mapping) = (Style::dhariwal()?, Mapping::dhariwal(settings, builder)?);
        Ok(DhariwalUNet {
            backbone: Backbone::new(settings, &plan, &style, mapping, builder)?,
            config: self.clone(),
        })
    }
}

impl DhariwalUNet {
    /// Creates a configuration for square images of `channels` channels and `resolution` pixels on a side. Its defaults
    /// are those of EDM's class, with dropout 0.1.
    pub fn config(channels: usize, resolution: usize) -> DhariwalUNetConfig {
        DhariwalUNetConfig {
            settings: Settings {
                images: channels,
                resolution,
                outputs: channels,
                channels: 192,
                multipliers: vec![1, 2, 3, 4],
                embedding_multiplier: 4,
                blocks: 3,
                usual_attention: &[32, 16, 8],
                attention: None,
                heads: Heads::Channels(64),
                dropout: 0.1,
                classes: 0,
                label_dropout: 0.0,
                augmentation: 0,
            },
        }
    }

    /// Creates the configuration of ADM for the 1,000 classes of ImageNet at 64 × 64 pixels, as EDM trains it (Karras et
    /// al. 2022, table 7): 296 million parameters.
    pub fn imagenet64() -> DhariwalUNetConfig {
        DhariwalUNet::config(3, 64).classes(1000)
    }
}
backbone_network!(DhariwalUNet, DhariwalUNetConfig);
augmented_network!(DhariwalUNet, DhariwalUNetConfig);
