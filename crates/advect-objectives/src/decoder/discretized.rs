//! The decoder of images (Ho, Jain and Abbeel 2020, eq. 13).

use advect_core::normal::{log_cdf, log_pdf};
use advect_core::{Error, Result, shape};
use advect_ops::with_gradient;
use candle_core::{DType, Device, Tensor};

use super::{Decoder, checked};

/// The probability of a Gaussian in the bin of each element. The data has `levels` equally spaced values from −1 to
/// 1, and the bins of the first and the last reach to infinity.
///
/// Computed on the host in f64 from logarithms of the distribution function, so that nothing is lost far from the mean;
/// differentiable in the mean and the logarithms of the variances.
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

impl Discretized {
    /// Creates a decoder for a number of levels: 256 for images of 8 bits.
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
    /// [`Error::Range`] for data that is not on the grid, to a tenth of its spacing.
    fn log_likelihood_given(
        &self,
        x1: &Tensor,
        mean: &Tensor,
        log_variance: &Tensor,
    ) -> Result<Tensor> {
        let [x1, mean, logs] = checked(x1, mean, log_variance)?;
        let host = |x: &Tensor| -> Result<Vec<f64>> {
            let x = x.detach().flatten_all()?.to_device(&Device::Cpu)?;
            Ok(x.to_dtype(DType::F64)?.to_vec1()?)
        };
        let (data, means, deviations) = (host(&x1)?, host(&mean)?, host(&(&logs * 0.5)?)?);
        let half = 1.0 / (self.levels - 1) as f64;
        let mut values = Vec::with_capacity(data.len());
        let (mut by_mean, mut by_log) = (values.clone(), values.clone());
        for ((x, mean), log) in data.iter().zip(means).zip(deviations) {
            let std = log.exp();
            let [low, high] = self.bin(*x)?.map(|offset| (x - mean + offset * half) / std);
            let value = log_mass(low, high);
            values.push(value);
            // The density at an end over the mass: d/dμ ln(Φ(b) − Φ(a)) = −(φ(b) − φ(a))/(σ mass), and with b φ(b) for ln σ.
            let part = |z: f64| (log_pdf(z) - value).exp();
            let moment = |z: f64| if z.is_finite() { z * part(z) } else { 0.0 };
            by_mean.push((part(low) - part(high)) / std);
            by_log.push(0.5 * (moment(low) - moment(high)));
        }
        let tensor = |values: Vec<f64>| -> Result<Tensor> {
            let values = Tensor::from_vec(values, x1.shape(), &Device::Cpu)?;
            Ok(values.to_dtype(x1.dtype())?.to_device(x1.device())?)
        };
        let sums = shape::sum_per_sample(&tensor(values)?)?;
        let slopes = [tensor(by_mean)?, tensor(by_log)?];
        with_gradient(&sums, &[mean, logs], move |gradient, _| {
            let along = |slope: &Tensor| -> Result<Tensor> {
                let each = shape::column(&gradient.flatten_all()?, slope.rank())?;
                Ok(slope.broadcast_mul(&each)?)
            };
            slopes.iter().map(along).collect()
        })
    }
}

impl Discretized {
    /// The ends of the bin of a value, in halves of the spacing from it.
    fn bin(&self, x: f64) -> Result<[f64; 2]> {
        let last = (self.levels - 1) as f64;
        let index = 0.5 * (x + 1.0) * last;
        let level = index.round();
        if !((index - level).abs() <= 0.1 && (0.0..=last).contains(&level)) {
            let accepted = format!("data on a grid of {} levels in [−1, 1]", self.levels);
            return Err(Error::range("x1", x, accepted));
        }
        Ok([
            if level == 0.0 {
                f64::NEG_INFINITY
            } else {
                -1.0
            },
            if level == last { f64::INFINITY } else { 1.0 },
        ])
    }
}

/// `ln(Φ(b) − Φ(a))` for a below b, of which either may be infinite.
fn log_mass(a: f64, b: f64) -> f64 {
    // On the side of the lower tail, where Φ has all its digits.
    let (a, b) = if a + b > 0.0 { (-b, -a) } else { (a, b) };
    let (log_a, log_b) = (log_cdf(a), log_cdf(b));
    log_b + (-(log_a - log_b).exp_m1()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::{assert_close, gradient};
    use candle_core::Var;

    #[test]
    fn probabilities_sum_to_one() {
        for (levels, variance) in [(2, 0.5), (5, 0.01), (256, 1e-5), (256, 1e-3), (256, 0.5)] {
            let decoder = Discretized::new(levels).unwrap();
            let values: Vec<f64> = (0..levels)
                .map(|i| 2.0 * i as f64 / (levels - 1) as f64 - 1.0)
                .collect();
            let x1 = Tensor::from_vec(values, (levels, 1), &Device::Cpu).unwrap();
            for mean in [0.1, -0.95, 1.3] {
                let mean = (x1.zeros_like().unwrap() + mean).unwrap();
                let log_p = decoder.log_likelihood(&x1, &mean, variance).unwrap();
                let p = log_p.exp().unwrap();
                let sum = p.sum_all().unwrap().to_scalar::<f64>().unwrap();
                assert!((sum - 1.0).abs() < 1e-12, "{levels} {variance}: {sum}");
            }
        }
    }

    #[test]
    fn far_bins_are_those_of_the_tail() {
        // Half a bin is 1.26 deviations: 6 deviations off, ln(Φ(−4.74) − Φ(−7.26)).
        let decoder = Discretized::new(256).unwrap();
        let std = 1.0 / 255.0 / 1.26;
        let x1 = Tensor::new(&[[1.0f64 / 255.0]], &Device::Cpu).unwrap();
        let mean = (&x1 - 6.0 * std).unwrap();
        let log_p = decoder.log_likelihood(&x1, &mean, std * std).unwrap();
        let expected = log_cdf(-4.74);
        assert!((log_p.to_vec1::<f64>().unwrap()[0] - expected).abs() < 1e-6);
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let decoder = Discretized::new(11).unwrap();
        let x1 = Tensor::new(&[[1f64, -1.0, 0.2, 0.8]], &Device::Cpu).unwrap();
        // The last one is far away.
        let mean = Tensor::new(&[[0.7f64, -0.4, 0.1, -0.8]], &Device::Cpu).unwrap();
        let loss = |mean: &Tensor| {
            let log = decoder.log_likelihood(&x1, mean, 0.03)?;
            Ok(log.sum_all()?.to_scalar::<f64>()?)
        };
        let var = Var::from_tensor(&mean).unwrap();
        let log = decoder.log_likelihood(&x1, &var, 0.03).unwrap();
        let grads = log.sum_all().unwrap().backward().unwrap();
        let numeric = gradient(loss, &mean, 1e-4).unwrap();
        assert_close(grads.get(&var).unwrap(), &numeric, 1e-8, 1e-9);
    }

    #[test]
    fn bad_data_is_refused() {
        assert!(Discretized::new(1).is_err());
        for bad in [1.5, 0.1, f64::NAN] {
            let x1 = Tensor::new(&[[bad]], &Device::Cpu).unwrap();
            let error = Discretized::new(4).unwrap().log_likelihood(&x1, &x1, 1.0);
            assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "x1"));
        }
        let labels = Tensor::new(&[[1u32]], &Device::Cpu).unwrap();
        let error = Discretized::new(4)
            .unwrap()
            .log_likelihood(&labels, &labels, 1.0);
        assert!(matches!(error, Err(Error::DType { .. })));
    }
}
