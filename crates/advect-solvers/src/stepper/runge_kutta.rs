//! One step of any explicit Runge–Kutta method.

use advect_core::{Coefficient, Field, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

use super::{Step, Stepper};
use crate::Tableau;

/// An explicit Runge–Kutta method: a type with a [`Tableau`]. That is all a new one needs to be a
/// [`Stepper`]:
///
/// ```
/// use advect_solvers::{Solver, Tableau, controller::Fixed, stepper::RungeKutta};
/// use advect_core::Time;
/// use candle_core::{Device, Tensor};
///
/// /// Ralston's method of order 2.
/// struct Ralston;
/// impl RungeKutta for Ralston {
///     const TABLEAU: Tableau =
///         Tableau::new(2, &[0.0, 2.0 / 3.0], &[&[], &[2.0 / 3.0]], &[0.25, 0.75]);
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let growth = |_: &Time, x: &Tensor| Ok(x.clone());
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let end = Solver::new(Ralston, Fixed::steps(1)?).solve(&growth, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 2.5).abs() < 1e-15); // 1 + h + h²/2
/// # Ok(())
/// # }
/// ```
pub trait RungeKutta {
    /// The method's coefficients.
    const TABLEAU: Tableau;
}

impl<M: RungeKutta> Stepper for M {
    fn order(&self) -> usize {
        M::TABLEAU.order()
    }

    fn step(
        &self,
        field: &dyn Field,
        t: f64,
        h: f64,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let tableau = const { &M::TABLEAU };
        let mut slopes: Vec<Tensor> = Vec::with_capacity(tableau.stages());
        let mut last_stage = x.clone();
        for (i, (&c, row)) in tableau.nodes().iter().zip(tableau.matrix()).enumerate() {
            slopes.push(match slope {
                Some(slope) if i == 0 => slope.clone(),
                _ => {
                    last_stage = advance(x, h, row, &slopes)?;
                    let slope = field.at(&Time::Shared(t + c * h), &last_stage)?;
                    check::alike("field", &slope, "x", x)?;
                    slope
                }
            });
        }
        let reuse = tableau.first_same_as_last();
        let error = match tableau.error_weights() {
            Some(weights) => combination(h, weights, &slopes)?,
            None => None,
        };
        Ok(Step {
            // Where the last stage is the first of the next step, it sits at the new state.
            x: match reuse {
                true => last_stage,
                false => advance(x, h, tableau.weights(), &slopes)?,
            },
            error,
            first_slope: slopes[0].clone(),
            last_slope: slopes.pop().filter(|_| reuse),
        })
    }
}

/// `x + h Σ_i w_i k_i`.
fn advance(x: &Tensor, h: f64, weights: &[f64], slopes: &[Tensor]) -> Result<Tensor> {
    let mut terms = terms(h, weights, slopes);
    if terms.is_empty() {
        return Ok(x.clone());
    }
    // Last, so that the small terms are summed before they are rounded to the digits of x.
    terms.push((Coefficient::Shared(1.0), x));
    combine(&terms)
}

/// `h Σ_i w_i k_i`; none without a nonzero weight.
fn combination(h: f64, weights: &[f64], slopes: &[Tensor]) -> Result<Option<Tensor>> {
    let terms = terms(h, weights, slopes);
    match terms.is_empty() {
        true => Ok(None),
        false => combine(&terms).map(Some),
    }
}

/// The terms with nonzero weights.
fn terms<'a>(h: f64, weights: &[f64], slopes: &'a [Tensor]) -> Vec<(Coefficient, &'a Tensor)> {
    (weights.iter().zip(slopes).filter(|(w, _)| **w != 0.0))
        .map(|(w, slope)| (Coefficient::Shared(h * w), slope))
        .collect()
}
