//! The sliced 2-Wasserstein distance (Bonneel et al. 2015).

use advect_core::{Generator, Result, check};
use advect_transport::Points;
use candle_core::Tensor;
use rand_distr::StandardNormal;

use crate::finite;

/// `(mean over directions θ of W₂²(θ·x, θ·y))^½`, with `projections` directions drawn uniformly from
/// the sphere, for batches `(n, ...)` and `(m, ...)`.
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let x = rng.normal((500, 3), DType::F64, &Device::Cpu)?;
/// let y = (&x + 2.0)?;
/// // A shift by v has a mean squared projection of |v|²/d, which is 4 here.
/// let distance = advect_metrics::sliced_wasserstein2(&x, &y, 2000, &mut rng)?;
/// assert!((distance - 2.0).abs() < 0.1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`](advect_core::Error::Shape) for samples of different dimensions;
/// [`Error::Range`](advect_core::Error::Range) for 0 projections; `Empty` and `NonFinite` errors.
pub fn sliced_wasserstein2(
    x: &Tensor,
    y: &Tensor,
    projections: usize,
    rng: &mut Generator,
) -> Result<f64> {
    check::at_least_one("projections", projections)?;
    let (x, y) = Points::pair(x, y)?;
    let mut sum = 0.0;
    for _ in 0..projections {
        let mut direction: Vec<f64> = rng.values(&StandardNormal, x.dim());
        let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|v| *v /= length);
        let project = |points: &Points| {
            let mut values = points.project(&direction);
            values.sort_by(f64::total_cmp);
            values
        };
        sum += squared_distance_of_sorted(&project(&x), &project(&y));
    }
    finite((sum / projections as f64).sqrt())
}

/// `∫ (F⁻¹(u) − G⁻¹(u))² du` of two sorted samples of any sizes.
fn squared_distance_of_sorted(x: &[f64], y: &[f64]) -> f64 {
    let (n, m) = (x.len(), y.len());
    let (mut i, mut j, mut done, mut sum) = (0, 0, 0, 0.0);
    // Quantiles in units of 1/(n m), so that the steps of both functions are whole numbers.
    while i < n && j < m {
        let next = ((i + 1) * m).min((j + 1) * n);
        sum += (next - done) as f64 * (x[i] - y[j]).powi(2);
        done = next;
        i += usize::from(next == (i + 1) * m);
        j += usize::from(next == (j + 1) * n);
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_of_unequal_sizes() {
        // Against doubling and tripling the samples to equal sizes.
        let (x, y) = ([0.0, 1.0, 5.0], [-1.0, 2.0]);
        let repeated: f64 = [
            (0.0, -1.0),
            (0.0, -1.0),
            (1.0, -1.0),
            (1.0, 2.0),
            (5.0, 2.0),
            (5.0, 2.0),
        ]
        .map(|(a, b): (f64, f64)| (a - b).powi(2))
        .iter()
        .sum();
        assert!((squared_distance_of_sorted(&x, &y) - repeated / 6.0).abs() < 1e-14);
    }
}
