//! Times: one instant for the whole batch, or one per sample.

use candle_core::{DType, Device, Tensor};

use crate::{Coefficient, Error, Result, check};

/// The time at which a field is evaluated. Advect's time runs from 0 (source, noise) to 1 (target,
/// data), though a field of a general differential equation may use any interval.
///
/// Times are f64 on the host wherever they are made, so that schedules lose nothing to the state's
/// dtype; networks receive them in the state's dtype through [`Time::tensor`].
///
/// ```
/// use advect_core::Time;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((2, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(Time::Shared(0.25).tensor(&x)?.to_vec1::<f32>()?, [0.25, 0.25]);
/// let t = Time::per_sample(&[0.0, 1.0])?;
/// assert_eq!(t.tensor(&x)?.to_vec1::<f32>()?, [0.0, 1.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub enum Time {
    /// One instant for the whole batch.
    Shared(f64),
    /// One instant per sample: a tensor of shape `(batch,)`.
    PerSample(Tensor),
}

impl From<f64> for Time {
    fn from(t: f64) -> Self {
        Time::Shared(t)
    }
}

impl Time {
    /// Creates times with one instant per sample, kept as f64 on the host.
    ///
    /// # Errors
    /// [`Error::Empty`] without values, [`Error::NonFinite`] for NaN or an infinity.
    pub fn per_sample(values: &[f64]) -> Result<Self> {
        let t = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
        check::batch("t", &t)?;
        check::finite("t", &t)?;
        Ok(Time::PerSample(t))
    }

    /// Returns the times as a tensor of shape `(batch,)` with the batch size, dtype and device of `x`.
    ///
    /// # Errors
    /// [`Error::DType`] unless `x` is a float (integers have no times between 0 and 1), [`Error::Shape`] if there is not one time per
    /// sample of `x`, [`Error::Range`] for a shared time that is NaN or infinite.
    pub fn tensor(&self, x: &Tensor) -> Result<Tensor> {
        let batch = check::batch("x", x)?;
        check::float("x", x)?;
        match self {
            Time::Shared(t) if !t.is_finite() => Err(Error::range("t", t, "a finite time")),
            // Through f64: the value is rounded once, to the dtype of x.
            Time::Shared(t) => Ok(Tensor::new(*t, &Device::Cpu)?
                .to_dtype(x.dtype())?
                .to_device(x.device())?
                .broadcast_as(batch)?
                .contiguous()?),
            Time::PerSample(t) => {
                self.fits(batch)?;
                Ok(t.to_dtype(x.dtype())?.to_device(x.device())?)
            }
        }
    }

    /// Returns the times on the host in f64: one value if shared, else one per sample.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tensor of times is not of rank 1.
    pub fn values(&self) -> Result<Vec<f64>> {
        match self {
            Time::Shared(t) => Ok(vec![*t]),
            Time::PerSample(t) if t.rank() != 1 => Err(Error::shape("t", t.dims(), "(batch,)")),
            Time::PerSample(t) => Ok(t.to_dtype(DType::F64)?.to_vec1()?),
        }
    }

    /// Evaluates a function of time in f64, as a factor for batches.
    ///
    /// The factor is a constant for automatic differentiation.
    ///
    /// # Errors
    /// [`Error::Range`] if the function is NaN or infinite at some time.
    pub fn coefficient(&self, f: impl Fn(f64) -> f64) -> Result<Coefficient> {
        let times = self.values()?;
        let values: Vec<f64> = times.iter().map(|&t| f(t)).collect();
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::range(
                "t",
                format!("{} (where a coefficient is {})", times[i], values[i]),
                "a time at which every coefficient is finite",
            ));
        }
        Ok(match self {
            Time::Shared(_) => Coefficient::Shared(values[0]),
            Time::PerSample(_) => Coefficient::PerSample(values),
        })
    }

    /// Checks that the times fit a batch of `batch` samples.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one time per sample.
    pub fn fits(&self, batch: usize) -> Result<()> {
        match self {
            Time::PerSample(t) if t.dims() != [batch] => Err(Error::shape(
                "t",
                t.dims(),
                format!("({batch},), one time per sample"),
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_and_values_are_typed_errors() {
        let x = Tensor::zeros((3, 2), DType::F32, &Device::Cpu).unwrap();
        let t = Time::per_sample(&[0.0, 1.0]).unwrap();
        let message = t.tensor(&x).unwrap_err().to_string();
        assert_eq!(
            message,
            "t: got shape [2], expected (3,), one time per sample"
        );
        assert!(matches!(Time::per_sample(&[]), Err(Error::Empty { .. })));
        assert!(matches!(
            Time::per_sample(&[f64::NAN]),
            Err(Error::NonFinite { .. })
        ));
    }

    #[test]
    fn integer_states_have_no_times() {
        let x = Tensor::zeros((2, 2), DType::U32, &Device::Cpu).unwrap();
        let error = Time::Shared(0.5).tensor(&x).unwrap_err();
        assert!(matches!(error, Error::DType { argument, .. } if argument == "x"));
    }

    #[test]
    fn infinite_coefficients_are_refused() {
        let error = Time::Shared(0.0).coefficient(|t| 1.0 / t).unwrap_err();
        assert!(matches!(error, Error::Range { .. }), "{error}");
    }
}
