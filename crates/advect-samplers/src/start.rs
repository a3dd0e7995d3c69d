//! Checks of the size of noise, and of states where samplers start.

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

use crate::Level;

/// The logarithm of a chance that is as good as none.
const NEVER: f64 = -20.0;

/// Accepts what may be standard normal numbers.
///
/// # Errors
/// Typed errors for noise that is empty, no float or not finite; [`Error::Range`] where the mean square is below ¼ or above 4, and the
/// numbers are too many for chance.
pub(crate) fn check_noise(noise: &Tensor) -> Result<()> {
    let mean_square = mean_square("noise", noise)?;
    if (0.25..=4.0).contains(&mean_square) || may_be(mean_square, noise)? {
        return Ok(());
    }
    let accepted = "standard normal noise, of mean square 1 (the sampler scales it; a state of the path goes to Sampler::run)";
    Err(Error::range("noise", told(mean_square), accepted))
}

/// Accepts what may be a state `α x1 + σ x0` of the path at a level: of any size where there is data in it, but not much smaller than its
/// noise.
///
/// # Errors
/// Typed errors for a state that is empty, no float or not finite; [`Error::Range`] where it can't be.
pub(crate) fn check_start(x: &Tensor, level: &Level) -> Result<()> {
    let noise = level.sigma * level.sigma;
    let mean_square = mean_square("x", x)?;
    let part = mean_square / noise;
    let small = part < 0.25;
    let large = part > 4.0 && level.alpha == 0.0;
    if !(small || large) || may_be(part, x)? {
        return Ok(());
    }
    let accepted = format!(
        "a state of the path at t = {}, of mean square {}{noise:.3} (noise times σ = {:.3}, as Sampler::sample makes it; Run::any_start accepts all)",
        level.time,
        if small { "at least " } else { "" },
        level.sigma,
    );
    Err(Error::range("x", told(mean_square), accepted))
}

/// Accepts a batch of finite floats.
pub(crate) fn check_state(argument: &'static str, x: &Tensor) -> Result<()> {
    check::batch(argument, x)?;
    check::float(argument, x)?;
    check::finite(argument, x)
}

fn told(mean_square: f64) -> String {
    format!("a mean square of {mean_square:.3e}")
}

/// The mean square of a batch of finite floats.
fn mean_square(argument: &'static str, x: &Tensor) -> Result<f64> {
    check::batch(argument, x)?;
    check::float(argument, x)?;
    let sums = shape::sum_squares_per_sample(x)?.to_dtype(DType::F64)?;
    let sum = sums.sum_all()?.to_scalar::<f64>()?;
    // A finite sum has finite terms; an infinite one may have.
    if !sum.is_finite() {
        check::finite(argument, x)?;
    }
    Ok(sum / x.elem_count() as f64)
}

/// Whether so many normal numbers may have this mean square, as part of their variance: by Chernoff's bound of the χ² distribution,
/// `P ≤ exp(½ n (1 + ln c − c))` on either side. Numbers that are repeated, such as the same noise for each sample, count once.
fn may_be(part: f64, x: &Tensor) -> Result<bool> {
    let values = x.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let mut bits: Vec<u64> = values.into_iter().map(f64::to_bits).collect();
    bits.sort_unstable();
    bits.dedup();
    let log = 0.5 * bits.len() as f64 * (1.0 + part.ln() - part);
    Ok(log > NEVER)
}
