//! A step of AdamW (Loshchilov and Hutter 2019, algorithm 2) in one pass.

use advect_core::{Error, Result, check};
use advect_kernels::update::{AdamWRates, Updates};
use candle_core::{DType, Tensor, Var};

use super::{apart, apart_from_itself, in_place, share_memory};
use crate::cpu::in_place::with_slices;
use crate::cpu::{THREADS, by_dtype, host};

/// `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`,
/// `θ ← decay · θ − rate · m / (√(v / correction) + ε)`, in place.
///
/// ```
/// use advect_ops::update::{AdamWRates, adamw};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let (theta, m, v) = (Var::new(&[1f64], &Device::Cpu)?, Var::new(&[0f64], &Device::Cpu)?, Var::new(&[0f64], &Device::Cpu)?);
/// let rates = AdamWRates { decay: 1.0, rate: 1.0, correction: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
/// adamw(&theta, &m, &v, &Tensor::new(&[2f64], &Device::Cpu)?, &rates)?;
/// assert!((theta.to_vec1::<f64>()?[0] - 0.9).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`] unless the value is f32 or f64 (16 bits hold neither ε nor small second moments), [`Error`] naming the
/// argument that is not like the value, [`Error::Range`] for a variable given twice; then nothing has changed.
pub fn adamw(
    value: &Var,
    first: &Var,
    second: &Var,
    gradient: &Tensor,
    rates: &AdamWRates,
) -> Result<()> {
    if !matches!(value.dtype(), DType::F32 | DType::F64) {
        return Err(Error::dtype("value", value.dtype(), "f32 or f64"));
    }
    let gradient = gradient.detach();
    check::alike("gradient", &gradient, "value", value)?;
    check::alike("first", first, "value", value)?;
    check::alike("second", second, "value", value)?;
    if value.elem_count() == 0 {
        return Ok(());
    }
    for (name, var) in [("value", value), ("first", first), ("second", second)] {
        apart_from_itself(name, var)?;
    }
    // Each is locked for writing while the others are.
    let twice = |name, of: &str| {
        let given = format!("the variable that is the {of}, too,");
        Err(Error::range(name, given, "a variable of its own"))
    };
    match () {
        () if share_memory(value, first) => return twice("first", "value"),
        () if share_memory(value, second) => return twice("second", "value"),
        () if share_memory(first, second) => return twice("second", "first"),
        () => {}
    }
    if !in_place(&[value, first, second]) {
        return compose(value, first, second, &gradient, rates);
    }
    let gradient = apart(gradient, &[value, first, second])?;
    by_dtype!(gradient, T => {
        let gradient = host::<T>(&gradient)?;
        with_slices([value, first, second], |[value, first, second]: [&mut [T]; 3]| {
            T::adamw(THREADS, value, first, second, &gradient, rates);
            Ok(())
        })
    })
}

fn compose(value: &Var, first: &Var, second: &Var, g: &Tensor, rates: &AdamWRates) -> Result<()> {
    let (b1, b2) = (rates.beta1, rates.beta2);
    let m = ((first.as_detached_tensor() * b1)? + (g * (1.0 - b1))?)?;
    let v = ((second.as_detached_tensor() * b2)? + (g.sqr()? * (1.0 - b2))?)?;
    let root = (&v / rates.correction)?.sqrt()?;
    let direction = (&m / (root + rates.epsilon)?)?;
    let decayed = (value.as_detached_tensor() * rates.decay)?;
    value.set(&(decayed - (direction * rates.rate)?)?)?;
    first.set(&m)?;
    Ok(second.set(&v)?)
}
