//! Random numbers, with the bits that the CPU's have.

use candle_core::{CudaDevice, DType, Error, Result, Shape};

use super::{Argument, Family, Fresh, Grid, launch};

/// The cipher's blocks, and a stream as parameters of kernels.
pub(super) const CIPHER: &str = include_str!("cipher.cu");

pub(super) const FAMILY: Family = Family {
    name: "random",
    fused: false,
    sources: &[
        CIPHER,
        include_str!("normal_layers.cu"),
        include_str!("random.cu"),
    ],
};

/// Numbers are computed in f64, whatever they are rounded to.
const DTYPE: DType = DType::F64;
/// 32-bit words of a block of the cipher.
const BLOCK: u128 = 16;

/// Places in a stream of the ChaCha8 cipher where stretches of numbers begin.
#[derive(Debug, Clone, Copy)]
pub struct Stretches {
    /// The key of the cipher.
    pub key: [u8; 32],
    /// The number of the stream.
    pub stream: u64,
    /// The 32-bit words before the first stretch, a multiple of 16.
    pub first: u128,
    /// The 32-bit words from the beginning of one stretch to that of the next, a multiple of 16.
    pub stride: u128,
    /// The numbers of a stretch, at least 1; the last may have fewer.
    pub length: usize,
}

impl Stretches {
    /// The key and the stream.
    fn stream<'a>(&self) -> [Argument<'a>; 5] {
        let (words, _) = self.key.as_chunks::<8>();
        let word = |i: usize| words.get(i).map_or(self.stream, |w| u64::from_le_bytes(*w));
        std::array::from_fn(|i| Argument::Size(word(i) as usize))
    }

    /// The arguments of a kernel that calls `each_word`: the stream, and its stretches.
    pub(super) fn of_words<'a>(&self) -> Result<Vec<Argument<'a>>> {
        if self.first != 0 || !self.length.is_multiple_of(8) {
            return Err(Error::Msg(format!("words one by one of {self:?}")).bt());
        }
        let mut arguments = Vec::from(self.stream());
        arguments.push(Argument::Size(Self::blocks(self.stride)?));
        arguments.push(Argument::Size(self.length));
        Ok(arguments)
    }

    /// Words as blocks of the cipher.
    fn blocks(words: u128) -> Result<usize> {
        let blocks = words / BLOCK;
        match usize::try_from(blocks) {
            Ok(blocks) if words.is_multiple_of(BLOCK) => Ok(blocks),
            _ => Err(Error::Msg(format!("a stretch at word {words} of a stream")).bt()),
        }
    }

    /// Standard normal numbers in f32.
    ///
    /// # Errors
    /// An error for stretches that don't begin with a block of the cipher, and those of the device.
    pub fn normal(&self, device: &CudaDevice, shape: impl Into<Shape>) -> Result<Fresh> {
        let mut y = Fresh::new(device, DType::F32, shape)?;
        let count = y.count();
        let mut arguments = Vec::from(self.stream());
        arguments.extend([
            Argument::Size(Self::blocks(self.first)?),
            Argument::Size(Self::blocks(self.stride)?),
            Argument::Size(self.length),
            Argument::Write(&mut y),
            Argument::Size(count),
        ]);
        let threads = self.length.next_multiple_of(32).clamp(32, 256);
        let blocks = count.div_ceil(self.length).clamp(1, 1 << 20);
        let grid = Grid::new(blocks, threads);
        launch(&FAMILY, "normal", DTYPE, grid, &mut arguments)?;
        Ok(y)
    }

    /// Uniform numbers in f32 or f64: multiples of `2^−bits` in `[0, 1)`, times `width`, and `start` added. The first stretch is at
    /// the stream's beginning, and stretches have a multiple of 8 numbers.
    ///
    /// # Errors
    /// As [`Stretches::normal`]; an error for another dtype, or another place or length.
    pub fn uniform(
        &self,
        device: &CudaDevice,
        dtype: DType,
        shape: impl Into<Shape>,
        [start, width]: [f64; 2],
        bits: u8,
    ) -> Result<Fresh> {
        let kernel = match dtype {
            DType::F32 => "uniform_as_f32",
            DType::F64 => "uniform_as_f64",
            other => return Err(Error::UnsupportedDTypeForOp(other, "uniform numbers").bt()),
        };
        let mut y = Fresh::new(device, dtype, shape)?;
        let count = y.count();
        let mut arguments = self.of_words()?;
        arguments.extend([
            Argument::Write(&mut y),
            Argument::Size(count),
            Argument::Real(start),
            Argument::Real(width),
            Argument::Real(f64::from(bits).exp2()),
        ]);
        let grid = Grid::over(count.div_ceil(8));
        launch(&FAMILY, kernel, DTYPE, grid, &mut arguments)?;
        Ok(y)
    }
}
