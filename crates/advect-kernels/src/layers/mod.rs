//! Fully connected layers in sequence, for a block of rows at a time, so that hidden values stay in the cache.

mod backward;
mod forward;
mod layer;
mod tangents;
mod weight_gradients;

pub(crate) use backward::layer_gradients;
use backward::layers_backward;
pub use backward::{Gradients, Wanted};
use forward::layers_forward;
use tangents::layers_along;

use crate::{Float, Threads, kernels};
pub use layer::{Layer, Part, Saved};

kernels! {
    /// The kernels of fully connected layers.
    pub trait Layers {
        /// Returns the last layer's values, `(rows, outputs)`, and the saved values if `save`.
        fn layers_forward(
            threads: &dyn Threads,
            rows: usize,
            parts: &[Part<'_, Self>],
            layers: &[Layer<'_, Self>],
            save: bool,
        ) -> (Vec<Self>, Saved<Self>);

        /// Returns the gradients, given the gradient of the value. `input` is the first part.
        fn layers_backward(
            threads: &dyn Threads,
            rows: usize,
            input: &[Self],
            layers: &[Layer<'_, Self>],
            value: &[Self],
            saved: &Saved<Self>,
            gradient: &[Self],
            wanted: Wanted,
        ) -> Gradients<Self>;

        /// Returns the last layer's values, `(rows, outputs)`, and their derivatives along each direction. A direction
        /// has a tangent for each part, or `None` for 0.
        fn layers_along(
            threads: &dyn Threads,
            rows: usize,
            parts: &[Part<'_, Self>],
            directions: &[Vec<Option<Part<'_, Self>>>],
            layers: &[Layer<'_, Self>],
        ) -> (Vec<Self>, Vec<Vec<Self>>);
    }
}
