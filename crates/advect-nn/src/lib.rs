//! The parts of networks: the [`ParameterStore`] that holds parameters, layers, embeddings, and the [`Network`] trait, which
//! makes a field of one forward pass.
//!
//! | to | see |
//! | --- | --- |
//! | write a network | [`Network`], [`network_field!`](crate::network_field) |
//! | use a network with a single output as an energy | [`Potential`] |
//! | keep, save and load parameters; freeze them | [`ParameterStore`], [`Stateful`], [`Weights`] |
//! | keep what is not trained | [`buffer`], [`table`], [`constant`] |
//! | look into a file of weights | [`Contents`] |
//! | build layers | [`Linear`], [`ConvolutionLayer`], [`GroupNorm`], [`adaptive_layer_norm`], [`ResamplingFilter`], [`Activation`] |
//! | give time and class to a network | [`TimeEmbedding`], [`TimeFeatures`], [`ClassEmbedding`], [`class_weights`] |
//!
//! A network that is written for candle is a field by [`field_fn`](advect_core::field_fn). It trains from
//! [`store.builder()`](ParameterStore::builder), is frozen from [`store.frozen()`](ParameterStore::frozen), and is saved with the store:
//!
//! ```
//! use advect_core::{Field, Key, Result, Time, field_fn};
//! use advect_nn::{Builder, ParameterStore};
//! use candle_core::{DType, Device, Module, Tensor};
//!
//! fn network(builder: &Builder) -> Result<impl Field + Clone + use<>> {
//!     let first = candle_nn::linear(3, 64, builder.pp("first"))?;
//!     let second = candle_nn::linear(64, 2, builder.pp("second"))?;
//!     Ok(field_fn(move |t, x| {
//!         let h = Tensor::cat(&[x, &t.tensor(x)?.unsqueeze(1)?], 1)?;
//!         Ok(second.forward(&first.forward(&h)?.silu()?)?)
//!     }))
//! }
//!
//! # fn main() -> Result<()> {
//! let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
//! let (trained, frozen) = (network(&store.builder())?, network(&store.frozen())?);
//! let x = Tensor::zeros((5, 2), DType::F32, &Device::Cpu)?;
//! assert!(trained.at(&Time::Shared(0.5), &x)?.track_op());
//! assert!(!frozen.at(&Time::Shared(0.5), &x)?.track_op());
//! assert_eq!(store.element_count(), 3 * 64 + 64 + 64 * 2 + 2);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod embedding;
mod layer;
mod network;
mod potential;
mod store;

/// The activation functions of `advect-ops`.
pub use advect_ops::Activation;
pub use embedding::{
    ClassEmbedding, NoClass, TimeEmbedding, TimeFeatures, class_weights, sinusoidal_positions,
};
pub use layer::{
    ConvolutionLayer, Cost, GroupNorm, Linear, Modulation, Patches, ResamplingFilter,
    adaptive_layer_norm,
};
pub use network::Network;
pub use potential::Potential;
pub use store::{
    Builder, Contents, ParameterStore, State, Stateful, StoredTensor, Weights, buffer, constant,
    table, tensor_of_view,
};

/// Re-exports of the items that [`network_field!`](crate::network_field) names.
#[doc(hidden)]
pub mod macros {
    pub use advect_core::{Conditional, ConditionalJvp, Field, Jvp, Result, Time};
    pub use candle_core::Tensor;
}
