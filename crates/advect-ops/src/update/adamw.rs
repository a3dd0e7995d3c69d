//! A step of AdamW (Loshchilov and Hutter 2019, algorithm 2) in one pass.

use advect_core::Result;
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update::{self, Step};
use advect_kernels::update::AdamWRates;
use candle_core::{Tensor, Var};

use super::elementwise::{Elementwise, add};
use super::{Steps, together};
use crate::cpu::{Float, THREADS};

/// Makes a step of AdamW in place: `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²`, `θ ← decay · θ − rate · m / (√(v
/// / correction) + ε)`.
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
/// [`Error::DType`](advect_core::Error::DType) unless the value is f32 or f64 (16 bits hold neither ε nor small second moments), an error naming the
/// argument that is not like the value, [`Error::Range`](advect_core::Error::Range) for a variable given twice; then nothing has changed.
pub fn adamw(
    value: &Var,
    first: &Var,
    second: &Var,
    gradient: &Tensor,
    rates: &AdamWRates,
) -> Result<()> {
    together(|steps| steps.adamw(value, first, second, gradient, rates))
}

impl Steps {
    /// Adds a step of [AdamW](adamw).
    ///
    /// # Errors
    /// Those of [`adamw`], and of steps that waited.
    pub fn adamw(
        &mut self,
        value: &Var,
        first: &Var,
        second: &Var,
        gradient: &Tensor,
        rates: &AdamWRates,
    ) -> Result<()> {
        let names = ["value", "first", "second"];
        add(self, names, [value, first, second], gradient, rates)
    }
}

impl Elementwise<3> for AdamWRates {
    fn run<T: Float>(&self, variables: [&mut [T]; 3], gradient: &[T]) {
        T::adamw(THREADS, variables, gradient, self);
    }

    fn compose(&self, [value, first, second]: [&Var; 3], g: &Tensor) -> Result<()> {
        let (b1, b2) = (self.beta1, self.beta2);
        let m = ((first.as_detached_tensor() * b1)? + (g * (1.0 - b1))?)?;
        let v = ((second.as_detached_tensor() * b2)? + (g.sqr()? * (1.0 - b2))?)?;
        let root = (&v / self.correction)?.sqrt()?;
        let direction = (&m / (root + self.epsilon)?)?;
        let decayed = (value.as_detached_tensor() * self.decay)?;
        value.set(&(decayed - (direction * self.rate)?)?)?;
        first.set(&m)?;
        Ok(second.set(&v)?)
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, variables: [&Tensor; 3], gradient: &Tensor) -> Step {
        update::adamw(variables, gradient, self)
    }
}
