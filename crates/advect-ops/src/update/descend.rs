//! A step along a direction.

use advect_core::Result;
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update::{self, Step};
use candle_core::{Tensor, Var};

use super::elementwise::{Elementwise, add};
use super::{Steps, together};
use crate::cpu::{Float, THREADS};

/// Makes a step along a direction in place: `θ ← decay · θ − rate · d`.
///
/// ```
/// use advect_ops::update::descend;
/// use candle_core::{Device, Tensor, Var};
/// # fn main() -> advect_core::Result<()> {
/// let theta = Var::new(&[2f64], &Device::Cpu)?;
/// descend(&theta, &Tensor::new(&[4f64], &Device::Cpu)?, 0.5, 0.125)?;
/// assert_eq!(theta.to_vec1::<f64>()?, [0.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::DType`](advect_core::Error::DType) unless the value is f32 or f64, an error naming `gradient` if it is not like
/// the value; then nothing has changed.
#[doc(alias = "SGD")]
#[doc(alias = "gradient descent")]
pub fn descend(value: &Var, direction: &Tensor, decay: f64, rate: f64) -> Result<()> {
    together(|steps| steps.descend(value, direction, decay, rate))
}

impl Steps {
    /// Adds a step [along a direction](descend).
    ///
    /// # Errors
    /// Those of [`descend`], and of steps that waited.
    pub fn descend(
        &mut self,
        value: &Var,
        direction: &Tensor,
        decay: f64,
        rate: f64,
    ) -> Result<()> {
        let formula = Descent { decay, rate };
        add(self, ["value"], [value], direction, &formula)
    }
}

struct Descent {
    decay: f64,
    rate: f64,
}

impl Elementwise<1> for Descent {
    fn run<T: Float>(&self, variables: [&mut [T]; 1], direction: &[T]) {
        T::descend(THREADS, variables, direction, self.decay, self.rate);
    }

    fn compose(&self, [value]: [&Var; 1], direction: &Tensor) -> Result<()> {
        let decayed = (value.as_detached_tensor() * self.decay)?;
        Ok(value.set(&(decayed - (direction * self.rate)?)?)?)
    }

    #[cfg(feature = "cuda")]
    fn on_cuda(&self, variables: [&Tensor; 1], direction: &Tensor) -> Step {
        update::descend(variables, direction, self.decay, self.rate)
    }
}
