//! Scaled dot-product attention, a few rows of scores at a time.

mod backward;
mod forward;
mod head;
mod of_channels;
mod of_rows;
mod of_tokens;
mod sizes;

use std::ops::Range;

use crate::{Float, Threads, kernels};
use of_channels::{attend_channels, attend_channels_backward};
use of_rows::{attend, attend_backward};
use of_tokens::{attend_tokens, attend_tokens_backward};

pub use sizes::{Mask, Sizes};

kernels! {
    /// The kernels of attention.
    pub trait Attention {
        /// Returns the value, `(batch, heads, n, e)`, for queries `(batch, heads, n, d)`, keys `(batch, heads, m, d)`
        /// and values `(batch, heads, m, e)`.
        fn attend(
            threads: &dyn Threads,
            sizes: Sizes,
            qkv: [&[Self]; 3],
            mask: Option<Mask<'_, Self>>,
        ) -> Vec<Self>;

        /// Returns the gradients of queries, keys and values, given the value and its gradient.
        fn attend_backward(
            threads: &dyn Threads,
            sizes: Sizes,
            qkv: [&[Self]; 3],
            mask: Option<Mask<'_, Self>>,
            value: &[Self],
            gradient: &[Self],
        ) -> [Vec<Self>; 3];

        /// Returns the value, `(batch, heads · d, n)`, for the channels of all three, `(batch, 3 · heads · d, n)`.
        /// `channels` holds the channels of each head's queries, keys and values.
        fn attend_channels(
            threads: &dyn Threads,
            sizes: Sizes,
            channels: &[[Range<usize>; 3]],
            qkv: &[Self],
        ) -> Vec<Self>;

        /// Returns the gradient of the channels, given the value and its gradient.
        fn attend_channels_backward(
            threads: &dyn Threads,
            sizes: Sizes,
            channels: &[[Range<usize>; 3]],
            qkv: &[Self],
            value: &[Self],
            gradient: &[Self],
        ) -> Vec<Self>;

        /// Returns the value, `(batch, n, heads · d)`, for rows of all three, `(batch, n, 3 · heads · d)`. `columns` holds the
        /// columns of each head's queries, keys and values. If `causal`, a query sees the keys up to its own alone.
        fn attend_tokens(
            threads: &dyn Threads,
            sizes: Sizes,
            columns: &[[Range<usize>; 3]],
            causal: bool,
            qkv: &[Self],
        ) -> Vec<Self>;

        /// Returns the gradient of the rows, given the value and its gradient.
        fn attend_tokens_backward(
            threads: &dyn Threads,
            sizes: Sizes,
            columns: &[[Range<usize>; 3]],
            causal: bool,
            qkv: &[Self],
            value: &[Self],
            gradient: &[Self],
        ) -> Vec<Self>;
    }
}
