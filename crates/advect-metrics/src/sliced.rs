//! The sliced 2-Wasserstein distance (Bonneel et al. 2015).

use advect_core::{Error, Generator, Result, check};
use advect_transport::Points;
use candle_core::Tensor;
use rand_distr::StandardNormal;

use crate::finite;
use crate::quantiles::{between_sorted, sorted};
use crate::scaled::Scaled;

/// Projections beyond this take hours.
const MOST: usize = 1 << 24;

/// Returns the sliced 2-Wasserstein distance `(mean over directions θ of W₂²(θ·x, θ·y))^½`, with `projections`
/// directions drawn uniformly from the sphere, for batches `(n, ...)` and `(m, ...)`.
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
/// [`Error::Shape`] for samples of different dimensions;
/// [`Error::Range`] for 0 projections or more than 2²⁴; `Empty` and `NonFinite` errors.
#[doc(alias = "SWD")]
pub fn sliced_wasserstein2(
    x: &Tensor,
    y: &Tensor,
    projections: usize,
    rng: &mut Generator,
) -> Result<f64> {
    check::at_least_one("projections", projections)?;
    if projections > MOST {
        return Err(Error::range(
            "projections",
            projections,
            format!("a number of at most {MOST}"),
        ));
    }
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    // Projections of clouds far from the origin would lose digits to their offset.
    let origin = x.mean();
    let (x, y) = (x.seen_from(&origin), y.seen_from(&origin));
    let mut sum = 0.0;
    for _ in 0..projections {
        let mut direction: Vec<f64> = rng.values(&StandardNormal, x.dim())?;
        let length = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        direction.iter_mut().for_each(|v| *v /= length);
        let project = |points: &Points| sorted(points.project(&direction));
        sum += between_sorted(&project(&x), &project(&y), |way| way * way);
    }
    finite("x, y", (sum / projections as f64).sqrt() * unit)
}
