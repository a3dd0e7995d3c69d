//! A random generator that the caller owns: a key and the number of draws so far.

use std::ops::Range;

use candle_core::{DType, Device, Shape, Tensor};
use chacha20::ChaCha8Rng;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use crate::key::SPLITS;
use crate::{Error, Key, Result, check, parallel};

/// Elements that share one stretch of random words; each stretch can be filled by its own thread.
const BLOCK: usize = 4096;
/// Numbers that are drawn before they are used.
const RUN: usize = 256;
/// Words between the starts of two stretches: far more than 4096 draws by rejection ever need.
const STRIDE: u128 = 1 << 24;
/// Positions of a key that have numbers and a split of their own.
const POSITIONS: u64 = SPLITS;

/// A seeded generator of random tensors. Every random function of Advect takes a generator from its caller.
///
/// Its state is a [`Key`] and a count of draws, both small and public, so that it can be stored and restored exactly.
/// Numbers are drawn in f64, then rounded to the requested dtype: the same seed gives the same numbers on every device. They are drawn
/// on the host and moved to the device, but for normal numbers in f32 and uniform ones in f32 and f64 on CUDA, which are drawn there
/// (with the feature `cuda`).
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let (mut a, mut b) = (Generator::from_seed(1), Generator::from_seed(1));
/// let x = a.normal((2, 2), DType::F32, &Device::Cpu)?;
/// assert_eq!(x.to_vec2::<f32>()?, b.normal((2, 2), DType::F32, &Device::Cpu)?.to_vec2::<f32>()?);
/// // The next draw differs.
/// assert_ne!(x.to_vec2::<f32>()?, a.normal((2, 2), DType::F32, &Device::Cpu)?.to_vec2::<f32>()?);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "RNG")]
#[doc(alias = "PRNG")]
#[doc(alias = "seed")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    key: Key,
    position: u64,
}

impl From<Key> for Generator {
    /// Creates a generator that starts at position 0 of a key.
    fn from(key: Key) -> Self {
        Generator { key, position: 0 }
    }
}

impl Generator {
    /// Creates a generator from a seed.
    #[doc(alias = "manual_seed")]
    pub fn from_seed(seed: u64) -> Self {
        Key::from_seed(seed).into()
    }

    /// Creates the generator with this key after `position` draws, as [`Generator::key`] and [`Generator::position`]
    /// return them. After 2⁶³ − 2 draws a generator continues at the beginning of another key.
    pub fn resume(key: Key, position: u64) -> Self {
        Generator { key, position }
    }

    /// Returns the key that the numbers come from.
    pub fn key(&self) -> Key {
        self.key
    }

    /// Returns the number of draws that were made from the key.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns a fresh key, independent of all other draws and of the key's children. This counts as one draw.
    pub fn split(&mut self) -> Key {
        let (key, position) = self.advance();
        key.splits().child(position)
    }

    /// Returns the numbers of the next draw, as a generator for the `rand` ecosystem.
    pub fn stream(&mut self) -> ChaCha8Rng {
        let (key, position) = self.advance();
        key.stream(position)
    }

    /// Draws independent standard normal numbers, N(0, 1).
    ///
    /// # Errors
    /// [`Error::DType`] unless the dtype is a float, [`Error::Range`] for a shape beyond the memory.
    #[doc(alias = "randn")]
    #[doc(alias = "Gaussian")]
    pub fn normal(
        &mut self,
        shape: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let shape = shape.into();
        #[cfg(feature = "cuda")]
        if let (Device::Cuda(device), DType::F32) = (device, dtype)
            && check::memory("shape", shape.dims(), DType::F64)? > 0
        {
            return self.normal_on_cuda(&shape, device);
        }
        self.sample(&StandardNormal, shape, dtype, device)
    }

    /// Draws standard normal numbers with the shape, dtype and device of `x`.
    ///
    /// # Errors
    /// As [`Generator::normal`].
    #[doc(alias = "randn_like")]
    pub fn normal_like(&mut self, x: &Tensor) -> Result<Tensor> {
        self.normal(x.shape(), x.dtype(), x.device())
    }

