//! Shuffled minibatches.

use std::sync::{Mutex, PoisonError};

use advect_core::{Error, Generator, Key, Result, check};
use candle_core::{Device, Tensor};

/// The last epoch: a key has this many children at least.
const EPOCHS: u64 = 1 << 62;

/// Shuffled batches of `0..count`. Each epoch is a new permutation, cut into batches of one size; samples that are left
/// over at the end of an epoch are skipped, or make [a short batch](Batches::keep_rest).
///
/// The batch of a step is a function of the key and the step: a run that resumes at a step sees the
/// batches that it would have seen.
///
/// ```
/// use advect_core::Key;
/// use advect_data::Batches;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let data = Tensor::arange(0f32, 10.0, &Device::Cpu)?;
/// let batches = Batches::new(10, 3, Key::from_seed(0))?;
/// assert_eq!(batches.per_epoch(), 3);
/// let [a] = batches.at(7, [&data])?;
/// let [b] = batches.at(7, [&data])?;
/// assert_eq!(a.to_vec1::<f32>()?, b.to_vec1::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "DataLoader")]
#[doc(alias = "shuffle")]
#[doc(alias = "minibatch")]
#[derive(Debug)]
pub struct Batches {
    count: usize,
    size: usize,
    key: Key,
    /// The number of batches in an epoch.
    per_epoch: usize,
    /// The permutation of the epoch last asked for.
    epoch: Mutex<Option<(usize, Tensor)>>,
}

impl Batches {
    /// Creates batches of `size` from `count` samples.
    ///
    /// # Errors
    /// [`Error::Range`] unless `1 ≤ size ≤ count < 2³²`.
    pub fn new(count: usize, size: usize, key: Key) -> Result<Self> {
        if !(1..=count).contains(&size) {
            return Err(Error::range(
                "size",
                size,
                format!("a batch size in 1..={count}"),
            ));
        }
        if u32::try_from(count).is_err() {
            return Err(Error::range("count", count, "a number below 2^32"));
        }
        Ok(Batches {
            count,
            size,
            key,
            per_epoch: count / size,
            epoch: Mutex::new(None),
        })
    }

    /// Keeps the samples that are left over at the end of an epoch as a last, shorter batch, so that each sample occurs
    /// once an epoch.
    ///
    /// ```
    /// use advect_core::Key;
    /// use advect_data::Batches;
    /// # fn main() -> advect_core::Result<()> {
    /// let batches = Batches::new(10, 3, Key::from_seed(0))?.keep_rest();
    /// assert_eq!(batches.per_epoch(), 4);
    /// assert_eq!((batches.indices(2)?.dims(), batches.indices(3)?.dims()), (&[3][..], &[1][..]));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "drop_last")]
    pub fn keep_rest(mut self) -> Self {
        self.per_epoch = self.count.div_ceil(self.size);
        self
    }

    /// Returns the number of batches in an epoch.
    pub fn per_epoch(&self) -> usize {
        self.per_epoch
    }

    /// Returns the indices of the batch of a step: u32, `(size,)`, on the host; fewer in a short batch.
    ///
    /// # Errors
    /// [`Error::Range`] for an epoch beyond 2⁶², and where the indices don't fit the memory.
    pub fn indices(&self, step: usize) -> Result<Tensor> {
        let (epoch, place) = (step / self.per_epoch(), step % self.per_epoch());
        if epoch as u64 > EPOCHS {
            return Err(Error::range(
                "step",
                step,
                format!("a step in an epoch up to {EPOCHS}"),
            ));
        }
        let mut cached = self.epoch.lock().unwrap_or_else(PoisonError::into_inner);
        let permutation = match &*cached {
            Some((known, permutation)) if *known == epoch => permutation.clone(),
            _ => {
                let mut rng = Generator::from(self.key.child(epoch as u64));
                let permutation = rng.permutation(self.count, &Device::Cpu)?;
                *cached = Some((epoch, permutation.clone()));
                permutation
            }
        };
        // A copy, so that not the whole permutation moves to a device.
        let size = self.size.min(self.count - place * self.size);
        let indices = permutation.narrow(0, place * self.size, size)?;
        Ok(indices.force_contiguous()?)
    }

    /// Returns the batch of a step from each of several tensors `(count, ...)`, such as data and labels; they
    /// may be views.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor of another number of samples.
    pub fn at<const N: usize>(&self, step: usize, tensors: [&Tensor; N]) -> Result<[Tensor; N]> {
        let indices = self.indices(step)?;
        let mut batch = tensors.map(Tensor::clone);
        for tensor in &mut batch {
            if check::batch("tensors", tensor)? != self.count {
                let accepted = format!("({}, ...)", self.count);
                return Err(Error::shape("tensors", tensor.dims(), accepted));
            }
            *tensor = if tensor.is_contiguous() {
                tensor.index_select(&indices.to_device(tensor.device())?, 0)?
            } else {
                // Row by row: a contiguous copy would be one of all samples.
                let rows: candle_core::Result<Vec<Tensor>> = (indices.to_vec1::<u32>()?.iter())
                    .map(|&row| tensor.narrow(0, row as usize, 1))
                    .collect();
                Tensor::cat(&rows?, 0)?
            };
        }
        Ok(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_holds_each_sample_at_most_once_and_epochs_differ() {
        let batches = Batches::new(10, 3, Key::from_seed(1)).unwrap();
        let epoch = |e: usize| -> Vec<u32> {
            (3 * e..3 * e + 3)
                .flat_map(|step| batches.indices(step).unwrap().to_vec1::<u32>().unwrap())
                .collect()
        };
        let (first, second) = (epoch(0), epoch(1));
        let mut sorted = first.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 9);
        assert_ne!(first, second);
        assert_eq!(epoch(0), first, "whatever was asked for in between");
    }

    #[test]
    fn bad_sizes_are_refused() {
        for size in [0, 11] {
            assert!(matches!(
                Batches::new(10, size, Key::from_seed(0)),
                Err(Error::Range { .. })
            ));
        }
        let batches = Batches::new(10, 3, Key::from_seed(0)).unwrap();
        let short = Tensor::arange(0f32, 9.0, &Device::Cpu).unwrap();
        assert!(matches!(batches.at(0, [&short]), Err(Error::Shape { .. })));
    }
}
