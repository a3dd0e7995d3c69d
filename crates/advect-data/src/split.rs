//! The division of data into a part for training and one for validation.

use advect_core::{Error, Generator, Key, Result};
use candle_core::{Device, Tensor};

/// Splits `0..count` into indices for training and for validation, drawn by the key, each in increasing order: u32, in the CPU's memory.
/// Validation gets `fraction · count`, rounded, at least one index and not all. The same key and count give the same parts.
///
/// ```
/// use advect_core::Key;
/// use advect_data::split;
/// # fn main() -> advect_core::Result<()> {
/// let (training, validation) = split(10, 0.2, Key::from_seed(0))?;
/// assert_eq!((training.dims(), validation.dims()), (&[8][..], &[2][..]));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] unless the fraction is above 0 and below 1, and the count is from 2 to 2³² − 1.
#[doc(alias = "train_test_split")]
#[doc(alias = "random_split")]
pub fn split(count: usize, fraction: f64, key: Key) -> Result<(Tensor, Tensor)> {
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Error::range("fraction", fraction, "a number in (0, 1)"));
    }
    if count < 2 {
        return Err(Error::range("count", count, "two or more, to split"));
    }
    let held_out = ((fraction * count as f64).round() as usize).clamp(1, count - 1);
    let order = Generator::from(key).permutation(count, &Device::Cpu)?;
    let mut order = order.to_vec1::<u32>()?;
    let (validation, training) = order.split_at_mut(held_out);
    validation.sort_unstable();
    training.sort_unstable();
    let tensor = |indices: &[u32]| Tensor::new(indices, &Device::Cpu);
    Ok((tensor(training)?, tensor(validation)?))
}
