//! Numbers that depend on the number of their sample.

use candle_core::{DType, Device, Tensor};
use chacha20::ChaCha8Rng;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::Generator;
use crate::{Error, Result, check, parallel};

/// Words of a stream.
const WORDS: u128 = 1 << 68;

/// The words between the starts of two samples: more than draws by rejection need, and a function of the width alone.
fn stride_of_samples(first: u64, samples: usize, width: usize) -> Result<u128> {
    let stride = (4 * width as u128 + 16).next_power_of_two();
    let (end, numbers) = (u128::from(first) + samples as u128, WORDS / stride);
    if end > numbers {
        let most = numbers.saturating_sub(samples as u128);
        let accepted = format!("a number of at most {most}");
        return Err(Error::range("first", first, accepted));
    }
    Ok(stride)
}

/// Goes to a place in a stream: word by word where it is near, as a jump makes a whole buffer anew.
fn seek(rng: &mut ChaCha8Rng, place: u128) {
    let here = rng.get_word_pos();
    match place.checked_sub(here) {
        Some(gap) if gap < 32 => (0..gap).for_each(|_| {
            rng.next_u32();
        }),
        _ => rng.set_word_pos(place),
    }
}

impl Generator {
    /// Draws standard normal numbers with the shape, dtype and device of `x`. The samples, along the first dimension,
    /// are numbered `first`, `first + 1`, …: the numbers of a sample depend on its number, not on the others that are
    /// drawn with it.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use candle_core::{DType, Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let x = Tensor::zeros((4, 3), DType::F64, &Device::Cpu)?;
    /// let all = Generator::from_seed(0).normal_by_sample(0, &x)?;
    /// let some = Generator::from_seed(0).normal_by_sample(2, &x.narrow(0, 2, 2)?)?;
    /// assert_eq!(all.narrow(0, 2, 2)?.to_vec2::<f64>()?, some.to_vec2::<f64>()?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::DType`] unless x is a float, [`Error::Empty`] without samples, [`Error::Range`] as
    /// [`Generator::values_by_sample`].
    pub fn normal_by_sample(&mut self, first: u64, x: &Tensor) -> Result<Tensor> {
        check::float("x", x)?;
        let samples = check::batch("x", x)?;
        let width = x.elem_count() / samples;
        #[cfg(feature = "cuda")]
        if let (Device::Cuda(device), DType::F32) = (x.device(), x.dtype()) {
            let stride = stride_of_samples(first, samples, width)?;
            return self.normal_by_sample_on_cuda(first, stride, x.shape(), device);
        }
        let values = self.values_by_sample(&StandardNormal, first, samples, width)?;
        Ok(Tensor::from_vec(values, x.dims(), &Device::Cpu)?
            .to_dtype(x.dtype())?
            .to_device(x.device())?)
    }

    /// Draws independent numbers from a distribution, `width` for each of the samples numbered `first` to `first +
    /// samples − 1`, in their order; see [`Generator::normal_by_sample`].
    ///
    /// # Errors
    /// [`Error::Range`] for numbers beyond those that have noise of their own: 2⁶⁸ over 4 to 8 times the width, which is 2⁵⁴
    /// for images of 3 × 32 × 32; for more numbers than fit the memory.
    pub fn values_by_sample<D: Distribution<f64> + Sync>(
        &mut self,
        distribution: &D,
        first: u64,
        samples: usize,
        width: usize,
    ) -> Result<Vec<f64>> {
        let stride = stride_of_samples(first, samples, width)?;
        let count = check::memory("samples", &[samples, width], DType::F64)?;
        let (key, position) = self.advance();
        let mut values = vec![0.0; count];
        let nanoseconds = (5 * count).saturating_add(samples.saturating_mul(50));
        let piece = parallel::piece(samples, 1, nanoseconds);
        let pieces = values.chunks_mut((piece * width).max(1)).enumerate();
        parallel::each(
            pieces.collect(),
            nanoseconds,
            |(i, values): (usize, &mut [f64])| {
                let mut rng = key.stream(position);
                for (row, values) in values.chunks_mut(width).enumerate() {
                    let sample = first + (i * piece + row) as u64;
                    seek(&mut rng, u128::from(sample) * stride);
                    values.fill_with(|| distribution.sample(&mut rng));
                }
            },
        );
        Ok(values)
    }
}
