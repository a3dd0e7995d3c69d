//! A step of an exponential moving average.

use advect_core::{Result, check, shape};
#[cfg(feature = "cuda")]
use advect_kernels::cuda::update;
use advect_kernels::update::Updates;
use candle_core::{Tensor, Var};

use super::{Steps, apart, apart_from_itself, in_place, together};
use crate::cpu::{THREADS, by_dtype, host};
use crate::in_place::with_slices;

/// Makes a step of an average in place: `average ← average + (1 − decay) (value − average)`.
///
/// ```
/// use advect_ops::update::average;
/// use candle_core::{Device, Var};
/// # fn main() -> advect_core::Result<()> {
/// let (mean, value) = (Var::new(&[1f64], &Device::Cpu)?, Var::new(&[3f64], &Device::Cpu)?);
/// average(&mean, &value, 0.75)?;
/// assert_eq!(mean.to_vec1::<f64>()?, [1.5]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`](advect_core::Error) naming `value` if it is not like the average, or `average` unless it is a float.
#[doc(alias = "EMA")]
#[doc(alias = "exponential moving average")]
#[doc(alias = "lerp")]
pub fn average(average: &Var, value: &Var, decay: f64) -> Result<()> {
    together(|steps| steps.average(average, value, decay))
}

impl Steps {
    /// Adds a step of an [`average`], towards any tensor.
    ///
    /// # Errors
    /// Those of [`average`], and of steps that waited.
    pub fn average(&mut self, average: &Var, value: &Tensor, decay: f64) -> Result<()> {
        check::float("average", average)?;
        check::alike("value", value, "average", average)?;
        if average.elem_count() == 0 {
            return self.make();
        }
        apart_from_itself("average", average)?;
        let source = value.detach();
        #[cfg(feature = "cuda")]
        if super::on_cuda(&[average]) {
            let step = |[average]: [&Tensor; 1], value: &Tensor| {
                update::average(average, value, 1.0 - decay)
            };
            return self.next.add([average], source, step);
        }
        self.make()?;
        let source = apart(source, &[average])?;
        if !in_place(&[average, value]) {
            // Rounded once: in 16 bits a small step would be lost twice.
            let (old, source) = (
                shape::wide(&average.as_detached_tensor())?,
                shape::wide(&source)?,
            );
            let step = ((source - &old)? * (1.0 - decay))?;
            return Ok(average.set(&(old + step)?.to_dtype(average.dtype())?)?);
        }
        by_dtype!(source, T => {
            let value = host::<T>(&source)?;
            with_slices([average.as_tensor()], |[average]: [&mut [T]; 1]| {
                T::average(THREADS, average, &value, (1.0 - decay) as T);
                Ok(())
            })
        })
    }
}
