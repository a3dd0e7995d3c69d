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
/// Words between the starts of two stretches: far more than 4096 draws by rejection ever need.
const STRIDE: u128 = 1 << 24;
/// Words of a stream.
const WORDS: u128 = 1 << 68;
/// Positions of a key that have numbers and a split of their own.
const POSITIONS: u64 = SPLITS;

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

/// A seeded generator of random tensors. Every random function of Advect takes a generator from its caller.
///
/// Its state is a [`Key`] and a count of draws, both small and public, so that it can be stored and restored exactly.
/// Numbers are drawn on the host in f64, rounded to the requested dtype, then moved to the device: the same seed gives
/// the same numbers on every device.
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
        let values = self.values(distribution, count)?;
        // Casting before the move halves what travels to a device.
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
        let (key, position) = self.advance();
        let mut values = vec![0.0; count];
        let blocks = values.chunks_mut(BLOCK).enumerate().collect();
        parallel::each(blocks, 5 * count, |(block, values): (usize, &mut [f64])| {
            let mut rng = key.stream(position);
            rng.set_word_pos(block as u128 * STRIDE);
            values.fill_with(|| distribution.sample(&mut rng));
        });
        Ok(values)
    }

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
        // More words than draws by rejection need; a function of the width alone.
        let stride = (4 * width as u128 + 16).next_power_of_two();
        let (end, numbers) = (u128::from(first) + samples as u128, WORDS / stride);
        if end > numbers {
            let accepted = format!(
                "a number of at most {}",
                numbers.saturating_sub(samples as u128)
            );
            return Err(Error::range("first", first, accepted));
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: Device = Device::Cpu;

    #[test]
    fn values_are_stable_across_versions() {
        // Written down once: a change here breaks everyone's reproducibility.
        let x = Generator::from_seed(0).values(&StandardNormal, 3).unwrap();
        let expected = [
            0.6999607946268154,
            -0.14406163542784764,
            0.30288628024558556,
        ];
        assert_eq!(x, expected);
    }

    #[test]
    fn a_prefix_does_not_depend_on_the_length() {
        let long = Generator::from_seed(5)
            .values(&StandardNormal, 10_000)
            .unwrap();
        let short = Generator::from_seed(5)
            .values(&StandardNormal, 5_000)
            .unwrap();
        assert_eq!(long[..5_000], short);
    }

    #[test]
    fn samples_have_numbers_of_their_own() {
        for width in [1, 3, 700] {
            let draw = |first, samples| {
                let mut rng = Generator::from_seed(5);
                let values = rng.values_by_sample(&StandardNormal, first, samples, width);
                values.unwrap()
            };
            let all = draw(10, 100);
            assert_eq!(all[37 * width..60 * width], draw(47, 23));
            let mut sorted = all.clone();
            sorted.sort_by(f64::total_cmp);
            assert!(sorted.windows(2).all(|w| w[0] < w[1]), "{width}");
        }
        // Written down once, as those above.
        let x = Generator::from_seed(0).values_by_sample(&StandardNormal, 7, 1, 2);
        let x = x.unwrap();
        assert_eq!(x, [0.20774741988070136, -0.6630793168306853]);
    }

    #[test]
    fn samples_without_noise_of_their_own_are_refused() {
        let draw = |first| {
            let mut rng = Generator::from_seed(0);
            rng.values_by_sample(&StandardNormal, first, 2, 3072)
        };
        let last = (1u64 << 54) - 2;
        assert!(draw(last).is_ok() && draw(0).unwrap() != draw(last).unwrap());
        for first in [last + 1, u64::MAX] {
            assert!(matches!(draw(first), Err(Error::Range { .. })), "{first}");
        }
    }

    #[test]
    fn word_positions_address_one_stream() {
        let key = Key::from_seed(2);
        let mut whole = key.stream(9);
        let words: Vec<u32> = (0..200).map(|_| whole.next_u32()).collect();
        for start in [0, 1, 16, 63, 64, 100] {
            let mut part = key.stream(9);
            part.set_word_pos(start as u128);
            assert_eq!(part.next_u32(), words[start], "{start}");
        }
    }

    #[test]
    fn normal_has_the_moments_and_the_law_of_a_normal() {
        let n = 100_000;
        let mut x = Generator::from_seed(11).values(&StandardNormal, n).unwrap();
        let mean = x.iter().sum::<f64>() / n as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
        let kurtosis =
            x.iter().map(|v| (v - mean).powi(4)).sum::<f64>() / n as f64 / variance.powi(2);
        // Four standard errors each.
        assert!(mean.abs() < 4.0 / (n as f64).sqrt(), "{mean}");
        assert!(
            (variance - 1.0).abs() < 4.0 * (2.0 / n as f64).sqrt(),
            "{variance}"
        );
        assert!(
            (kurtosis - 3.0).abs() < 4.0 * (24.0 / n as f64).sqrt(),
            "{kurtosis}"
        );
        // The quartiles of N(0, 1) are at ±0.67449.
        x.sort_by(f64::total_cmp);
        assert!((x[n / 4] + 0.674_49).abs() < 0.02 && (x[3 * n / 4] - 0.674_49).abs() < 0.02);
    }

    #[test]
    fn uniform_stays_below_one_in_every_dtype() {
        for dtype in [DType::BF16, DType::F16, DType::F32, DType::F64] {
            let x = Generator::from_seed(3)
                .uniform(0.0..1.0, 50_000, dtype, &CPU)
                .unwrap()
                .to_dtype(DType::F64)
                .unwrap()
                .to_vec1::<f64>()
                .unwrap();
            assert!(x.iter().all(|&u| (0.0..1.0).contains(&u)), "{dtype:?}");
        }
    }

    #[test]
    fn permutations_hold_each_index_once() {
        let mut rng = Generator::from_seed(4);
        for n in [0usize, 1, 2, 67] {
            let mut p = rng.permutation(n, &CPU).unwrap().to_vec1::<u32>().unwrap();
            p.sort_unstable();
            assert!(p.iter().enumerate().all(|(i, &v)| i == v as usize) && p.len() == n);
        }
    }

    #[test]
    fn integers_are_uniform() {
        let x = Generator::from_seed(8)
            .integers(0..10, 100_000, &CPU)
            .unwrap()
            .to_vec1::<u32>()
            .unwrap();
        for digit in 0..10 {
            let share = x.iter().filter(|&&v| v == digit).count() as f64 / 1e5;
            assert!((share - 0.1).abs() < 0.004, "{digit}: {share}");
        }
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn bad_arguments_are_typed_errors() {
        let mut rng = Generator::from_seed(0);
        assert!(matches!(
            rng.integers(3..3, 1, &CPU),
            Err(Error::Range { .. })
        ));
        assert!(matches!(
            rng.uniform(1.0..0.0, 1, DType::F32, &CPU),
            Err(Error::Range { .. })
        ));
        assert!(matches!(
            rng.normal(1, DType::U32, &CPU),
            Err(Error::DType { .. })
        ));
    }

    #[test]
    fn resuming_continues_the_stream() {
        let mut a = Generator::from_seed(6);
        a.values(&StandardNormal, 5).unwrap();
        let mut b = Generator::resume(a.key(), a.position());
        let draw = |rng: &mut Generator| rng.values(&StandardNormal, 5).unwrap();
        assert_eq!(draw(&mut a), draw(&mut b));
        assert_eq!(a.split(), b.split());
        // A split is none of the key's own children.
        let split = Generator::from_seed(6).split();
        assert!((0..10).all(|i| Key::from_seed(6).child(i) != split));
    }

    #[test]
    fn absurd_shapes_are_typed_errors() {
        let mut rng = Generator::from_seed(0);
        let large = 1usize << 62;
        for shape in [
            vec![large],
            vec![large, 4],
            vec![large, large, 0],
            vec![usize::MAX],
            vec![1 << 45],
        ] {
            let shape = shape.as_slice();
            let draws = [
                rng.normal(shape, DType::F32, &CPU),
                rng.uniform(0.0..1.0, shape, DType::F32, &CPU),
                rng.integers(0..3, shape, &CPU),
            ];
            for draw in draws {
                assert!(matches!(draw, Err(Error::Range { .. })), "{shape:?}");
            }
        }
        assert!(rng.values(&StandardNormal, large).is_err());
        assert!(rng.values_by_sample(&StandardNormal, 0, 2, large).is_err());
        assert!(rng.values_by_sample(&StandardNormal, 0, large, 0).is_ok());
        assert!(rng.permutation(large, &CPU).is_err());
        for (dtype, end) in [(DType::F16, 1e6), (DType::F32, 1e39), (DType::BF16, 1e39)] {
            let draw = rng.uniform(0.0..end, 1, dtype, &CPU);
            assert!(matches!(draw, Err(Error::Range { .. })), "{dtype:?}");
        }
    }

    #[test]
    fn a_generator_never_ends_and_never_repeats() {
        let key = Key::from_seed(6);
        let mut last = Generator::resume(key, POSITIONS - 1);
        let draw = |rng: &mut Generator| rng.values(&StandardNormal, 2).unwrap();
        let (a, b) = (draw(&mut last), draw(&mut last));
        assert!(last.key() != key && last.position() == 1);
        let first = draw(&mut Generator::from(key));
        assert!(a != b && b != first && a != first);
        let mut beyond = Generator::resume(key, u64::MAX);
        assert_eq!(draw(&mut beyond), b);
        assert_eq!(beyond, last);
    }
}
