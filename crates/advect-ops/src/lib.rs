//! Tensor operations that candle lacks, computes without a gradient, gets wrong or does slowly. All networks, solvers
//! and optimisers of Advect use them.
//!
//! | operation | formula |
//! | --- | --- |
//! | [`Activation`] | ten nonlinearities, with two derivatives each |
//! | [`linear`], [`linear_transposed`], [`mlp`], [`Perceptron`] | `activation(x Wᵀ + b)`, with `W` in the place of `Wᵀ`, and a whole perceptron in one pass |
//! | [`layer_norm`], [`rms_norm`], [`shifted_rms_norm`], [`group_norm`] | normalisation, plain or adaptive; the last with an activation |
//! | [`softmax`], [`attention`], [`self_attention`], [`token_attention`], [`causal_token_attention`] | `softmax(q kᵀ / √d + mask) v`, by blocks of rows |
//! | [`log_softmax_at`] | log-probabilities of classes by logits |
//! | [`gated_recurrence`] | all steps of gated recurrent units |
//! | [`rotary`] | pairs turned by the angles of their positions |
//! | [`dropout`] | elements set to 0 at random |
//! | [`add_gated`] | `x + gate · h` |
//! | [`conv2d`], [`conv1d`] | cross-correlation with strides, padding, dilation, groups |
//! | [`upsample_nearest`], [`avg_pool`] | enlargement and shrinking of images |
//! | [`sinusoids`] | features of time |
//! | [`combine`], [`scale_samples`] | `Σ c_k x_k`, shared or per-sample factors |
//! | [`squared_errors`] | `Σ (x − y)²` of each sample |
//! | [`scaled_error`], [`scaled_errors`], [`squared_distances`], [`exponentiate`] | sizes of differences, and exponentials, on the host |
//! | [`with_gradient`], [`with_graph`], [`without_graph`], [`with_plain_graph`], [`backward`] | values with your own gradients, the building of graphs, and their gradients |
//! | [`checkpointed`] | values whose insides are computed again backwards |
//! | [`update`] | AdamW, momentum, Lion, averages and norms, in place |
//! | [`custom`] | operations with your own kernels |
//! | [`keep_device_memory`] | a GPU's freed memory kept for the next step |
//!
//! On the CPU, f32 and f64 use kernels (in `advect-kernels`) that choose AVX-512, AVX2 with FMA, NEON or plain code at
//! run time, and share candle's own threads if the work is long enough; no `target-cpu` flag is needed. With the feature `cuda`, most
//! have kernels for CUDA too, for f32, f64 and 16 bits. Everything else is composed of candle's operations. Any strides and offsets are accepted, and so are empty
//! batches.
//!
//! All differentiable operations take a [`Value`]: a tensor, or a [`Dual`] that carries its derivative along a
//! direction. A network written once for any `V: Value` has both; see there. Gradients use candle's `backward` as
//! usual:
//!
//! ```
//! use advect_ops::{Activation, linear};
//! use candle_core::{Device, Tensor, Var};
//! # fn main() -> advect_core::Result<()> {
//! let weight = Var::new(&[[2f64, 0.0]], &Device::Cpu)?;
//! let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
//! let y = linear(&x, &weight, None, Activation::Relu)?;
//! let grads = y.sum_all()?.backward()?;
//! assert_eq!(grads.get(&weight).unwrap().to_vec2::<f64>()?, [[3.0, 4.0]]);
//! # Ok(())
//! # }
//! ```

mod activation;
mod add_gated;
mod attention;
mod avg_pool;
mod combine;
mod convolution;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
pub mod custom;
mod device_memory;
mod dropout;
mod empty;
mod exponential;
mod gated_recurrence;
mod graph;
mod group_norm;
mod in_place;
mod layer_norm;
mod linear;
mod log_softmax;
mod normal_rows;
mod operation;
mod output;
mod rotary;
mod scale_samples;
mod scaled_error;
mod sinusoids;
mod softmax;
mod squared_distances;
mod squared_errors;
pub mod update;
mod upsample;
mod value;

pub use activation::Activation;
pub use add_gated::add_gated;
pub use attention::{
    HeadOrder, attention, causal_token_attention, self_attention, token_attention,
};
pub use avg_pool::avg_pool;
pub use combine::combine;
pub use convolution::{Convolution, conv1d, conv1d_onto, conv2d, conv2d_gradients, conv2d_onto};
pub use device_memory::keep_device_memory;
pub use dropout::dropout;
pub use exponential::exponentiate;
pub use gated_recurrence::gated_recurrence;
pub use graph::{
    backward, checkpointed, with_gradient, with_graph, with_plain_graph, without_graph,
};
pub use group_norm::{group_norm, group_norm_gradients};
pub use layer_norm::{layer_norm, rms_norm, shifted_rms_norm};
pub use linear::{Perceptron, linear, linear_transposed, mlp, mlp_tangents};
pub use log_softmax::log_softmax_at;
pub use rotary::rotary;
pub use scale_samples::scale_samples;
pub use scaled_error::{ScaledError, scaled_error, scaled_errors};
pub use sinusoids::{fourier_frequencies, sinusoidal_frequencies, sinusoids};
pub use softmax::softmax;
pub use squared_distances::squared_distances;
pub use squared_errors::squared_errors;
pub use upsample::upsample_nearest;
pub use value::{Dual, Value};
