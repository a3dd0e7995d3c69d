//! Convolutions as products of matrices: the pixels that each output sees are the columns of a matrix, which is made in blocks, as
//! panels of a packed right-hand side, and never stored (Chellapilla, Puri and Simard 2006, by parts). Kernels of 3 × 3 have an
//! algorithm of their own.

mod forward;
mod geometry;
mod gradients;
mod winograd;

pub use forward::Begin;
use forward::convolve;
pub use geometry::Geometry;
use gradients::{channel_sums, input_gradient, weight_gradient};

use crate::{Float, Threads, kernels};

kernels! {
    /// The kernels of convolutions. Images are `(batch, channels, height, width)`, weights `(outputs, inputs of a group, kernel
    /// height, kernel width)`.
    pub trait Convolutions {
        /// Returns the value for images and weights.
        fn convolve(
            threads: &dyn Threads,
            g: &Geometry,
            x: &[Self],
            weight: &[Self],
            begin: Begin<'_, Self>,
        ) -> Vec<Self>;

        /// Returns the gradient of the images, given the gradient of the value.
        fn input_gradient(
            threads: &dyn Threads,
            g: &Geometry,
            weight: &[Self],
            gradient: &[Self],
        ) -> Vec<Self>;

        /// Returns the gradient of the weights, given the gradient of the value.
        fn weight_gradient(
            threads: &dyn Threads,
            g: &Geometry,
            x: &[Self],
            gradient: &[Self],
        ) -> Vec<Self>;

        /// Returns the sums over all positions of each image and channel, (batch, outputs).
        fn channel_sums(threads: &dyn Threads, g: &Geometry, gradient: &[Self]) -> Vec<Self>;
    }
}

/// Returns the gradient of the bias, given the sums of the value's gradient over all positions.
pub fn bias_gradient<T: Float>(g: &Geometry, channels: &[T]) -> Vec<T> {
    let mut out = vec![T::ZERO; g.groups * g.outputs];
    for image in channels.chunks_exact(out.len().max(1)) {
        for (out, sum) in out.iter_mut().zip(image) {
            *out += *sum;
        }
    }
    out
}
