//! A step of Lion (Chen et al. 2023, algorithm 2) in one pass.

use advect_core::Result;
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update::{self, Step};
use advect_kernels::update::LionRates;
use candle_core::{Tensor, Var};

use super::elementwise::{Elementwise, add};
use super::{Steps, together};
use crate::cpu::{Float, THREADS};

/// Makes a step of Lion in place: `θ ← decay · θ − rate · sign(β₁ m + (1 − β₁) g)`, `m ← β₂ m + (1 − β₂) g`; the sign
/// of 0 is 0.
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
    together(|steps| steps.lion(value, momentum, gradient, rates))
}

impl Steps {
    /// Adds a step of [Lion](lion).
    ///
    /// # Errors
    /// Those of [`lion`], and of steps that waited.
    pub fn lion(
        &mut self,
        value: &Var,
        momentum: &Var,
        gradient: &Tensor,
        rates: &LionRates,
    ) -> Result<()> {
        let names = ["value", "momentum"];
        add(self, names, [value, momentum], gradient, rates)
    }
}

impl Elementwise<2> for LionRates {
    fn run<T: Float>(&self, variables: [&mut [T]; 2], gradient: &[T]) {
        T::lion(THREADS, variables, gradient, self);
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

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, variables: [&Tensor; 2], gradient: &Tensor) -> Step {
        update::lion(variables, gradient, self)
    }
}
