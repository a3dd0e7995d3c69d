//! One step of any explicit Runge–Kutta method.

use advect_core::{Field, Result};

use super::{Embedded, Method, Step, Stepper};
use crate::{Interval, State, Tableau};

/// An explicit Runge–Kutta method: a type with a [`Tableau`]. A new method needs nothing else to be a [`Stepper`];
/// one with an error estimate also implements [`EmbeddedRungeKutta`].
///
/// ```
/// use advect_solvers::{Solver, Tableau, controller::Fixed, stepper::RungeKutta};
/// use advect_core::{Time, field_fn};
/// use candle_core::{Device, Tensor};
///
/// /// Kutta's method of order 3.
/// struct Kutta3;
/// impl RungeKutta for Kutta3 {
///     const TABLEAU: Tableau = Tableau::new(
///         3,
///         &[0.0, 0.5, 1.0],
///         &[&[], &[0.5], &[-1.0, 2.0]],
///         &[1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0],
///     );
/// }
///
/// # fn main() -> advect_core::Result<()> {
/// let growth = field_fn(|_, x| Ok(x.clone()));
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let end = Solver::new(Kutta3, Fixed::steps(1)?).solve(&growth, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 8.0 / 3.0).abs() < 1e-15); // 1 + h + h²/2 + h³/6
/// # Ok(())
/// # }
/// ```
pub trait RungeKutta {
    /// The method's coefficients.
    const TABLEAU: Tableau;
}

/// A Runge–Kutta method whose [`Tableau`] has error weights: an embedded pair, which is an [`Embedded`] stepper.
///
/// It has nothing to implement. Where the tableau has no error weights, a program that uses the error estimate does not
/// compile.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::stepper::{EmbeddedRungeKutta, RungeKutta};
/// use advect_solvers::{Solver, Tableau, controller::Adaptive};
/// use candle_core::{Device, Tensor};
///
/// /// Heun's method with Euler's method embedded.
/// struct HeunEuler;
/// impl RungeKutta for HeunEuler {
///     const TABLEAU: Tableau = Tableau::new(2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5]).with_error(1, &[-0.5, 0.5]);
/// }
/// impl EmbeddedRungeKutta for HeunEuler {}
///
/// # fn main() -> advect_core::Result<()> {
/// let decay = field_fn(|_, x| Ok(x.neg()?));
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let end = Solver::new(HeunEuler, Adaptive::new(1e-6, 1e-6)?).solve(&decay, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - (-1f64).exp()).abs() < 1e-5);
/// # Ok(())
/// # }
/// ```
///
/// ```compile_fail
/// # use advect_core::field_fn;
/// # use advect_solvers::stepper::{EmbeddedRungeKutta, RungeKutta};
/// # use advect_solvers::{Solver, Tableau, controller::Adaptive};
/// # use candle_core::{Device, Tensor};
/// struct Heun;
/// impl RungeKutta for Heun {
///     const TABLEAU: Tableau = Tableau::new(2, &[0.0, 1.0], &[&[], &[1.0]], &[0.5, 0.5]);
/// }
/// impl EmbeddedRungeKutta for Heun {} // without error weights
///
/// # fn main() -> advect_core::Result<()> {
/// # let decay = field_fn(|_, x| Ok(x.neg()?));
/// # let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solution = Solver::new(Heun, Adaptive::new(1e-6, 1e-6)?).solve(&decay, &x, 0.0, 1.0)?;
/// # Ok(())
/// # }
/// ```
pub trait EmbeddedRungeKutta: RungeKutta {}

impl<M: EmbeddedRungeKutta, X: State> Embedded<X> for M {
    fn error_order(&self) -> f64 {
        const {
            assert!(
                M::TABLEAU.error_weights().is_some(),
                "expected a tableau with error weights: add them by Tableau::with_error, or don't implement \
                 EmbeddedRungeKutta"
            );
        }
        M::TABLEAU.error_order() as f64
    }
}

impl<M: RungeKutta> Method for M {
    fn order(&self) -> f64 {
        M::TABLEAU.order() as f64
    }

    fn tableau(&self) -> Option<&'static Tableau> {
        Some(const { &M::TABLEAU })
    }
}

impl<M: RungeKutta, X: State> Stepper<X> for M {
    fn step(
        &self,
        field: &dyn Field<X>,
        interval: &Interval,
        x: &X,
        slope: Option<&X>,
    ) -> Result<Step<X>> {
        let tableau = const {
            assert!(
                M::TABLEAU.is_explicit(),
                "expected an explicit tableau: implement ImplicitRungeKutta with one by Tableau::implicit"
            );
            &M::TABLEAU
        };
        let (slopes, last_stage) = stages(tableau, tableau.stages(), field, interval, x, slope)?;
        let reuse = const { M::TABLEAU.first_same_as_last() };
        let error = match tableau.error_weights() {
            Some(weights) => combination(interval, weights, &slopes)?,
            None => None,
        };
        Ok(Step {
            // Where the last stage is the first of the next step, it sits at the new state.
            x: match reuse {
                true => last_stage,
                false => weighted(interval, tableau.weights(), &slopes, x)?,
            },
            error,
            last_slope: slopes.last().filter(|_| reuse).cloned(),
            slopes,
            unsolved: Vec::new(),
            nodes: Vec::new(),
            outlook: None,
        })
    }

    fn advance(&self, field: &dyn Field<X>, interval: &Interval, x: &X) -> Result<X> {
        let tableau = const { &M::TABLEAU };
        let count = const { M::TABLEAU.stages() - M::TABLEAU.first_same_as_last() as usize };
        let (slopes, _) = stages(tableau, count, field, interval, x, None)?;
        weighted(interval, tableau.weights(), &slopes, x)
    }
}

/// The slopes of the first stages, and the state of the last one of them.
fn stages<X: State>(
    tableau: &Tableau,
    count: usize,
    field: &dyn Field<X>,
    interval: &Interval,
    x: &X,
    slope: Option<&X>,
) -> Result<(Vec<X>, X)> {
    let mut slopes: Vec<X> = Vec::with_capacity(count);
    let mut state = x.clone();
    let rows = tableau.nodes().iter().zip(tableau.matrix()).take(count);
    for (i, (&c, row)) in rows.enumerate() {
        if let (0, Some(slope)) = (i, slope) {
            slopes.push(slope.clone());
            continue;
        }
        state = weighted(interval, row, &slopes, x)?;
        let slope = interval.with_time(c, |t| field.at(t, &state))?;
        slope.alike("field", "x", x)?;
        slopes.push(slope);
    }
    Ok((slopes, state))
}

/// `x + h Σ_i w_i k_i`.
pub(crate) fn weighted<X: State>(
    interval: &Interval,
    weights: &[f64],
    slopes: &[X],
    x: &X,
) -> Result<X> {
    match slopes.is_empty() {
        true => Ok(x.clone()),
        false => X::combine_stages(interval, weights, slopes, Some(x)),
    }
}

/// `h Σ_i w_i k_i`; none without a nonzero weight.
pub(crate) fn combination<X: State>(
    interval: &Interval,
    weights: &[f64],
    slopes: &[X],
) -> Result<Option<X>> {
    match weights.iter().zip(slopes).any(|(w, _)| *w != 0.0) {
        true => X::combine_stages(interval, weights, slopes, None).map(Some),
        false => Ok(None),
    }
}
