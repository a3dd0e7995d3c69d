//! The reversible Heun method (Kidger, Foster, Li and Lyons, Efficient and accurate gradients for neural SDEs, 2021,
//! algorithm 1, without noise).

use advect_core::{Coefficient, Field, Result};

use crate::stepper::{Embedded, Method, Step, Stepper};
use crate::{Interval, State};

/// The reversible Heun method, of a pair (x, y) that starts with y = x and whose x is the solution:
///
/// `y' = 2x − y + h f(t, y)`, `x' = x + h/2 (f(t, y) + f(t + h, y'))`:
///
/// order 2, one evaluation per step. A step back from t + h to t undoes the step, up to rounding. The error estimate is the
/// difference to Euler's method, `h/2 (f(t + h, y') − f(t, y))`.
///
/// It is stable for linear equations of a rate λ with `hλ` between −i and i only: decaying solutions oscillate in long
/// integrations. Keep spans short, or steps.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::reversible::{Doubled, ReversibleHeun};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let growth = Doubled(field_fn(|_, x: &Tensor| Ok(x.clone())));
/// let one = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solver = Solver::new(ReversibleHeun, Fixed::steps(2)?);
/// // With h = 1/2: y = 1, 3/2, 5/2, and x = 1, 13/8, 21/8.
/// let there = solver.solve(&growth, &(one.clone(), one.clone()), 0.0, 1.0)?.end()?;
/// assert_eq!((there.0.to_vec1::<f64>()?, there.1.to_vec1::<f64>()?), (vec![2.625], vec![2.5]));
/// let (x, y) = solver.solve(&growth, &there, 1.0, 0.0)?.end()?;
/// assert_eq!((x.to_vec1::<f64>()?, y.to_vec1::<f64>()?), (vec![1.0], vec![1.0]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[doc(alias = "time-reversible")]
#[doc(alias = "invertible")]
pub struct ReversibleHeun;

impl Method for ReversibleHeun {
    fn order(&self) -> f64 {
        2.0
    }
}

impl<X: State> Stepper<(X, X)> for ReversibleHeun {
    fn step(
        &self,
        field: &dyn Field<(X, X)>,
        interval: &Interval,
        state: &(X, X),
        slope: Option<&(X, X)>,
    ) -> Result<Step<(X, X)>> {
        let evaluate = |place: f64, state: &(X, X)| -> Result<(X, X)> {
            let slope = field.at(&interval.time(place)?, state)?;
            slope.alike("field", "x", state)?;
            Ok(slope)
        };
        let first = match slope {
            Some(slope) => slope.clone(),
            None => evaluate(0.0, state)?,
        };
        let (x, y) = state;
        let one = |c: f64| Coefficient::Shared(c);
        let h = |w: f64| interval.factor(w);
        let y = X::combine(&[(h(1.0), &first.1), (one(-1.0), y), (one(2.0), x)])?;
        let last = evaluate(1.0, &(y.clone(), y.clone()))?;
        let x = X::combine(&[(h(0.5), &first.1), (h(0.5), &last.1), (one(1.0), x)])?;
        let error = X::combine(&[(h(-0.5), &first.1), (h(0.5), &last.1)])?;
        let mut step = Step::new((x, y), first);
        step.error = Some((error.clone(), error));
        step.last_slope = Some(last);
        Ok(step)
    }
}

impl<X: State> Embedded<(X, X)> for ReversibleHeun {
    fn error_order(&self) -> f64 {
        1.0
    }
}
