//! Sums over all states of a few binary units.

use std::ops::Range;

use advect_core::{Error, Result};
use candle_core::{Device, Tensor};

/// Units whose states are enumerated: 2²⁰ is about a million.
pub(crate) const MOST: usize = 20;
/// States that are evaluated at once.
const BLOCK: usize = 1 << 12;

/// The numbers of all states of `units` units, in blocks.
pub(crate) fn blocks(argument: &'static str, units: usize) -> Result<Vec<Range<usize>>> {
    if units > MOST {
        let accepted = format!("at most {MOST} units, whose states can be enumerated");
        return Err(Error::range(argument, format!("{units} units"), accepted));
    }
    let count = 1usize << units;
    let starts = (0..count).step_by(BLOCK);
    Ok(starts.map(|i| i..(i + BLOCK).min(count)).collect())
}

/// The states of these numbers, `(states, units)`, like another tensor. Unit i is bit i of the number.
pub(crate) fn states(numbers: Range<usize>, units: usize, like: &Tensor) -> Result<Tensor> {
    let count = numbers.len();
    let bit = |number: usize, i: usize| f64::from(u8::from(number >> i & 1 == 1));
    let values: Vec<f64> = numbers
        .flat_map(|number| (0..units).map(move |i| bit(number, i)))
        .collect();
    let states = Tensor::from_vec(values, (count, units), &Device::Cpu)?;
    Ok(states.to_dtype(like.dtype())?.to_device(like.device())?)
}

/// `ln Σ e^x` of all elements, a scalar that is differentiable.
pub(crate) fn log_sum_exp(x: &Tensor) -> Result<Tensor> {
    let largest = x.detach().flatten_all()?.max(0)?;
    let sum = x.broadcast_sub(&largest)?.exp()?.sum_all()?;
    Ok((sum.log()? + largest)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::DType;

    #[test]
    fn every_state_occurs_once() {
        let like = Tensor::zeros(1, DType::F64, &Device::Cpu).unwrap();
        let rows = states(0..8, 3, &like).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!(rows[6], [0.0, 1.0, 1.0]);
        assert_eq!(blocks("units", 13).unwrap(), [0..4096, 4096..8192]);
        assert!(blocks("units", 21).is_err());
    }

    #[test]
    fn large_exponents_do_not_overflow() {
        let x = Tensor::new(&[1000f64, 1000.0], &Device::Cpu).unwrap();
        let sum = log_sum_exp(&x).unwrap().to_scalar::<f64>().unwrap();
        assert!((sum - 1000.0 - 2f64.ln()).abs() < 1e-12);
    }
}
