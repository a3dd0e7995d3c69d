//! Kernels for the CPU, from slices to slices, vectorised with run-time dispatch; with the feature `cuda`, kernels for GPUs, too.
//!
//! This crate is internal, and nothing in it is promised to stay as it is. `advect-ops` turns these functions into operations of tensors, `advect-solvers`
//! runs [programs](program), `advect-transport` compiles its own loops by [`dispatch`], and `advect-core` with the feature `cuda` draws random numbers by its kernels.
//! It knows neither tensors nor graphs nor errors: callers check shapes first, and a slice of another length than is documented is a panic. It depends on `pulp` alone, so that it is compiled beside candle, and borrows its [`Threads`].
//!
//! | module | kernels |
//! | --- | --- |
//! | [`activation`] | nonlinearities, with two derivatives |
//! | [`attention`] | scaled dot products, by blocks of rows |
//! | [`combine`] | linear combinations |
//! | [`convolution`] | values and gradients, by products of matrices and by Winograd's algorithm |
//! | [`exponential`] | exponentials |
//! | [`gate`] | residual connections with gates |
//! | [`gated_recurrence`] | gated recurrent units |
//! | [`group_norm`], [`layer_norm`], [`softmax`] | normalisations |
//! | [`layers`] | fully connected layers, one after another |
//! | [`log_softmax`] | logarithms of probabilities |
//! | [`planes`] | images enlarged and shrunk |
//! | [`program`] | programs of elementary operations, on columns |
//! | [`rotary`] | rotations of pairs by angles of their positions |
//! | [`scaled_error`], [`squared_errors`], [`squared_distances`] | sizes of differences |
//! | [`update`] | AdamW, momentum, Lion, descent, averages, norms |
//!
//! With the feature `cuda` there is a module of that name, which depends on candle: functions of tensors that launch kernels of the same
//! operations, whose sources NVRTC compiles at run time.
//!
//! The other modules are private. They have what kernels are made of: products of matrices, views and packed copies of matrices, elementary functions and sums
//! that are inlined into loops, scratch memory, and vectors of the two types of [`Float`].
//!
//! Loops over elements are plain Rust, inlined into functions compiled for the instruction set found at run time
//! (AVX-512, AVX2 with FMA, NEON, or none), where they become vector instructions. Only the matrix product
//! names its registers. Nothing depends on the number of threads: sums are cut at fixed places.
//!
//! All `unsafe` blocks of Advect's operations are here: in the matrix product, the transforms of convolutions, the memory
//! that tasks write first, and the launching of kernels for CUDA.
//!
//! The compiler would compile a generic function anew in each crate that calls it. So the kernels of each element type are methods of a trait that f32 and f64
//! implement ([`Layers`](layers::Layers), for one), and are compiled here, once.

pub mod activation;
pub mod attention;
mod buffer;
pub mod combine;
pub mod convolution;
#[cfg(feature = "cuda")]
pub mod cuda;
mod dots;
pub mod exponential;
mod float;
pub mod gate;
pub mod gated_recurrence;
pub mod group_norm;
pub mod layer_norm;
pub mod layers;
pub mod log_softmax;
mod math;
mod matmul;
mod matrix;
mod moments;
pub mod planes;
pub mod program;
pub mod rotary;
mod row_pieces;
pub mod scaled_error;
pub mod softmax;
pub mod squared_distances;
pub mod squared_errors;
mod squares;
mod sums;
#[cfg(test)]
mod tests;
mod threads;
mod unwritten;
pub mod update;
mod vectorize;

use buffer::Buffer;
use unwritten::{FrontToBack, Unwritten, extend, fill, zeros};
use vectorize::vectorize;

pub use buffer::keep_memory;
pub use float::Float;
pub use matrix::Matrix;
pub use threads::{Alone, Threads};
pub use vectorize::dispatch;

/// A type that has all kernels: f32 or f64.
pub trait Kernels:
    activation::Activations
    + attention::Attention
    + combine::Combine
    + convolution::Convolutions
    + gate::Gate
    + gated_recurrence::GatedRecurrence
    + group_norm::GroupNorm
    + layer_norm::LayerNorm
    + layers::Layers
    + log_softmax::LogSoftmax
    + planes::Planes
    + program::Programs
    + rotary::Rotary
    + scaled_error::ScaledErrors
    + softmax::Softmax
    + squared_distances::SquaredDistances
    + squared_errors::SquaredErrors
    + update::Updates
{
}

impl Kernels for f32 {}
impl Kernels for f64 {}

/// A trait of kernels that f32 and f64 implement by the generic functions of the same names, which are in scope.
macro_rules! kernels {
    (
        $(#[$doc:meta])*
        pub trait $name:ident { $(
            $(#[$about:meta])*
            fn $kernel:ident($($argument:ident: $type:ty),* $(,)?) $(-> $value:ty)?;
        )* }
    ) => {
        $(#[$doc])*
        pub trait $name: Float { $(
            $(#[$about])*
            #[allow(clippy::too_many_arguments)]
            fn $kernel($($argument: $type),*) $(-> $value)?;
        )* }
        kernels!(@ $name f32 $($kernel($($argument: $type),*) $(-> $value)?;)*);
        kernels!(@ $name f64 $($kernel($($argument: $type),*) $(-> $value)?;)*);
    };
    (@ $name:ident $float:ident $($kernel:ident($($argument:ident: $type:ty),*) $(-> $value:ty)?;)*) => {
        impl $name for $float { $(
            #[inline(never)]
            fn $kernel($($argument: $type),*) $(-> $value)? {
                $kernel($($argument),*)
            }
        )* }
    };
}
use kernels;
