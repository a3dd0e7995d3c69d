//! Activation functions.

use std::f64::consts::FRAC_1_SQRT_2;

use advect_core::Result;
use candle_core::Tensor;

/// An elementwise nonlinearity.
///
/// | name | formula | source |
/// | --- | --- | --- |
/// | `Relu` | `max(x, 0)` | |
/// | `Silu` | `x / (1 + e^(−x))` | Elfwing et al. 2018 |
/// | `Gelu` | `x Φ(x)`, exact | Hendrycks and Gimpel 2016 |
/// | `Elu` | `x` for x > 0, `e^x − 1` otherwise | Clevert et al. 2016 |
/// | `Selu` | `1.0507 · (x` for x > 0, `1.6733 (e^x − 1)` otherwise`)` | Klambauer et al. 2017 |
/// | `Tanh` | `tanh x` | |
/// | `Softplus` | `ln(1 + e^x)` | |
///
/// ```
/// use advect_models::Activation;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[-1000.0f64, 0.0, 1000.0], &Device::Cpu)?;
/// assert_eq!(Activation::Softplus.apply(&x)?.to_vec1::<f64>()?, [0.0, 2f64.ln(), 1000.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// `x / (1 + e^(−x))`, also called swish.
    #[default]
    Silu,
    /// `x Φ(x)` with the exact normal distribution function.
    Gelu,
    /// `x` above 0, `e^x − 1` below.
    Elu,
    /// The self-normalising ELU.
    Selu,
    /// `tanh x`.
    Tanh,
    /// `ln(1 + e^x)`.
    Softplus,
}

/// Klambauer et al. 2017, eq. 14, to f64.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

impl Activation {
    /// Applies the function elementwise; differentiable.
    ///
    /// # Errors
    /// Those of candle.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Activation::Relu => x.relu()?,
            Activation::Silu => x.silu()?,
            // Not candle's gelu_erf, whose gradient is off by 1e-5.
            Activation::Gelu => (x * ((x * FRAC_1_SQRT_2)?.erf()? + 1.0)?)?.affine(0.5, 0.0)?,
            Activation::Elu => x.elu(1.0)?,
            Activation::Selu => (x.elu(SELU_ALPHA)? * SELU_SCALE)?,
            Activation::Tanh => x.tanh()?,
            // ln(1 + e^x) = max(x, 0) + ln(1 + e^(−|x|)), which overflows nowhere.
            Activation::Softplus => (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::{assert_close, gradient};
    use candle_core::{Device, Var};

    pub(super) const ALL: [Activation; 7] = [
        Activation::Relu,
        Activation::Silu,
        Activation::Gelu,
        Activation::Elu,
        Activation::Selu,
        Activation::Tanh,
        Activation::Softplus,
    ];

    #[test]
    fn values_follow_the_formulas() {
        let x = Tensor::new(&[-1.5f64, 0.7], &Device::Cpu).unwrap();
        // Φ(−1.5) and Φ(0.7).
        let phi = [0.066_807_201_268_858_1, 0.758_036_347_776_927];
        let silu = |x: f64| x / (1.0 + (-x).exp());
        let elu = (-1.5f64).exp_m1();
        for (activation, expected) in [
            (Activation::Relu, [0.0, 0.7]),
            (Activation::Silu, [silu(-1.5), silu(0.7)]),
            (Activation::Gelu, [-1.5 * phi[0], 0.7 * phi[1]]),
            (Activation::Elu, [elu, 0.7]),
            (
                Activation::Selu,
                [SELU_SCALE * SELU_ALPHA * elu, 0.7 * SELU_SCALE],
            ),
            (Activation::Tanh, [(-1.5f64).tanh(), 0.7f64.tanh()]),
            (
                Activation::Softplus,
                [(-1.5f64).exp().ln_1p(), 0.7f64.exp().ln_1p()],
            ),
        ] {
            let y = activation.apply(&x).unwrap().to_vec1::<f64>().unwrap();
            for (y, expected) in y.into_iter().zip(expected) {
                assert!(
                    (y - expected).abs() < 1e-12,
                    "{activation:?}: {y} {expected}"
                );
            }
        }
    }

    #[test]
    fn gradients_match_finite_differences() {
        let x = Tensor::new(&[-3.0f64, -0.8, -0.01, 0.02, 0.9, 4.0], &Device::Cpu).unwrap();
        for activation in ALL {
            let var = Var::from_tensor(&x).unwrap();
            let loss = activation
                .apply(var.as_tensor())
                .unwrap()
                .sum_all()
                .unwrap();
            let ours = loss.backward().unwrap().get(&var).unwrap().clone();
            let sum = |x: &Tensor| Ok(activation.apply(x)?.sum_all()?.to_scalar::<f64>()?);
            assert_close(&ours, &gradient(sum, &x, 1e-3).unwrap(), 1e-8, 1e-9);
        }
    }
}