    /// Draws independent uniform numbers in `[range.start, range.end)`.
    ///
    /// Unit uniforms are cut, not rounded, to the precision of `dtype`, so that `0.0..1.0` never
    /// yields 1; other ranges may reach their end by rounding.
    ///
    /// # Errors
    /// [`Error::Range`] for a range that is empty, infinite or beyond what the dtype holds, and for a shape beyond the memory;
    /// [`Error::DType`] unless the dtype is a float.
    #[doc(alias = "rand")]
    pub fn uniform(
        &mut self,
        range: Range<f64>,
        shape: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let width = range.end - range.start;
        if !(width > 0.0 && width.is_finite()) {
            let given = format!("{range:?}");
            return Err(Error::range(
                "range",
                given,
                "a finite range a..b with a < b",
            ));
        }
        let (bits, largest) = match dtype {
            DType::BF16 => (8, 3.3895313892515355e38),
            DType::F16 => (11, 65_504.0),
            DType::F32 => (24, f64::from(f32::MAX)),
            _ => (53, f64::MAX),
        };
        if range.start.abs().max(range.end.abs()) > largest {
            let accepted = format!("a range within ±{largest:e}, the largest number of {dtype:?}");
            return Err(Error::range("range", format!("{range:?}"), accepted));
        }
        let shape = shape.into();
        #[cfg(feature = "cuda")]
        if let (Device::Cuda(device), DType::F32 | DType::F64) = (device, dtype)
            && check::memory("shape", shape.dims(), DType::F64)? > 0
        {
            return self.uniform_on_cuda([range.start, width], bits, &shape, dtype, device);
        }
        let scale = f64::from(bits).exp2();
        let cut = StandardUniform.map(|u: f64| range.start + width * ((u * scale).floor() / scale));
        self.sample(&cut, shape, dtype, device)
    }

