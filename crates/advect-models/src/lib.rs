//! Networks, an [`Mlp`] and a [`UNet`], the [`ParameterStore`] that their parameters live in, and [`Weights`] from
//! files.
//!
//! ```
//! use advect_core::{Field, Key, Time};
//! use advect_models::{Activation, Mlp, ParameterStore};
//! use candle_core::{DType, Device, Tensor};
//! # fn main() -> advect_core::Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let net = Mlp::config(2).hidden(&[64, 64]).activation(Activation::Selu).build(&store.builder())?;
//! let x = Tensor::zeros((5, 2), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.at(&Time::Shared(0.5), &x)?.dims(), [5, 2]);
//! assert_eq!(store.element_count(), 3 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2);
//! # Ok(())
//! # }
//! ```

mod class_embedding;
mod convolution;
mod cost;
mod group_norm;
mod initialization;
mod linear;
mod listing;
mod misfit;
mod mlp;
mod parameter_store;
mod stateful;
mod time_embedding;
mod unet;
mod weights;

/// The activation functions of `advect-ops`.
pub use advect_ops::Activation;
pub use class_embedding::{ClassEmbedding, NoClass};
pub use convolution::ConvolutionLayer;
pub use cost::Cost;
pub use group_norm::GroupNorm;
pub use linear::Linear;
pub use mlp::{Mlp, MlpConfig};
pub use parameter_store::ParameterStore;
pub use stateful::{State, Stateful};
pub use time_embedding::TimeEmbedding;
pub use unet::{UNet, UNetConfig};
pub use weights::{Weights, tensor_of_view};
