//! The energy distance (Székely and Rizzo 2013).

use advect_core::Result;
use candle_core::Tensor;

use crate::scaled::Scaled;
use crate::{at_least_two, finite, mean_between, mean_within};

/// Returns the energy distance `2 E|X − Y| − E|X − X'| − E|Y − Y'|`, estimated without bias from batches `(n, ...)` and
/// `(m, ...)`: 0 on average, and often slightly negative, for two samples of one distribution.
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((400, 2), DType::F32, &Device::Cpu)?;
/// let y = rng.normal((400, 2), DType::F32, &Device::Cpu)?;
/// assert!(advect_metrics::energy_distance(&x, &y)?.abs() < 0.02);
/// assert!(advect_metrics::energy_distance(&x, &(y + 1.0)?)? > 0.5);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for samples of different dimensions,
/// [`Error::Range`](advect_core::Error::Range) for fewer than two samples, and where it overflows; `Empty` and `NonFinite` errors.
pub fn energy_distance(x: &Tensor, y: &Tensor) -> Result<f64> {
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    at_least_two(&x, &y)?;
    let distance = 2.0 * mean_between(&x, &y, f64::sqrt)
        - mean_within(&x, f64::sqrt)
        - mean_within(&y, f64::sqrt);
    finite("x, y", distance * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::Generator;
    use candle_core::{DType, Device};

    /// For N(0, 1) and N(μ, 1): `2 E|Z √2 + μ| − 4/√π`, a folded normal mean.
    #[test]
    fn normals_have_the_closed_form() {
        let mut rng = Generator::from_seed(1);
        let x = rng.normal((4000, 1), DType::F64, &Device::Cpu).unwrap();
        let y = (rng.normal((3000, 1), DType::F64, &Device::Cpu).unwrap() + 1.5).unwrap();
        // Folded normal: s √(2/π) exp(−μ²/2s²) + μ (1 − 2Φ(−μ/s)), s = √2; Φ(−1.06066) = 0.144422.
        let (mu, pi) = (1.5f64, std::f64::consts::PI);
        let folded = 2.0 / pi.sqrt() * (-mu * mu / 4.0).exp() + mu * (1.0 - 2.0 * 0.144_422);
        let expected = 2.0 * folded - 4.0 / pi.sqrt();
        let estimate = energy_distance(&x, &y).unwrap();
        assert!((estimate - expected).abs() < 0.05, "{estimate} {expected}");
    }
}
