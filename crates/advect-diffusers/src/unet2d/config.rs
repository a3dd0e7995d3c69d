//! The configuration of a U-Net.

use advect_core::{Error, Result};
use advect_nn::Activation;
use candle_nn::VarBuilder;

use super::UNet2d;
use super::block_kind::{BlockKind, Resampling, kinds};
use crate::Config;
use crate::block::{Resample, ResidualConfig};

/// The configuration of a [`UNet2d`], from the `config.json` of a `UNet2DModel`.
///
/// ```
/// use advect_core::Key;
/// use advect_diffusers::{Config, UNet2dConfig};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{
///     "_class_name": "UNet2DModel", "sample_size": 8, "in_channels": 1, "out_channels": 1, "block_out_channels": [8, 16],
///     "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
///     "norm_num_groups": 4, "layers_per_block": 1, "attention_head_dim": 8
/// }"#;
/// let config = UNet2dConfig::new(Config::parse("config.json", text)?)?;
/// assert_eq!((config.inputs(), config.outputs(), config.size()), (1, 1, Some([8, 8])));
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = config.build(&store.builder())?;
/// assert_eq!(net.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct UNet2dConfig {
    pub(super) size: Option<[usize; 2]>,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) widths: Vec<usize>,
    pub(super) layers: usize,
    pub(super) down: Vec<BlockKind>,
    pub(super) up: Vec<BlockKind>,
    /// The middle, and whether it attends.
    pub(super) middle: Option<bool>,
    pub(super) middle_divisor: f64,
    pub(super) time: TimeKind,
    pub(super) features: Option<usize>,
    pub(super) classes: Option<usize>,
    pub(super) padding: usize,
    pub(super) activation: Activation,
    pub(super) head: Option<usize>,
    pub(super) groups: Option<usize>,
    pub(super) attention_groups: Option<usize>,
    pub(super) epsilon: f64,
    pub(super) scale_shift: bool,
    /// Whether images from 0 to 1 are moved to −1 to 1.
    pub(super) centers: bool,
}

/// The features of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum TimeKind {
    /// Sinusoids, cosines before sines or the other way round.
    Positional { cosines_first: bool, shift: f64 },
    /// Sinusoids of the logarithm, at places that are drawn once.
    Fourier,
}

impl UNet2dConfig {
    /// Reads a configuration.
    ///
    /// Dropout is not applied.
    ///
    /// # Errors
    /// [`Error::File`], naming the key, what came and what is accepted.
    pub fn new(mut config: Config) -> Result<Self> {
        config.expect_class("UNet2DModel")?;
        let c = &mut config;
        let time = time(c)?;
        let residual = [
            ("conv", Resampling::Convolution),
            ("resnet", Resampling::Residual),
        ];
        let down = kinds(
            c,
            "down_block_types",
            "Down",
            ["downsample_type", "Downsample"],
            &residual,
        )?;
        let up = kinds(
            c,
            "up_block_types",
            "Up",
            ["upsample_type", "Upsample"],
            &residual,
        )?;
        let middle: Option<String> =
            c.optional("mid_block_type", Some("UNetMidBlock2D".to_string()))?;
        if let Some(other) = middle.as_ref().filter(|name| *name != "UNetMidBlock2D") {
            let accepted = "\"UNetMidBlock2D\" or null";
            return Err(c.wrong("mid_block_type", format!("{other:?}"), accepted));
        }
        let attends = c.optional("add_attention", true)?;
        let activations = [
            ("silu", Activation::Silu),
            ("swish", Activation::Silu),
            ("gelu", Activation::Gelu),
            ("relu", Activation::Relu),
        ];
        let read = UNet2dConfig {
            size: c.optional("sample_size", None)?,
            inputs: c.optional("in_channels", 3)?,
            outputs: c.optional("out_channels", 3)?,
            widths: c.widths(&[224, 448, 672, 896], 1)?,
            layers: c.optional("layers_per_block", 2)?,
            down,
            up,
            middle: middle.map(|_| attends),
            middle_divisor: c.optional("mid_block_scale_factor", 1.0)?,
            time,
            features: c.optional("time_embedding_dim", None)?,
            classes: c.optional("num_class_embeds", None)?,
            padding: c.optional("downsample_padding", 1)?,
            activation: c.choice("act_fn", &activations)?,
            head: c.optional("attention_head_dim", Some(8))?,
            groups: c.optional("norm_num_groups", Some(32))?,
            attention_groups: c.optional("attn_norm_num_groups", None)?,
            epsilon: c.optional("norm_eps", 1e-5)?,
            scale_shift: c.choice(
                "resnet_time_scale_shift",
                &[("default", false), ("scale_shift", true)],
            )?,
            centers: c.optional("center_input_sample", false)?,
        };
        c.only("class_embed_type", (), "how classes are embedded")?;
        // Dropout is of training, and the number of steps of a table that only learned features of time have.
        c.ignore(&["dropout", "num_train_timesteps"]);
        read.check(c)?;
        config.finish()?;
        Ok(read)
    }

