//! The decoder of images (Ho, Jain and Abbeel 2020, eq. 13).

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

use super::Decoder;

/// The probability that a Gaussian has in the bin of each element: data stands on `levels` equally spaced values from −1 to
/// 1, and the bins of the first and the last reach to infinity.
///
/// Bins of less than 1e-5 are taken as density times width, where the difference of distribution functions would lose its
/// digits.
///
/// ```
/// use advect_objectives::decoder::{Decoder, Discretized};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // Two levels: each has half of a Gaussian in the middle.
/// let x1 = Tensor::new(&[[1f64, -1.0]], &Device::Cpu)?;
/// let log_p = Discretized::new(2)?.log_likelihood(&x1, &x1.zeros_like()?, 0.3)?.to_vec1::<f64>()?;
/// assert!((log_p[0] - 2.0 * 0.5f64.ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discretized {
    levels: usize,
}

/// Bins of less than this are approximated.
const SMALL: f64 = 1e-5;

impl Discretized {
    /// With a number of levels: 256 for images of 8 bits.
    ///
    /// # Errors
    /// [`Error::Range`] for fewer than 2.
    pub fn new(levels: usize) -> Result<Self> {
        if levels < 2 {
            return Err(Error::range("levels", levels, "at least 2"));
        }
        Ok(Discretized { levels })
    }
}

impl Decoder for Discretized {
    /// # Errors
    /// [`Error::Range`] for data outside [−1, 1].
    fn log_likelihood(&self, x1: &Tensor, mean: &Tensor, variance: f64) -> Result<Tensor> {
        check::alike("mean", mean, "x1", x1)?;
        check::positive("variance", variance)?;
        let wide = |x: &Tensor| match x.dtype() {
            DType::F16 | DType::BF16 => x.to_dtype(DType::F32),
            _ => Ok(x.clone()),
        };
        let (x1, mean) = (wide(x1)?, wide(mean)?);
        let largest = x1
            .abs()?
            .max_all()?
            .to_dtype(DType::F64)?
            .to_scalar::<f64>()?;
        if largest > 1.0 + 1e-6 {
            let accepted = "data in [−1, 1]";
            return Err(Error::range("x1", largest, accepted));
        }
        let half = 1.0 / (self.levels - 1) as f64;
        let std = variance.sqrt();
        let offset = (&x1 - mean)?;
        // Φ(z) = ½ (1 + erf(z/√2)), at both sides of the bin.
        let below = |shift: f64| -> Result<Tensor> {
            let z = ((&offset + shift)? / (std * std::f64::consts::SQRT_2))?;
            Ok(z.erf()?.affine(0.5, 0.5)?)
        };
        let (upper, lower) = (below(half)?, below(-half)?);
        let (one, zero) = (upper.ones_like()?, upper.zeros_like()?);
        let upper = x1.gt(1.0 - half)?.where_cond(&one, &upper)?;
        let lower = x1.lt(half - 1.0)?.where_cond(&zero, &lower)?;
        let mass = (upper - lower)?;
        let resolved = mass.gt(SMALL)?;
        let exact = mass.maximum(SMALL)?.log()?;
        let width = (2.0 * half).ln() - 0.5 * (2.0 * std::f64::consts::PI * variance).ln();
        let density = offset.sqr()?.affine(-0.5 / variance, width)?;
        shape::sum_per_sample(&resolved.where_cond(&exact, &density)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::{assert_close, gradient};
    use candle_core::{Device, Var};

    #[test]
    fn probabilities_sum_to_one() {
        for (levels, variance) in [(2, 0.5), (5, 0.01), (256, 1e-3), (256, 0.5)] {
            let decoder = Discretized::new(levels).unwrap();
            let values: Vec<f64> = (0..levels)
                .map(|i| 2.0 * i as f64 / (levels - 1) as f64 - 1.0)
                .collect();
            let x1 = Tensor::from_vec(values, (levels, 1), &Device::Cpu).unwrap();
            for mean in [0.1, -0.95, 1.3] {
                let mean = (x1.zeros_like().unwrap() + mean).unwrap();
                let log_p = decoder.log_likelihood(&x1, &mean, variance).unwrap();
                let sum = log_p
                    .exp()
                    .unwrap()
                    .sum_all()
                    .unwrap()
                    .to_scalar::<f64>()
                    .unwrap();
                // The approximated bins are those that don't matter.
                assert!((sum - 1.0).abs() < 1e-4, "{levels} {variance}: {sum}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let decoder = Discretized::new(11).unwrap();
        let x1 = Tensor::new(&[[1f64, -1.0, 0.2, 0.8]], &Device::Cpu).unwrap();
        // The last one is far away: its bin is approximated.
        let mean = Tensor::new(&[[0.7f64, -0.4, 0.1, -0.8]], &Device::Cpu).unwrap();
        let loss = |mean: &Tensor| {
            Ok(decoder
                .log_likelihood(&x1, mean, 0.03)?
                .sum_all()?
                .to_scalar::<f64>()?)
        };
        let var = Var::from_tensor(&mean).unwrap();
        let sum = decoder
            .log_likelihood(&x1, &var, 0.03)
            .unwrap()
            .sum_all()
            .unwrap();
        let grads = sum.backward().unwrap();
        let numeric = gradient(loss, &mean, 1e-4).unwrap();
        assert_close(grads.get(&var).unwrap(), &numeric, 1e-6, 1e-7);
    }

    #[test]
    fn bad_data_is_refused() {
        assert!(Discretized::new(1).is_err());
        let x1 = Tensor::new(&[[1.5f64]], &Device::Cpu).unwrap();
        let error = Discretized::new(4)
            .unwrap()
            .log_likelihood(&x1, &x1, 1.0)
            .unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "x1"));
    }
}
