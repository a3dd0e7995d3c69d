//! The names of parameters in published files.

use advect_nn::Weights;

/// Returns the weights with the current names of attention layers in place of those that diffusers used before version 0.15, and that
/// many published files still have: `query`, `key`, `value` and `proj_attn` become `to_q`, `to_k`, `to_v` and `to_out.0`.
///
/// ```no_run
/// use advect_core::Key;
/// use advect_diffusers::{Config, UNet2dConfig, published};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = UNet2dConfig::new(Config::read("ddpm-cifar10-32/config.json")?)?.build(&store.builder())?;
/// store.load(published("ddpm-cifar10-32/diffusion_pytorch_model.bin"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias = "AttentionBlock")]
pub fn published(weights: impl Into<Weights>) -> Weights {
    const NAMES: [(&str, &str); 4] = [
        (".query.", ".to_q."),
        (".key.", ".to_k."),
        (".value.", ".to_v."),
        (".proj_attn.", ".to_out.0."),
    ];
    let renamed = |weights: Weights, (old, new)| weights.renaming(old, new);
    NAMES.into_iter().fold(weights.into(), renamed)
}
