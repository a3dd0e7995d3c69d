//! The configuration of an autoencoder.

use advect_core::Result;
use candle_nn::VarBuilder;

use super::AutoencoderKl;
use crate::Config;
use crate::block::{Resample, ResidualConfig};

/// The configuration of an [`AutoencoderKl`], from the `config.json` of an `AutoencoderKL`.
///
/// ```
/// use advect_core::Key;
/// use advect_diffusers::{AutoencoderKlConfig, Config};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{
///     "_class_name": "AutoencoderKL", "sample_size": 16, "in_channels": 3, "out_channels": 3, "latent_channels": 4,
///     "block_out_channels": [8, 16], "layers_per_block": 1, "norm_num_groups": 4, "act_fn": "silu",
///     "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"]
/// }"#;
/// let config = AutoencoderKlConfig::new(Config::parse("vae/config.json", text)?)?;
/// assert_eq!((config.latent_channels(), config.factor()), (4, 2));
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let vae = config.build(&store.builder())?;
/// assert_eq!(vae.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AutoencoderKlConfig {
    pub(super) size: [usize; 2],
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) latents: usize,
    pub(super) widths: Vec<usize>,
    pub(super) layers: usize,
    pub(super) groups: usize,
    pub(super) attends: bool,
    /// Whether there is a convolution of one pixel after the encoder, and before the decoder.
    pub(super) quantizes: [bool; 2],
    /// The means and the standard deviations of latents, of all channels or of each.
    pub(super) mean: Vec<f64>,
    pub(super) deviation: Vec<f64>,
}

impl AutoencoderKlConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::File`](advect_core::Error::File), naming the key, what came and what is accepted.
    pub fn new(mut config: Config) -> Result<Self> {
        config.expect_class("AutoencoderKL")?;
        let c = &mut config;
        let widths = c.widths(&[64], 1)?;
        for (key, kind) in [
            ("down_block_types", "DownEncoderBlock2D"),
            ("up_block_types", "UpDecoderBlock2D"),
        ] {
            let kinds = c.optional(key, vec![kind.to_string()])?;
            if kinds.len() != widths.len() || kinds.iter().any(|other| other != kind) {
                let accepted = format!("{kind:?} for each of {} levels", widths.len());
                return Err(c.wrong(key, format!("{kinds:?}"), accepted));
            }
        }
        c.choice("act_fn", &[("silu", ()), ("swish", ())])?;
        // The autoencoder is computed in the dtype of its parameters.
        c.ignore(&["force_upcast"]);
        let latents = c.optional("latent_channels", 4)?;
        let (mean, deviation) = scaling(c, latents)?;
        let read = AutoencoderKlConfig {
            size: c.optional("sample_size", [32, 32])?,
            inputs: c.optional("in_channels", 3)?,
            outputs: c.optional("out_channels", 3)?,
            latents,
            layers: c.optional("layers_per_block", 1)?,
            groups: c.optional("norm_num_groups", 32)?,
            attends: c.optional("mid_block_add_attention", true)?,
            quantizes: [
                c.optional("use_quant_conv", true)?,
                c.optional("use_post_quant_conv", true)?,
            ],
            widths,
            mean,
            deviation,
        };
        c.check_counts([
            ("in_channels", read.inputs, 1 << 20),
            ("out_channels", read.outputs, 1 << 20),
            ("latent_channels", read.latents, 1 << 20),
            ("layers_per_block", read.layers, 1 << 10),
        ])?;
        config.finish()?;
        Ok(read)
    }

    /// Returns the height and the width of the images that the autoencoder was trained on.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Returns the number of channels of latents.
    pub fn latent_channels(&self) -> usize {
        self.latents
    }

    /// Returns the factor by which the sides of images are larger than those of latents.
    #[doc(alias = "vae_scale_factor")]
    pub fn factor(&self) -> usize {
        1 << (self.widths.len() - 1)
    }

    /// Creates the autoencoder with parameters of a builder.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the setting that does not fit the others; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<AutoencoderKl> {
        AutoencoderKl::build(self, builder)
    }

    /// A residual block.
    pub(super) fn residual(&self, inputs: usize, outputs: usize) -> ResidualConfig {
        ResidualConfig {
            inputs,
            outputs,
            features: None,
            groups: [self.groups; 2],
            epsilon: EPSILON,
            activation: advect_nn::Activation::Silu,
            scale_shift: false,
            divisor: 1.0,
            resample: Resample::Keep,
            projects: false,
        }
    }
}

/// The number that is added to variances.
pub(super) const EPSILON: f64 = 1e-6;

/// The means and standard deviations of latents.
fn scaling(c: &mut Config, latents: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let factor: f64 = c.optional("scaling_factor", 0.18215)?;
    let shift: Option<f64> = c.optional("shift_factor", None)?;
    let means: Option<Vec<f64>> = c.optional("latents_mean", None)?;
    let deviations: Option<Vec<f64>> = c.optional("latents_std", None)?;
    if !(factor.is_finite() && factor != 0.0) {
        return Err(c.wrong("scaling_factor", factor, "a finite number other than 0"));
    }
    let list = |key: &str, list: Option<Vec<f64>>, default: f64| match list {
        None => Ok(vec![default]),
        Some(list) if list.len() == latents && list.iter().all(|x| x.is_finite()) => Ok(list),
        Some(list) => {
            let accepted = format!("a list of {latents} finite numbers, or null");
            Err(c.wrong(key, format!("{list:?}"), accepted))
        }
    };
    if means.is_some() && shift.is_some_and(|shift| shift != 0.0) {
        return Err(c.wrong("shift_factor", "a number", "null, as there is latents_mean"));
    }
    let mean = list("latents_mean", means, shift.unwrap_or(0.0))?;
    let deviation = list("latents_std", deviations, 1.0)?;
    if deviation.contains(&0.0) {
        let accepted = "a list of numbers other than 0";
        return Err(c.wrong("latents_std", format!("{deviation:?}"), accepted));
    }
    Ok((mean, deviation.into_iter().map(|d| d / factor).collect()))
}
