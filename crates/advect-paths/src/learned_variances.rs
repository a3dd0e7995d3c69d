//! Variances that a network learns beside its prediction (Nichol and Dhariwal, Improved denoising diffusion probabilistic
//! models, 2021, section 3.1).

use advect_core::{Coefficient, Error, Result, shape};
use advect_ops::combine;
use candle_core::Tensor;

/// The variances that a field gives beside its prediction: a number v for each element of the state, by which the
/// variance of a reverse step lies between a small and a large one, `ln s² = f ln s²_large + (1 − f) ln s²_small` with `f
/// = (v + 1)/2` (Nichol and Dhariwal 2021, eq. 15; v in \[−1, 1\] is the form of their networks, which do not enforce
/// it).
///
/// ```
/// use advect_paths::LearnedVariances;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A prediction in the first of two channels, v in the second.
/// let value = Tensor::new(&[[0.7f64, 0.0], [0.2, 1.0]], &Device::Cpu)?;
/// let x = Tensor::new(&[[5f64], [6.0]], &Device::Cpu)?;
/// let (prediction, variances) = LearnedVariances::split(&value, &x)?;
/// assert_eq!(prediction.to_vec2::<f64>()?, [[0.7], [0.2]]);
/// let logs = variances.log_between(&(-4.0).into(), &(-2.0).into())?;
/// assert_eq!(logs.to_vec2::<f64>()?, [[-3.0], [-2.0]]);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "learned variance")]
#[doc(alias = "learned sigma")]
#[doc(alias = "iDDPM")]
#[derive(Debug, Clone)]
pub struct LearnedVariances {
    v: Tensor,
}

impl LearnedVariances {
    /// Splits the value of a field at a state x into the prediction and the variances. The value has twice the channels
    /// of x along dimension 1, the prediction first.
    ///
    /// # Errors
    /// [`Error::Shape`] for a value of another shape.
    pub fn split(value: &Tensor, x: &Tensor) -> Result<(Tensor, Self)> {
        let (prediction, v) = shape::halves("field", value, x)?;
        Ok((prediction, LearnedVariances { v }))
    }

    /// Returns the numbers v, like the state.
    pub fn v(&self) -> &Tensor {
        &self.v
    }

    /// Returns `f large + (1 − f) small` with `f = (v + 1)/2`, for the logarithms of a small and a large variance, or of
    /// their roots, that are shared or one for each sample.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is not one number for each sample.
    pub fn log_between(&self, small: &Coefficient, large: &Coefficient) -> Result<Tensor> {
        let line = |small: f64, large: f64| (0.5 * (large - small), 0.5 * (large + small));
        let (slope, middle) = match (small, large) {
            (Coefficient::Shared(small), Coefficient::Shared(large)) => {
                let (slope, middle) = line(*small, *large);
                return Ok(self.v.affine(slope, middle)?);
            }
            (small, large) => {
                let count = self.v.dims()[0];
                let all = |c: &Coefficient| match c {
                    Coefficient::Shared(c) => Ok(vec![*c; count]),
                    Coefficient::PerSample(c) if c.len() == count => Ok(c.clone()),
                    Coefficient::PerSample(c) => {
                        let accepted = format!("({count},), one number per sample");
                        Err(Error::shape("variance", &[c.len()], accepted))
                    }
                };
                let ends = all(small)?.into_iter().zip(all(large)?);
                ends.map(|(small, large)| line(small, large)).unzip()
            }
        };
        let (slope, middle) = (
            Coefficient::PerSample(slope),
            Coefficient::PerSample(middle),
        );
        combine(&[(slope, &self.v), (middle, &self.v.ones_like()?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn numbers_for_each_sample_are_those_of_each() {
        let x = Tensor::zeros((2, 1, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
        let value = Tensor::arange(0f64, 12.0, &Device::Cpu).unwrap();
        let value = value.reshape((2, 2, 3)).unwrap();
        let (_, variances) = LearnedVariances::split(&value, &x).unwrap();
        let (small, large) = ([-3.0, 0.5], [1.0, 2.0]);
        let all = variances
            .log_between(
                &Coefficient::PerSample(small.to_vec()),
                &Coefficient::PerSample(large.to_vec()),
            )
            .unwrap();
        for i in 0..2 {
            let one = variances
                .log_between(&small[i].into(), &large[i].into())
                .unwrap();
            assert_eq!(
                all.to_vec3::<f64>().unwrap()[i],
                one.to_vec3::<f64>().unwrap()[i]
            );
        }
        let short = Coefficient::PerSample(vec![1.0]);
        assert!(variances.log_between(&short, &1.0.into()).is_err());
        assert!(LearnedVariances::split(&x, &x).is_err());
    }
}
