//! The normal distribution: log-densities of tensors, and the distribution function of numbers.
//!
//! | function | value |
//! | --- | --- |
//! | [`log_standard_normal`], [`log_normal`] | `log N(x; 0, I)` and `log N(x; 0, v I)` of each sample |
//! | [`log_normalizer`] | the constant in them, `−½ d ln 2πv` |
//! | [`log_pdf`], [`pdf`] | `ln φ(z)`, `φ(z)` |
//! | [`log_cdf`], [`cdf`] | `ln Φ(z)`, `Φ(z)` |

use std::f64::consts::PI;

use candle_core::Tensor;

use crate::{Result, check, shape};

/// Returns the log-density `log N(x; 0, I)` of each sample, `(batch,)`; in f32 for samples of 16 bits.
///
/// ```
/// use advect_core::normal::log_standard_normal;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let log_density = log_standard_normal(&x)?.to_vec1::<f64>()?;
/// assert!((log_density[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](crate::Error::Shape) for a scalar, [`Error::Empty`](crate::Error::Empty) for an empty batch,
/// [`Error::DType`](crate::Error::DType) unless x is a float.
#[doc(alias = "log_prob")]
pub fn log_standard_normal(x: &Tensor) -> Result<Tensor> {
    log_normal(x, 1.0)
}

/// Returns the log-density `log N(x; 0, v I)` of each sample, `(batch,)`, for a variance v; in f32 for samples of 16
/// bits.
///
/// # Errors
/// As [`log_standard_normal`], and [`Error::Range`](crate::Error::Range) unless the variance is finite and above 0.
#[doc(alias = "log_prob")]
pub fn log_normal(x: &Tensor, variance: f64) -> Result<Tensor> {
    check::float("x", x)?;
    check::positive("variance", variance)?;
    let dimensions = x.elem_count() / check::batch("x", x)?;
    let constant = log_normalizer(dimensions, variance);
    Ok(shape::sum_squares_per_sample(x)?.affine(-0.5 / variance, constant)?)
}

/// Returns the logarithm of the factor before the exponential in the density of `N(μ, v I)`, `−½ d ln 2πv` in d
/// dimensions.
///
/// ```
/// use advect_core::normal::{log_normalizer, log_pdf};
/// assert_eq!(log_normalizer(1, 1.0), log_pdf(0.0));
/// ```
pub fn log_normalizer(dimensions: usize, variance: f64) -> f64 {
    -0.5 * dimensions as f64 * (2.0 * PI * variance).ln()
}

/// Returns the logarithm of the density of N(0, 1), `ln φ(z) = −½ z² − ½ ln 2π`.
pub fn log_pdf(z: f64) -> f64 {
    -0.5 * z * z - 0.5 * (2.0 * PI).ln()
}

/// Returns the density of N(0, 1), `φ(z) = exp(−½ z²)/√2π`.
#[doc(alias = "normal density")]
pub fn pdf(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// Returns the logarithm of the distribution function of N(0, 1), `ln Φ(z)`, with all its digits in both tails.
///
/// ```
/// use advect_core::normal::log_cdf;
/// assert!((log_cdf(0.0) - 0.5f64.ln()).abs() < 1e-16);
/// assert_eq!((log_cdf(f64::NEG_INFINITY), log_cdf(f64::INFINITY)), (f64::NEG_INFINITY, 0.0));
/// ```
pub fn log_cdf(z: f64) -> f64 {
    if z.is_infinite() {
        return z.min(0.0);
    }
    let x = z.abs();
    if x > FAR {
        let tail = log_pdf(x) - fraction(x).ln();
        return if z < 0.0 { tail } else { (-tail.exp()).ln_1p() };
    }
    (0.5 + series(z) * log_pdf(z).exp()).ln()
}

/// Returns the distribution function of N(0, 1), `Φ(z) = ½ (1 + erf(z/√2))`.
///
/// ```
/// use advect_core::normal::cdf;
/// assert_eq!(cdf(0.0), 0.5);
/// assert!((cdf(1.0) - 0.841_344_746_068_542_9).abs() < 1e-15);
/// ```
#[doc(alias = "CDF")]
#[doc(alias = "erf")]
#[doc(alias = "erfc")]
#[doc(alias = "ndtr")]
#[doc(alias = "Phi")]
pub fn cdf(z: f64) -> f64 {
    if z.is_infinite() {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let x = z.abs();
    if x > FAR {
        let tail = pdf(x) / fraction(x);
        return if z < 0.0 { tail } else { 1.0 - tail };
    }
    0.5 + series(z) * pdf(z)
}

/// The point from which the fraction replaces the series.
const FAR: f64 = 2.5;

/// Laplace's continued fraction, `φ(x)/Φ(−x) = x + 1/(x + 2/(x + …))` for x above 0 (Abramowitz and Stegun 26.2.14).
fn fraction(x: f64) -> f64 {
    (1..=80).rev().fold(x, |below, k| x + f64::from(k) / below)
}

/// Returns `(Φ(z) − ½)/φ(z) = z + z³/3 + z⁵/(3·5) + …` (Abramowitz and Stegun 26.2.11).
fn series(z: f64) -> f64 {
    let (mut term, mut sum, mut k) = (z, z, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        k += 2.0;
        term *= z * z / k;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Abramowitz and Stegun, tables 26.1 and 26.2: Φ(1), Φ(−5), −log10 of the tails at 10 and 50.
    #[test]
    fn the_distribution_function_is_known() {
        assert!((log_cdf(1.0).exp() - 0.841_344_746_068_542_9).abs() < 1e-15);
        assert!((log_cdf(-5.0).exp() / 2.866_515_718_791_94e-7 - 1.0).abs() < 1e-13);
        assert!((cdf(-5.0) / 2.866_515_718_791_94e-7 - 1.0).abs() < 1e-13);
        assert!((log_cdf(-10.0) / 10f64.ln() + 23.118_05).abs() < 1e-5);
        assert!((log_cdf(-50.0) / 10f64.ln() + 544.966_34).abs() < 1e-5);
        for z in [-FAR, FAR] {
            let jump = log_cdf(z + 1e-12) - log_cdf(z - 1e-12);
            assert!(jump.abs() < 1e-11, "{jump}");
        }
        for k in -80..=80 {
            let z = f64::from(k) / 10.0;
            assert!((cdf(z) + cdf(-z) - 1.0).abs() < 1e-15);
            assert!((cdf(z) / log_cdf(z).exp() - 1.0).abs() < 1e-13, "{z}");
        }
        assert!(cdf(f64::NAN).is_nan() && log_cdf(f64::NAN).is_nan());
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
    }

    /// The slope of Φ is φ.
    #[test]
    fn the_density_is_the_slope() {
        for z in [-4.0, -2.6, -1.0, 0.0, 0.3, 2.4, 3.0] {
            let slope = crate::testing::derivative(cdf, z, 1e-3);
            assert!((slope - pdf(z)).abs() < 1e-9);
            assert!((log_pdf(z).exp() - pdf(z)).abs() < 1e-16);
        }
    }
}
