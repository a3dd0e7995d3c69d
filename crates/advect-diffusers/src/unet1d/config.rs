//! The configuration of a U-Net of sequences.

use advect_core::Result;
use candle_nn::VarBuilder;

use super::UNet1d;
use crate::Config;

/// The configuration of a [`UNet1d`], from the `config.json` of a `UNet1DModel` with the blocks of diffusion policies:
/// `DownResnetBlock1D`, `MidResTemporalBlock1D`, `UpResnetBlock1D` and `OutConv1DBlock`, with Mish.
///
/// ```
/// use advect_core::Key;
/// use advect_diffusers::{Config, UNet1dConfig};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{
///     "_class_name": "UNet1DModel", "sample_size": 16, "in_channels": 3, "out_channels": 3, "block_out_channels": [8, 16],
///     "down_block_types": ["DownResnetBlock1D", "DownResnetBlock1D"], "up_block_types": ["UpResnetBlock1D"],
///     "mid_block_type": "MidResTemporalBlock1D", "out_block_type": "OutConv1DBlock", "act_fn": "mish",
///     "time_embedding_type": "positional", "use_timestep_embedding": true, "flip_sin_to_cos": false, "freq_shift": 1.0
/// }"#;
/// let config = UNet1dConfig::new(Config::parse("config.json", text)?)?;
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = config.build(&store.builder())?;
/// assert_eq!(net.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct UNet1dConfig {
    pub(super) length: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) widths: Vec<usize>,
    pub(super) layers: usize,
    pub(super) groups: usize,
    pub(super) shift: f64,
    pub(super) cosines_first: bool,
}

impl UNet1dConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::File`](advect_core::Error::File), naming the key, what came and what is accepted.
    pub fn new(mut config: Config) -> Result<Self> {
        config.expect_class("UNet1DModel")?;
        let c = &mut config;
        let widths = c.widths(&[32, 32, 64], 2)?;
        for (key, kind, count) in [
            ("down_block_types", "DownResnetBlock1D", widths.len()),
            ("up_block_types", "UpResnetBlock1D", widths.len() - 1),
        ] {
            let kinds: Vec<String> = c.required(key)?;
            if kinds.len() != count || kinds.iter().any(|other| other != kind) {
                let accepted = format!("{kind:?}, {count} times");
                return Err(c.wrong(key, format!("{kinds:?}"), accepted));
            }
        }
        // These have no other default than what is not supported.
        for (key, accepted) in [
            ("mid_block_type", "MidResTemporalBlock1D"),
            ("out_block_type", "OutConv1DBlock"),
            ("act_fn", "mish"),
            ("time_embedding_type", "positional"),
        ] {
            let value: Option<String> = c.optional(key, None)?;
            if value.as_deref() != Some(accepted) {
                let value = value.map_or("nothing".into(), |value| format!("{value:?}"));
                return Err(c.wrong(key, value, format!("{accepted:?}")));
            }
        }
        match c.optional("use_timestep_embedding", false)? {
            true => {}
            false => return Err(c.wrong("use_timestep_embedding", false, true)),
        }
        c.only("extra_in_channels", 0, "the number of inputs")?;
        c.only("downsample_each_block", false, "the length of sequences")?;
        c.ignore(&["sample_rate", "time_embedding_dim"]);
        let read = UNet1dConfig {
            length: c.optional("sample_size", 65_536)?,
            inputs: c.optional("in_channels", 2)?,
            outputs: c.optional("out_channels", 2)?,
            layers: c.optional("layers_per_block", 1)?,
            groups: c
                .optional("norm_num_groups", Some(8))?
                .unwrap_or((widths[0] / 4).min(32)),
            shift: c.optional("freq_shift", 0.0)?,
            cosines_first: c.optional("flip_sin_to_cos", true)?,
            widths,
        };
        c.check_counts([
            ("in_channels", read.inputs, 1 << 20),
            ("out_channels", read.outputs, 1 << 20),
            ("layers_per_block", read.layers, 1 << 10),
        ])?;
        if read.widths[0] < 2 {
            let accepted = "a list that begins with 2 or more, as features of time come in pairs";
            return Err(c.wrong("block_out_channels", format!("{:?}", read.widths), accepted));
        }
        let half = (read.widths[0] / 2) as f64;
        if !read.shift.is_finite() || read.shift == half {
            let accepted = format!("a finite number other than {half}, half the features of time");
            return Err(c.wrong("freq_shift", read.shift, accepted));
        }
        config.finish()?;
        Ok(read)
    }

    /// Returns the number of channels of sequences.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the configured length of sequences.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Returns the number of channels of values.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Creates the network with parameters of a builder.
    ///
    /// # Errors
    /// [`Error`](advect_core::Error) naming the setting that does not fit the others; errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<UNet1d> {
        UNet1d::build(self, builder)
    }
}