    fn check(&self, c: &Config) -> Result<()> {
        let levels = self.widths.len();
        c.check_counts([
            ("layers_per_block", self.layers, 1 << 10),
            ("in_channels", self.inputs, 1 << 20),
            ("out_channels", self.outputs, 1 << 20),
        ])?;
        for (key, kinds) in [
            ("down_block_types", &self.down),
            ("up_block_types", &self.up),
        ] {
            if kinds.len() != levels {
                let given = format!("{} blocks", kinds.len());
                let accepted = format!("{levels}, as many as block_out_channels");
                return Err(c.wrong(key, given, accepted));
            }
        }
        for (key, number) in [
            ("norm_eps", self.epsilon),
            ("mid_block_scale_factor", self.middle_divisor),
        ] {
            if !(number > 0.0 && number.is_finite()) {
                return Err(c.wrong(key, number, "a finite number above 0"));
            }
        }
        if self.padding > 1 {
            return Err(c.wrong("downsample_padding", self.padding, "0 or 1"));
        }
        self.check_skips(c)?;
        if let TimeKind::Positional { shift, .. } = self.time
            && !(shift.is_finite() && shift < (self.widths[0] / 2) as f64)
        {
            let accepted = "a number below half of the first block_out_channels";
            return Err(c.wrong("freq_shift", shift, accepted));
        }
        Ok(())
    }

    /// A path of the images goes through all levels of a way, and has three channels, whatever the network has: so it is in diffusers.
    fn check_skips(&self, c: &Config) -> Result<()> {
        for (key, kinds) in [
            ("down_block_types", &self.down),
            ("up_block_types", &self.up),
        ] {
            let skips = kinds.iter().map(|kind| kind.resampling == Resampling::Skip);
            let skips: Vec<bool> = skips.collect();
            if skips.contains(&true) && skips.contains(&false) {
                let accepted = "either only blocks with \"Skip\" in their names, or none";
                return Err(c.wrong(key, "blocks of both kinds", accepted));
            }
        }
        let skips = |kinds: &[BlockKind]| kinds[0].resampling == Resampling::Skip;
        if (skips(&self.down) && self.inputs != 3) || (skips(&self.up) && self.outputs != 3) {
            let given = format!("{} and {}", self.inputs, self.outputs);
            let accepted =
                "3 for both, as blocks with \"Skip\" in their names have images of three channels";
            return Err(c.wrong("in_channels, out_channels", given, accepted));
        }
        Ok(())
    }

    /// Returns the height and the width of the images that the network was trained on, if the configuration says them.
    pub fn size(&self) -> Option<[usize; 2]> {
        self.size
    }

    /// Returns the number of channels of images.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the number of channels of values: twice as many as images have, if the network also gives variances.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Returns the number of classes, if the network has any.
    pub fn classes(&self) -> Option<usize> {
        self.classes
    }

    /// Creates the network with parameters of a builder.
    ///
    /// # Errors
    /// [`Error`] naming the setting that does not fit the others; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<UNet2d> {
        UNet2d::build(self, builder)
    }

    /// The number of features of time.
    pub(super) fn time_features(&self) -> usize {
        self.features.unwrap_or(4 * self.widths[0])
    }

    /// The groups of a normalisation of channels.
    pub(super) fn groups_of(&self, channels: usize) -> usize {
        self.groups.unwrap_or((channels / 4).min(32))
    }

    /// A residual block as most of the network has them.
    pub(super) fn residual(&self, inputs: usize, outputs: usize) -> ResidualConfig {
        ResidualConfig {
            inputs,
            outputs,
            features: Some(self.time_features()),
            groups: [self.groups_of(inputs), self.groups_of(outputs)],
            epsilon: self.epsilon,
            activation: self.activation,
            scale_shift: self.scale_shift,
            divisor: 1.0,
            resample: Resample::Keep,
            projects: false,
        }
    }

    /// A residual block of a level with a path of the images: groups follow from channels, and sums are divided by √2.
    pub(super) fn skipping(&self, inputs: usize, outputs: usize) -> ResidualConfig {
        ResidualConfig {
            groups: [inputs, outputs].map(|channels| (channels / 4).min(32)),
            divisor: std::f64::consts::SQRT_2,
            ..self.residual(inputs, outputs)
        }
    }

    /// Checks the size of images, along their last two dimensions.
    pub(super) fn check_size(&self, dims: &[usize]) -> Result<()> {
        let most = 1 << (self.widths.len() - 1).min(usize::BITS as usize - 1);
        let fits = |&size: &usize| size > 0 && size.is_multiple_of(most);
        match dims[dims.len() - 2..].iter().all(fits) {
            true => Ok(()),
            false => {
                let accepted = format!(
                    "heights and widths divisible by {most}, for {} levels",
                    self.widths.len()
                );
                Err(Error::shape("x", dims, accepted))
            }
        }
    }
}

fn time(c: &mut Config) -> Result<TimeKind> {
    let shift = c.optional("freq_shift", 0.0)?;
    let cosines_first = c.optional("flip_sin_to_cos", true)?;
    let positional = TimeKind::Positional {
        cosines_first,
        shift,
    };
    let kinds = [("positional", positional), ("fourier", TimeKind::Fourier)];
    c.choice("time_embedding_type", &kinds)
}
