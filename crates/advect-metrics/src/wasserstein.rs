//! The exact Wasserstein distances of two samples (Kantorovich 1942; Peyré and Cuturi 2019, section 2.4).

use std::borrow::Cow;

use advect_core::{Error, Result};
use advect_transport::{Cost, ExactPlan, assignment};
use candle_core::Tensor;

use crate::finite;
use crate::quantiles::{between_sorted, sorted};
use crate::scaled::Scaled;

/// Returns the 2-Wasserstein distance `W₂ = (min over plans π of Σ π_ij |x_i − y_j|²)^½` for batches `(n, ...)` and
/// `(m, ...)`, each of equal weights: for `n = m` the plan is a permutation.
///
/// The plan is exact. It needs an n × m matrix and cubic time at worst, some seconds for n = m = 5,000; in one dimension,
/// no more than sorting.
///
/// ```
/// use advect_core::Generator;
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let x = Generator::from_seed(0).normal((100, 2), DType::F32, &Device::Cpu)?;
/// let shifted = (&x + 2.0)?; // by 2 in each of two dimensions
/// assert!((advect_metrics::wasserstein2(&x, &shifted)? - 8f64.sqrt()).abs() < 1e-6);
/// assert_eq!(advect_metrics::wasserstein2(&x, &x)?, 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] for samples of different dimensions;
/// [`Error::Range`] where the distance overflows; `Empty`, `DType` and `NonFinite` errors.
#[doc(alias = "W2")]
#[doc(alias = "optimal transport")]
pub fn wasserstein2(x: &Tensor, y: &Tensor) -> Result<f64> {
    distance(x, y, Power::Two, None)
}

/// Returns the 1-Wasserstein distance `W₁ = min over plans π of Σ π_ij |x_i − y_j|`, the earth mover's distance, for
/// batches `(n, ...)` and `(m, ...)`, each of equal weights.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0.0f32, 0.0], [1.0, 0.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[0.0f32, 3.0]], &Device::Cpu)?;
/// let expected = (3.0 + 10f64.sqrt()) / 2.0;
/// assert!((advect_metrics::wasserstein1(&x, &y)? - expected).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`wasserstein2`].
#[doc(alias = "W1")]
#[doc(alias = "EMD")]
#[doc(alias = "earth mover distance")]
#[doc(alias = "optimal transport")]
pub fn wasserstein1(x: &Tensor, y: &Tensor) -> Result<f64> {
    distance(x, y, Power::One, None)
}

/// Returns the [`wasserstein2`] distance of samples with weights, one for each: none below 0, of sum 1 up to the
/// rounding of 32 bits, by which they are divided. A sample of weight 0 is left out.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0.0f32], [4.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[0.0f32]], &Device::Cpu)?;
/// assert_eq!(advect_metrics::wasserstein2_weighted(&x, &[0.75, 0.25], &y, &[1.0])?, 2.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`wasserstein2`], and [`ExactPlan::weighted`] for the weights.
#[doc(alias = "W2")]
pub fn wasserstein2_weighted(
    x: &Tensor,
    x_weights: &[f64],
    y: &Tensor,
    y_weights: &[f64],
) -> Result<f64> {
    distance(x, y, Power::Two, Some((x_weights, y_weights)))
}

/// Returns the [`wasserstein1`] distance of samples with weights, as [`wasserstein2_weighted`] takes them.
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0.0f32], [4.0]], &Device::Cpu)?;
/// let y = Tensor::new(&[[0.0f32]], &Device::Cpu)?;
/// assert_eq!(advect_metrics::wasserstein1_weighted(&x, &[0.75, 0.25], &y, &[1.0])?, 1.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`wasserstein2_weighted`].
#[doc(alias = "W1")]
#[doc(alias = "EMD")]
pub fn wasserstein1_weighted(
    x: &Tensor,
    x_weights: &[f64],
    y: &Tensor,
    y_weights: &[f64],
) -> Result<f64> {
    distance(x, y, Power::One, Some((x_weights, y_weights)))
}

#[derive(Clone, Copy, PartialEq)]
enum Power {
    One,
    Two,
}

fn distance(
    x: &Tensor,
    y: &Tensor,
    power: Power,
    weights: Option<(&[f64], &[f64])>,
) -> Result<f64> {
    let Scaled { x, y, unit } = Scaled::new(("x", x), ("y", y))?;
    let finish = |total: f64| match power {
        Power::One => finite("x, y", total * unit),
        Power::Two => finite("x, y", total.sqrt() * unit),
    };
    if x.dim() == 1 && weights.is_none() {
        let (x, y) = (sorted(x.project(&[1.0])), sorted(y.project(&[1.0])));
        return finish(match power {
            Power::One => between_sorted(&x, &y, f64::abs),
            Power::Two => between_sorted(&x, &y, |way| way * way),
        });
    }
    let squares = Cost::between(&x, &y)?;
    let cost = match power {
        Power::One => squares.square_roots()?,
        Power::Two => squares,
    };
    // By differences again: many dimensions have their costs from a product of matrices.
    let carried = |i: usize, j: usize| match power {
        Power::One => x.squared_distance(&y, i, j).sqrt(),
        Power::Two => x.squared_distance(&y, i, j),
    };
    let total: f64 = match weights {
        None if x.count() == y.count() => {
            let pairs = assignment(cost)?;
            let total: f64 = pairs.iter().map(|&(i, j)| carried(i, j)).sum();
            total / pairs.len() as f64
        }
        _ => {
            let plan = match weights {
                None => ExactPlan::uniform(&cost)?,
                Some((of_x, of_y)) => ExactPlan::weighted(&cost, of_x, of_y).map_err(of_samples)?,
            };
            let terms = plan
                .entries()
                .iter()
                .map(|e| e.mass * carried(e.row, e.column));
            terms.sum()
        }
    };
    finish(total)
}

/// An error of a plan's weights, with the names that the weights have here.
fn of_samples(error: Error) -> Error {
    let name = |argument: Cow<'static, str>| match &*argument {
        "rows" => "x_weights".into(),
        "columns" => "y_weights".into(),
        _ => argument,
    };
    match error {
        Error::Shape {
            argument,
            given,
            accepted,
        } => Error::shape(name(argument), &given, accepted),
        Error::Range {
            argument,
            given,
            accepted,
        } => Error::range(name(argument), given, accepted),
        error => error,
    }
}
