//! The sizes of attention, and masks.

use crate::Float;

/// The sizes of attention.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// The number of samples.
    pub batch: usize,
    /// The number of heads of a sample.
    pub heads: usize,
    /// The number of queries of a head.
    pub n: usize,
    /// The number of keys of a head.
    pub m: usize,
    /// The size of a query and of a key.
    pub d: usize,
    /// The size of a value.
    pub e: usize,
}

impl Sizes {
    pub(super) fn scale<T: Float>(&self) -> T {
        T::of(1.0 / (self.d as f64).sqrt())
    }

    /// Nanoseconds on one thread.
    pub(super) fn time(&self) -> usize {
        let sizes = [self.batch, self.heads, self.n, self.m];
        let width = self.d.saturating_add(self.e).saturating_add(16);
        (sizes.iter()).fold(width, |product, &n| product.saturating_mul(n)) / 50
    }
}

/// A mask, which is added to the scores.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a, T> {
    /// The numbers: one for each score, or one for all along dimensions of 1.
    pub values: &'a [T],
    /// The shape (batch, heads, n, m); each size is that of the attention or 1.
    pub dims: [usize; 4],
}