    /// Draws independent numbers from any distribution of the `rand` ecosystem, in f64 and then rounded.
    ///
    /// # Errors
    /// As [`Generator::normal`].
    pub fn sample<D: Distribution<f64> + Sync>(
        &mut self,
        distribution: &D,
        shape: impl Into<Shape>,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        check::float_dtype("dtype", dtype)?;
        let shape = shape.into();
        let count = check::memory("shape", shape.dims(), DType::F64)?;
        // Casting before the move halves what travels to a device.
        if dtype == DType::F32 {
            let values = self.values_with(distribution, &vec![(); count], |x, ()| x as f32)?;
            return Ok(Tensor::from_vec(values, shape, &Device::Cpu)?.to_device(device)?);
        }
        let values = self.values(distribution, count)?;
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)?)
    }

    /// Draws independent numbers from a distribution, as a vector on the host.
    ///
    /// # Errors
    /// [`Error::Range`] for more than fit the memory.
    pub fn values<D: Distribution<f64> + Sync>(
        &mut self,
        distribution: &D,
        count: usize,
    ) -> Result<Vec<f64>> {
        check::memory("count", &[count], DType::F64)?;
        self.values_with(distribution, &vec![(); count], |x, ()| x)
    }

    /// Draws a number from a distribution for each of the `items`, and returns `f` of both.
    ///
    /// The numbers are those that [`values`](Generator::values) returns. They are used while they are in the cache, and `f` is called on
    /// several threads where there are many.
    ///
    /// ```
    /// use advect_core::Generator;
    /// use rand_distr::StandardUniform;
    /// # fn main() -> advect_core::Result<()> {
    /// let probabilities = [0.0, 1.0, 0.0];
    /// let less = |u: f64, p: f64| u < p;
    /// let ones = Generator::from_seed(0).values_with(&StandardUniform, &probabilities, less)?;
    /// assert_eq!(ones, [false, true, false]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for more results than fit the memory.
    pub fn values_with<D, I, T>(
        &mut self,
        distribution: &D,
        items: &[I],
        f: impl Fn(f64, I) -> T + Sync,
    ) -> Result<Vec<T>>
    where
        D: Distribution<f64> + Sync,
        I: Copy + Sync,
        T: Copy + Default + Send,
    {
        self.by_stretch(items, |rng, results, items| {
            let mut drawn = [0.0; RUN];
            for (results, items) in results.chunks_mut(RUN).zip(items.chunks(RUN)) {
                let drawn = &mut drawn[..items.len()];
                drawn.fill_with(|| distribution.sample(rng));
                for (result, (x, item)) in results.iter_mut().zip(drawn.iter().zip(items)) {
                    *result = f(*x, *item);
                }
            }
        })
    }

    /// Draws for each of the `items` whether an event of some probability happens, and returns `f` of both.
    ///
    /// It happens where the uniform number in `[0, 1)` at this place is below the probability.
    ///
    /// ```
    /// use advect_core::Generator;
    /// # fn main() -> advect_core::Result<()> {
    /// let x = [1.0; 10_000];
    /// let kept = Generator::from_seed(0).events_with(0.1, &x, |dropped, x| if dropped { 0.0 } else { x })?;
    /// assert_eq!(kept.iter().sum::<f64>(), 8938.0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for a probability outside `[0, 1]`, and for more results than fit the memory.
    #[doc(alias = "Bernoulli")]
    pub fn events_with<I, T>(
        &mut self,
        probability: f64,
        items: &[I],
        f: impl Fn(bool, I) -> T + Sync,
    ) -> Result<Vec<T>>
    where
        I: Copy + Sync,
        T: Copy + Default + Send,
    {
        check::fraction("probability", probability)?;
        // A uniform number is the upper 53 bits of a word.
        let bound = (probability * 53f64.exp2()).ceil() as u64;
        self.by_stretch(items, |rng, results, items| {
            let mut words = [0; 8 * RUN];
            for (results, items) in results.chunks_mut(RUN).zip(items.chunks(RUN)) {
                rng.fill_bytes(&mut words);
                let (words, _) = words.as_chunks();
                for (result, (word, item)) in results.iter_mut().zip(words.iter().zip(items)) {
                    *result = f(u64::from_le_bytes(*word) >> 11 < bound, *item);
                }
            }
        })
    }

    /// Fills results for items by the words of the next draw, in stretches that several threads share.
    fn by_stretch<I, T>(
        &mut self,
        items: &[I],
        fill: impl Fn(&mut ChaCha8Rng, &mut [T], &[I]) + Sync,
    ) -> Result<Vec<T>>
    where
        I: Sync,
        T: Copy + Default + Send,
    {
        let count = items.len();
        check::memory("items", &[count], DType::F64)?;
        let (key, position) = self.advance();
        let mut results = vec![T::default(); count];
        let blocks = results.chunks_mut(BLOCK).zip(items.chunks(BLOCK));
        let blocks = blocks.enumerate().collect();
        parallel::each(
            blocks,
            5 * count,
            |(block, (results, items)): (usize, (&mut [T], &[I]))| {
                let mut rng = key.stream(position);
                rng.set_word_pos(block as u128 * STRIDE);
                fill(&mut rng, results, items);
            },
        );
        Ok(results)
    }

    /// Draws independent uniform integers in `range`, as u32.
    ///
    /// # Errors
    /// [`Error::Range`] for an empty range, and for a shape beyond the memory.
    #[doc(alias = "randint")]
    pub fn integers(
        &mut self,
        range: Range<u32>,
        shape: impl Into<Shape>,
        device: &Device,
    ) -> Result<Tensor> {
        let shape = shape.into();
        let distribution = rand::distr::Uniform::try_from(range.clone())
            .map_err(|_| Error::range("range", format!("{range:?}"), "a range a..b with a < b"))?;
        let count = check::memory("shape", shape.dims(), DType::U32)?;
        let mut rng = self.stream();
        let values: Vec<u32> = (0..count).map(|_| distribution.sample(&mut rng)).collect();
        Ok(Tensor::from_vec(values, shape, device)?)
    }

    /// Draws a uniformly random permutation of `0..n`, as a u32 tensor of shape `(n,)`: indices for
    /// [`Tensor::index_select`].
    ///
    /// # Errors
    /// [`Error::Range`] if `n` does not fit u32, or the indices don't fit the memory.
    #[doc(alias = "shuffle")]
    #[doc(alias = "randperm")]
    pub fn permutation(&mut self, n: usize, device: &Device) -> Result<Tensor> {
        let end = u32::try_from(n).map_err(|_| Error::range("n", n, "a number below 2^32"))?;
        check::memory("n", &[n], DType::U32)?;
        let mut indices: Vec<u32> = (0..end).collect();
        indices.shuffle(&mut self.stream());
        Ok(Tensor::from_vec(indices, n, device)?)
    }

    /// Returns the key and the position of the next draw.
    fn advance(&mut self) -> (Key, u64) {
        if self.position >= POSITIONS {
            *self = self.key.successor().into();
        }
        let position = self.position;
        self.position += 1;
        (self.key, position)
    }
}

mod by_sample;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(test)]
mod tests;
