//! Rotations of queries and keys by the positions of their tokens along each axis.

use advect_core::{Result, check};
use advect_ops::{Value, rotary};
use candle_core::{DType, Device, Tensor};

/// The cosines and sines of the angles of each token, `(tokens, head size / 2)`: axial rotary position embedding (Su et
/// al. 2021, section 3.2.2, for each axis).
///
/// The numbers of a head are divided equally among the axes, the first axis first; those of an axis, D of them, turn by
/// `i · base^(−2k / D)` at position i, k = 0 … D / 2 − 1.
#[derive(Debug, Clone)]
pub(super) struct Rotation {
    cosines: Tensor,
    sines: Tensor,
}

impl Rotation {
    /// The tables for a grid of tokens; the number of axes divides half the size of a head.
    pub(super) fn new(
        grid: &[usize],
        head: usize,
        base: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let each = head / 2 / grid.len();
        let frequencies: Vec<f64> = (0..each)
            .map(|k| base.powf(-(k as f64) / each as f64))
            .collect();
        let tokens: usize = grid.iter().product();
        let count = check::memory("dim", &[tokens, head / 2], DType::F64)?;
        let mut angles = Vec::with_capacity(count);
        for token in 0..tokens {
            for position in position(grid, token) {
                angles.extend(frequencies.iter().map(|f| position as f64 * f));
            }
        }
        let angles = Tensor::from_vec(angles, (tokens, head / 2), &Device::Cpu)?;
        let like = |x: Tensor| -> Result<Tensor> { Ok(x.to_dtype(dtype)?.to_device(device)?) };
        Ok(Rotation {
            cosines: like(angles.cos()?)?,
            sines: like(angles.sin()?)?,
        })
    }

    /// Queries or keys `(batch, tokens, heads, size)`, turned.
    pub(super) fn apply<V: Value>(&self, x: &V) -> Result<V> {
        rotary(x, &self.cosines, &self.sines)
    }
}

/// The position of a token along each axis of a grid.
fn position(grid: &[usize], token: usize) -> Vec<usize> {
    let mut rest = token;
    let mut position: Vec<usize> = (grid.iter().rev())
        .map(|side| {
            let along = rest % side;
            rest /= side;
            along
        })
        .collect();
    position.reverse();
    position
}
