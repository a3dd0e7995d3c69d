//! The sizes of attention, and masks.

use crate::Float;

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

/// What is added to scores.
#[derive(Debug, Clone, Copy)]
pub struct Mask<'a, T> {
    /// A number for each score, or for all along dimensions of 1.
    pub values: &'a [T],
    /// (batch, heads, n, m), each as large as the attention's or 1.
    pub dims: [usize; 4],
}
