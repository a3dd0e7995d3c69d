//! A step of Lion (Chen et al. 2023, algorithm 2) in one pass.

use advect_core::Result;
use candle_core::{Tensor, Var};

use super::elementwise::{Elementwise, step};
use crate::cpu::Float;

/// The numbers of one step of [`lion`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LionRates {
    /// `1 − η λ`, by which the parameters decay.
    pub decay: f64,
    /// η, the learning rate.
    pub rate: f64,
    /// β₁, the factor of the momentum in the direction.
    pub beta1: f64,
    /// β₂, the factor of the momentum in the next momentum.
    pub beta2: f64,
}

/// `θ ← decay · θ − rate · sign(β₁ m + (1 − β₁) g)`, `m ← β₂ m + (1 − β₂) g`, in place; the sign of 0 is 0.
///
/// ```
/// use advect_ops::update::{LionRates, lion};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let (theta, m) = (Var::new(&[2f64], &Device::Cpu)?, Var::new(&[0f64], &Device::Cpu)?);
/// let rates = LionRates { decay: 1.0, rate: 0.5, beta1: 0.75, beta2: 0.75 };
/// lion(&theta, &m, &Tensor::new(&[-4f64], &Device::Cpu)?, &rates)?;
/// assert_eq!((theta.to_vec1::<f64>()?[0], m.to_vec1::<f64>()?[0]), (2.5, -1.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) unless the value is f32 or f64, an error naming the argument that is not like
/// the value, [`Error::Range`](advect_core::Error::Range) for a variable given twice; then nothing has changed.
pub fn lion(value: &Var, momentum: &Var, gradient: &Tensor, rates: &LionRates) -> Result<()> {
    step(["value", "momentum"], [value, momentum], gradient, rates)
}

impl Elementwise<2> for LionRates {
    #[inline(always)]
    fn run<T: Float>(&self, [value, momentum]: [&mut [T]; 2], gradient: &[T]) {
        let (decay, rate) = (T::of(self.decay), T::of(self.rate));
        let (b1, c1) = (T::of(self.beta1), T::of(1.0 - self.beta1));
        let (b2, c2) = (T::of(self.beta2), T::of(1.0 - self.beta2));
        for ((value, momentum), g) in value.iter_mut().zip(momentum).zip(gradient) {
            let direction = b1 * *momentum + c1 * *g;
            let up = if direction > T::ZERO { rate } else { T::ZERO };
            let down = if direction < T::ZERO { rate } else { T::ZERO };
            *value = decay * *value - (up - down);
            *momentum = b2 * *momentum + c2 * *g;
        }
    }

    fn compose(&self, [value, momentum]: [&Var; 2], gradient: &Tensor) -> Result<()> {
        let mixed = |beta: f64| -> Result<Tensor> {
            Ok(((momentum.as_detached_tensor() * beta)? + (gradient * (1.0 - beta))?)?)
        };
        let (direction, next) = (mixed(self.beta1)?.sign()?, mixed(self.beta2)?);
        let decayed = (value.as_detached_tensor() * self.decay)?;
        value.set(&(decayed - (direction * self.rate)?)?)?;
        Ok(momentum.set(&next)?)
    }
}
