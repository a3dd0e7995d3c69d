//! The positions of tokens as features.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

/// Returns the sinusoidal features of the positions of tokens on a grid, `(tokens, width)` in f64.
///
/// They are `sin(i ω_k)`, then `cos(i ω_k)`, for the position i along an axis, with `ω_k = 10000^(−k / n)`, k = 0 … n − 1, and
/// `n = ⌊width / (2 · axes)⌋` (Vaswani et al. 2017, section 3.5). With several axes, each has an equal part of the width, the last axis (the columns
/// of images) first; the rest of the width is 0.
///
/// ```
/// use advect_nn::sinusoidal_positions;
/// # fn main() -> advect_core::Result<()> {
/// let table = sinusoidal_positions(&[2], 2)?;
/// assert_eq!(table.to_vec2::<f64>()?, [[0.0, 1.0], [1f64.sin(), 1f64.cos()]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Empty`] without axes; [`Error::Range`] for an axis of 0, a width below two numbers for each axis, and a table that does not fit in
/// memory.
#[doc(alias = "positional encoding")]
#[doc(alias = "get_2d_sincos_pos_embed")]
pub fn sinusoidal_positions(grid: &[usize], width: usize) -> Result<Tensor> {
    if grid.is_empty() {
        return Err(Error::Empty {
            argument: "grid".into(),
        });
    }
    for &side in grid {
        check::at_least_one("grid", side)?;
    }
    let each = width / 2 / grid.len();
    if each == 0 {
        let accepted = format!("at least {}, two for each axis", 2 * grid.len());
        return Err(Error::range("width", width, accepted));
    }
    check::memory("grid", &[grid, &[width]].concat(), DType::F64)?;
    let frequencies: Vec<f64> = (0..each)
        .map(|k| 10_000f64.powf(-(k as f64) / each as f64))
        .collect();
    let tokens: usize = grid.iter().product();
    let mut table = Vec::with_capacity(tokens * width);
    for token in 0..tokens {
        let mut rest = token;
        for side in grid.iter().rev() {
            let i = (rest % side) as f64;
            rest /= side;
            table.extend(frequencies.iter().map(|f| (i * f).sin()));
            table.extend(frequencies.iter().map(|f| (i * f).cos()));
        }
        table.resize((token + 1) * width, 0.0);
    }
    Ok(Tensor::from_vec(table, (tokens, width), &Device::Cpu)?)
}
