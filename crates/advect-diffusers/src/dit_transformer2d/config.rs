//! The configuration of a diffusion transformer.

use advect_core::Result;
use candle_nn::VarBuilder;

use super::DitTransformer2d;
use crate::Config;

/// The classes whose files have this network: today's, and the one of early files.
const CLASSES: [&str; 2] = ["DiTTransformer2DModel", "Transformer2DModel"];

/// The largest states for which early and later versions of diffusers agree on the positions of an early file.
const LARGEST: usize = 127;

/// The configuration of a [`DitTransformer2d`], from the `config.json` of a `DiTTransformer2DModel`, or of a
/// `Transformer2DModel` with `norm_type` `"ada_norm_zero"`, as early files have it.
///
/// ```
/// use advect_core::Key;
/// use advect_diffusers::{Config, DitTransformer2dConfig};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let text = r#"{
///     "_class_name": "DiTTransformer2DModel", "sample_size": 4, "patch_size": 2, "in_channels": 3, "out_channels": 6,
///     "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 4, "num_embeds_ada_norm": 10
/// }"#;
/// let config = DitTransformer2dConfig::new(Config::parse("config.json", text)?)?;
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = config.build(&store.builder())?;
/// assert_eq!(net.cost().parameters, store.element_count());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DitTransformer2dConfig {
    pub(super) size: usize,
    pub(super) patch: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) depth: usize,
    pub(super) heads: usize,
    pub(super) head: usize,
    pub(super) classes: usize,
    pub(super) epsilon: f64,
}

impl DitTransformer2dConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`Error::File`](advect_core::Error::File), naming the key, its value and what is accepted.
    pub fn new(mut config: Config) -> Result<Self> {
        let early = config.class() == Some(CLASSES[1]);
        if !early {
            config.expect_class(CLASSES[0])?;
        }
        let c = &mut config;
        if early {
            // The same class was other networks too, and had other defaults.
            let norm: String = c.required("norm_type")?;
            if norm != "ada_norm_zero" {
                let accepted = "\"ada_norm_zero\", the norm of diffusion transformers";
                return Err(c.wrong("norm_type", format!("{norm:?}"), accepted));
            }
            for (key, changes) in [
                ("cross_attention_dim", "what blocks attend to"),
                ("num_vector_embeds", "the kind of states"),
                ("caption_channels", "the condition"),
                ("interpolation_scale", "the positions of tokens"),
            ] {
                c.only(key, (), changes)?;
            }
            for (key, changes) in [
                ("only_cross_attention", "what blocks attend to"),
                ("double_self_attention", "what blocks attend to"),
                ("use_linear_projection", "the first layer"),
            ] {
                c.only(key, false, changes)?;
            }
            c.ignore(&["attention_type", "use_additional_conditions"]);
        }
        c.only("norm_type", "ada_norm_zero", "the norm of tokens")?;
        c.only("activation_fn", "gelu-approximate", "the layers of tokens")?;
        c.only("attention_bias", true, "the parameters of attention")?;
        c.only("norm_elementwise_affine", false, "the parameters of norms")?;
        // Dropout is of training, the others are without effect here.
        c.ignore(&["dropout", "norm_num_groups", "upcast_attention"]);
        let inputs = c.optional("in_channels", 4)?;
        let read = DitTransformer2dConfig {
            size: c.optional("sample_size", 32)?,
            patch: c.optional("patch_size", 2)?,
            outputs: c.optional("out_channels", None)?.unwrap_or(inputs),
            depth: c.optional("num_layers", 28)?,
            heads: c.optional("num_attention_heads", 16)?,
            head: c.optional("attention_head_dim", 72)?,
            classes: c.optional("num_embeds_ada_norm", 1000)?,
            epsilon: c.optional("norm_eps", 1e-5)?,
            inputs,
        };
        read.check(c)?;
        if early && read.size > LARGEST {
            let accepted = format!(
                "at most {LARGEST} for this class: its positions were scaled by sample_size / 64 once, and are not as diffusers reads them now. If \
                 they are not to be scaled, let _class_name be \"DiTTransformer2DModel\""
            );
            return Err(c.wrong("sample_size", read.size, accepted));
        }
        config.finish()?;
        Ok(read)
    }

    fn check(&self, c: &Config) -> Result<()> {
        c.check_counts([
            ("in_channels", self.inputs, 1 << 16),
            ("out_channels", self.outputs, 1 << 16),
            ("num_layers", self.depth, 1 << 10),
            ("num_attention_heads", self.heads, 1 << 10),
            ("attention_head_dim", self.head, 1 << 12),
            ("num_embeds_ada_norm", self.classes, 1 << 24),
            ("patch_size", self.patch, 1 << 10),
            ("sample_size", self.size, 1 << 14),
        ])?;
        if !self.size.is_multiple_of(self.patch) {
            let accepted = format!("a divisor of sample_size, {}", self.size);
            return Err(c.wrong("patch_size", self.patch, accepted));
        }
        if !self.width().is_multiple_of(4) {
            let accepted = "a number that makes a multiple of 4 with num_attention_heads";
            return Err(c.wrong("attention_head_dim", self.head, accepted));
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(c.wrong("norm_eps", self.epsilon, "a number above 0"));
        }
        Ok(())
    }

    /// Returns the number of channels of states.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Returns the number of channels of values: twice that of states if variances are learned.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Returns the height of states, which is also their width.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the number of classes, which is also the label that means "none".
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The numbers of a token.
    pub(super) fn width(&self) -> usize {
        self.heads * self.head
    }

    /// Creates the network with parameters of a builder.
    ///
    /// # Errors
    /// Errors of the builder.
    pub fn build(&self, builder: &VarBuilder<'_>) -> Result<DitTransformer2d> {
        DitTransformer2d::build(self, builder)
    }
}
