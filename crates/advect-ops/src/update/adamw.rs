//! A step of AdamW (Loshchilov and Hutter 2019, algorithm 2) in one pass.

use advect_core::{Error, Result, check, parallel};
use candle_core::{DType, Tensor, Var};
use pulp::{Simd, WithSimd};

use super::{PIECE, apart, apart_from_itself, in_place, share_memory};
use crate::cpu::in_place::with_slices;
use crate::cpu::{Float, by_dtype, dispatch, host};

/// The numbers of one step of [`adamw`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWRates {
    /// `1 − η λ`, by which the parameters decay.
    pub decay: f64,
    /// `η / (1 − β₁ᵏ)` at the k-th step.
    pub rate: f64,
    /// `1 − β₂ᵏ` at the k-th step.
    pub correction: f64,
    /// β₁.
    pub beta1: f64,
    /// β₂.
    pub beta2: f64,
    /// ε.
    pub epsilon: f64,
}

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
            let tasks = (value.chunks_mut(PIECE).zip(first.chunks_mut(PIECE)))
                .zip(second.chunks_mut(PIECE).zip(gradient.chunks(PIECE)))
                .map(|((value, first), (second, gradient))| Update { value, first, second, gradient, rates })
                .collect();
            parallel::each(tasks, gradient.len(), |task: Update<'_, T>| dispatch(task));
            Ok(())
        })
    })
}

struct Update<'a, T> {
    value: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
    gradient: &'a [T],
    rates: &'a AdamWRates,
}

impl<T: Float> WithSimd for Update<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let r = self.rates;
        let (b1, b2, epsilon) = (T::of(r.beta1), T::of(r.beta2), T::of(r.epsilon));
        let (c1, c2) = (T::of(1.0 - r.beta1), T::of(1.0 - r.beta2));
        let (decay, rate) = (T::of(r.decay), T::of(r.rate));
        let inverse = T::of(1.0 / r.correction);
        let moments = self.first.iter_mut().zip(self.second);
        for ((value, (first, second)), g) in self.value.iter_mut().zip(moments).zip(self.gradient) {
            *first = b1 * *first + c1 * *g;
            *second = b2 * *second + c2 * (*g * *g);
            *value = decay * *value - rate * *first / ((*second * inverse).root() + epsilon);
        }
    }
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
