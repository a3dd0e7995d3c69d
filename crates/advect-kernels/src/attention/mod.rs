//! Scaled dot-product attention, a few rows of scores at a time.

mod backward;
mod forward;
mod head;
mod of_channels;
mod of_rows;

use std::ops::Range;

use crate::{Float, Threads, kernels};
use of_channels::{attend_channels, attend_channels_backward};
use of_rows::{attend, attend_backward};

/// The sizes of attention.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The number of samples.
    pub batch: usize,
    /// Heads of a sample.
    pub heads: usize,
    /// Queries of a head.
    pub n: usize,
    /// Keys of a head.
    pub m: usize,
    /// Numbers of a query and of a key.
    pub d: usize,
    /// Numbers of a value.
    pub e: usize,
}

impl Sizes {
    fn scale<T: Float>(&self) -> T {
        T::of(1.0 / (self.d as f64).sqrt())
    }

    /// Nanoseconds on one thread.
    fn time(&self) -> usize {
        let sizes = [self.batch, self.heads, self.n, self.m];
        let width = self.d.saturating_add(self.e).saturating_add(16);
        (sizes.iter()).fold(width, |product, &n| product.saturating_mul(n)) / 50
    }
}

/// What is added to scores.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a, T> {
    /// A number for each score, or for all along dimensions of 1.
    pub values: &'a [T],
    /// (batch, heads, n, m), each as large as the attention's or 1.
    pub dims: [usize; 4],
}

kernels! {
    /// The kernels of attention.
    pub trait Attention {
        /// The value, `(batch, heads, n, e)`, for queries `(batch, heads, n, d)`, keys `(batch, heads, m, d)` and values
        /// `(batch, heads, m, e)`.
        fn attend(
            threads: &dyn Threads,
            sizes: Sizes,
            qkv: [&[Self]; 3],
            mask: Option<Mask<'_, Self>>,
        ) -> Vec<Self>;

        /// The gradients of queries, keys and values, given the value and its gradient.
        fn attend_backward(
            threads: &dyn Threads,
            sizes: Sizes,
            qkv: [&[Self]; 3],
            mask: Option<Mask<'_, Self>>,
            value: &[Self],
            gradient: &[Self],
        ) -> [Vec<Self>; 3];

        /// The value, `(batch, heads · d, n)`, for the channels of all three, `(batch, 3 · heads · d, n)`. `channels` has those of each
        /// head's queries, keys and values.
        fn attend_channels(
            threads: &dyn Threads,
            sizes: Sizes,
            channels: &[[Range<usize>; 3]],
            qkv: &[Self],
        ) -> Vec<Self>;

        /// The gradient of the channels, given the value and its gradient.
        fn attend_channels_backward(
            threads: &dyn Threads,
            sizes: Sizes,
            channels: &[[Range<usize>; 3]],
            qkv: &[Self],
            value: &[Self],
            gradient: &[Self],
        ) -> Vec<Self>;
    }
}
