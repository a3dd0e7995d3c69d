//! Parts of a batch or of a list.

use std::ops::Range;

use advect_core::{Error, Result, check};
use candle_core::Tensor;

/// One of several parts of a batch or of a list, which are numbered from 0. The parts don't overlap, and together, in
/// their order, they are the whole.
///
/// ```
/// use advect_parallel::Shard;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let shard = Shard::new(1, 3)?;
/// let batch = Tensor::arange(0u32, 6, &Device::Cpu)?;
/// assert_eq!(shard.rows(&batch)?.to_vec1::<u32>()?, [2, 3]);
/// assert_eq!(shard.range(8), 2..5);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DistributedSampler")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Creates part `index` of `count`.
    ///
    /// # Errors
    /// [`Error::Range`] unless `index < count`.
    pub fn new(index: usize, count: usize) -> Result<Self> {
        let count = check::at_least_one("count", count)?;
        match index < count {
            true => Ok(Shard { index, count }),
            false => Err(Error::range(
                "index",
                index,
                format!("a number in 0..{count}"),
            )),
        }
    }

    /// The part of a rank. One beyond the number of ranks is as the last.
    pub(crate) fn of_rank(rank: usize, size: usize) -> Self {
        let count = size.max(1);
        Shard {
            index: rank.min(count - 1),
            count,
        }
    }

    /// Returns the number of this part.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the number of parts.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the rows of a batch `(batch, ...)` that are in this part: `(batch / count, ...)`, a view. All parts are equal, so that
    /// the mean of their means is the mean over the batch.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the number of parts divides the size of the batch, or for a scalar; [`Error::Empty`] for a batch without elements.
    pub fn rows(&self, batch: &Tensor) -> Result<Tensor> {
        let size = check::batch("batch", batch)?;
        if !size.is_multiple_of(self.count) {
            let accepted = format!(
                "a batch that can be cut into {} equal shards: its size must be a multiple of that number, which is that of the ranks unless it was set",
                self.count
            );
            return Err(Error::shape("batch", batch.dims(), accepted));
        }
        let rows = size / self.count;
        Ok(batch.narrow(0, self.index * rows, rows)?)
    }

    /// Returns the places of a list of length `len` that are in this part. Parts differ in length by one at most, and
    /// may be empty.
    pub fn range(&self, len: usize) -> Range<usize> {
        // In 128 bits, as the product may not fit 64.
        let place = |index: usize| (index as u128 * len as u128 / self.count as u128) as usize;
        place(self.index)..place(self.index + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};

    #[test]
    fn parts_are_the_whole_in_its_order() {
        for len in [0, 1, 5, 12, 1000] {
            for count in [1, 2, 3, 7, 64] {
                let parts = (0..count).map(|i| Shard::new(i, count).unwrap().range(len));
                let lengths: Vec<usize> = parts.clone().map(|part| part.len()).collect();
                assert!(parts.flatten().eq(0..len), "{len} {count}");
                assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1);
            }
        }
        let last = Shard::new(6, 7).unwrap().range(usize::MAX);
        assert_eq!(last.end, usize::MAX);
    }

    #[test]
    fn batches_that_are_not_divided_are_refused() {
        let batch = Tensor::zeros((10, 2), DType::F32, &Device::Cpu).unwrap();
        let error = Shard::new(0, 4).unwrap().rows(&batch).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }));
        assert!(error.to_string().contains("4 equal shards"), "{error}");
        assert!(Shard::new(4, 4).is_err() && Shard::new(0, 0).is_err());
    }
}
