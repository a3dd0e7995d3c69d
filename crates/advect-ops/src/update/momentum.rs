//! A step with momentum (Polyak 1964; Sutskever et al. 2013, in PyTorch's form) in one pass.

use advect_core::Result;
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update::{self, Step};
use advect_kernels::update::MomentumRates;
use candle_core::{Tensor, Var};

use super::elementwise::{Elementwise, add};
use super::{Steps, together};
use crate::cpu::{Float, THREADS};

/// Makes a step with momentum in place: `g ← g + decay · θ`, `v ← momentum · v + fresh · g`, `θ ← θ − rate (ahead · g +
/// along · v)`.
///
/// ```
/// use advect_ops::update::{MomentumRates, momentum};
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let (theta, v) = (Var::new(&[2f64], &Device::Cpu)?, Var::new(&[4f64], &Device::Cpu)?);
/// let rates = MomentumRates { rate: 0.25, decay: 0.5, momentum: 0.5, fresh: 1.0, ahead: 0.0, along: 1.0 };
/// momentum(&theta, &v, &Tensor::new(&[1f64], &Device::Cpu)?, &rates)?;
/// assert_eq!((theta.to_vec1::<f64>()?[0], v.to_vec1::<f64>()?[0]), (1.0, 4.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) unless the value is f32 or f64, an error naming the argument that is not like
/// the value, [`Error::Range`](advect_core::Error::Range) for a variable given twice; then nothing has changed.
#[doc(alias = "SGD")]
#[doc(alias = "Nesterov")]
pub fn momentum(
    value: &Var,
    velocity: &Var,
    gradient: &Tensor,
    rates: &MomentumRates,
) -> Result<()> {
    together(|steps| steps.momentum(value, velocity, gradient, rates))
}

impl Steps {
    /// Adds a step with [`momentum`].
    ///
    /// # Errors
    /// Those of [`momentum`], and of steps that waited.
    pub fn momentum(
        &mut self,
        value: &Var,
        velocity: &Var,
        gradient: &Tensor,
        rates: &MomentumRates,
    ) -> Result<()> {
        let names = ["value", "velocity"];
        add(self, names, [value, velocity], gradient, rates)
    }
}

impl Elementwise<2> for MomentumRates {
    fn run<T: Float>(&self, variables: [&mut [T]; 2], gradient: &[T]) {
        T::momentum(THREADS, variables, gradient, self);
    }

    fn compose(&self, [value, velocity]: [&Var; 2], gradient: &Tensor) -> Result<()> {
        let before = value.as_detached_tensor();
        let g = (gradient + (&before * self.decay)?)?;
        let v = ((velocity.as_detached_tensor() * self.momentum)? + (&g * self.fresh)?)?;
        let direction = ((g * self.ahead)? + (&v * self.along)?)?;
        value.set(&(before - (direction * self.rate)?)?)?;
        Ok(velocity.set(&v)?)
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, variables: [&Tensor; 2], gradient: &Tensor) -> Step {
        update::momentum(variables, gradient, self)
    }
}
