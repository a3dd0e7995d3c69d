//! Error estimates by halving steps (Gaines and Lyons, Variable step size control in the numerical solution of
//! stochastic differential equations, SIAM J. Appl. Math. 57, 1997).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Pathwise, shared, sum};
use crate::Interval;
use crate::stepper::{Embedded, Method, Step, Stepper};

/// A stochastic method that makes each step as two of half the size. The error estimate is the difference from one
/// step of the whole size on the same path, so that [`Adaptive`](crate::controller::Adaptive) can choose the sizes.
///
/// The size of a step depends on the path ahead, so the method has to be [`Pathwise`]. A rejected step does not change
/// the path. A step costs three of the method.
///
/// The solver should make no steps below [`BrownianPath::resolution`](super::BrownianPath::resolution): give it to
/// [`Adaptive::min_step`](crate::controller::Adaptive::min_step).
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::sde::{BrownianPath, Diagonal, Halved, StratonovichHeun};
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx = x ∘ dW, so that x(t) = exp W(t).
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let noise = Diagonal(field_fn(|_, x| Ok(x.clone())));
/// let x0 = Tensor::new(&[1f64, 1.0, 1.0], &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(2), &x0, 0.0, 1.0)?;
/// let exact = path.increment(0.0, 1.0)?.exp()?;
/// let adaptive = Adaptive::new(1e-5, 1e-5)?.min_step(path.resolution())?;
/// let solver = Solver::new(Halved::new(StratonovichHeun::new(noise, path)), adaptive);
/// let end = solver.solve(&still, &x0, 0.0, 1.0)?.end()?;
/// let error = (end - exact)?.abs()?.max_all()?.to_scalar::<f64>()?;
/// assert!(error < 2e-3);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "HalfSolver")]
#[doc(alias = "step doubling")]
pub struct Halved<S> {
    method: S,
}

impl<S: Pathwise> Halved<S> {
    /// Creates the method whose half steps are those of `method`.
    pub fn new(method: S) -> Self {
        Halved { method }
    }

    /// The two half steps; `slope` is the one at the start, if it is known.
    fn halves(
        &self,
        field: &dyn Field,
        (start, end): (f64, f64),
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<[Step; 2]> {
        let middle = start + 0.5 * (end - start);
        let half = |start, end| Interval::Shared { start, end };
        let first = (self.method).step(field, &half(start, middle), x, slope)?;
        let slope = first.last_slope.as_ref();
        let second = (self.method).step(field, &half(middle, end), &first.x, slope)?;
        Ok([first, second])
    }
}

impl<S: Pathwise> Method for Halved<S> {
    fn order(&self) -> f64 {
        self.method.order()
    }
}

impl<S: Pathwise> Stepper for Halved<S> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let whole = self.method.step(field, interval, x, slope)?;
        let slope = slope.or(whole.slopes.first());
        let [first, second] = self.halves(field, shared(interval)?, x, slope)?;
        Ok(Step {
            error: Some(sum(&[(1.0, &second.x), (-1.0, &whole.x)])?),
            x: second.x,
            slopes: first.slopes,
            last_slope: second.last_slope,
            unsolved: second.unsolved,
            nodes: Vec::new(),
            outlook: None,
        })
    }

    fn advance(&self, field: &dyn Field, interval: &Interval, x: &Tensor) -> Result<Tensor> {
        let [_, second] = self.halves(field, shared(interval)?, x, None)?;
        Ok(second.x)
    }
}

/// The error of a step of strong order p is of order p + ½ in the mean square. A method whose order depends on the noise tells
/// the least one; on the noise on which it is [`Pathwise`], its order is 1 at least.
impl<S: Pathwise> Embedded for Halved<S> {
    fn error_order(&self) -> f64 {
        self.order().max(1.0) - 0.5
    }
}
