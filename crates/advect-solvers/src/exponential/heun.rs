//! The exponential Heun method (Cox and Matthews 2002, equation 22: ETD2RK).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Rates, phi, shared};
use crate::Interval;
use crate::sde::drift;
use crate::stepper::{Embedded, Method, Step, Stepper};

/// The exponential Heun method for `dx/dt = −A x + f(t, x)`, `y = e^{−Ah} x + h φ₁(−Ah) f(t, x)`,
/// `x' = y + h φ₂(−Ah) (f(t + h, y) − f(t, x))`: order 2, two evaluations per step. The error estimate is the
/// difference from [`ExponentialEuler`](super::ExponentialEuler).
///
/// ```
/// use advect_solvers::exponential::{ExponentialHeun, Rates};
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Adaptive};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −1000 x + 1, whose solution comes to rest at 1/1000.
/// let one = field_fn(|_, x| Ok(x.ones_like()?));
/// let x0 = Tensor::new(&[1f64], &Device::Cpu)?;
/// let solver = Solver::new(ExponentialHeun::new(Rates::uniform(1000.0)?), Adaptive::new(1e-6, 1e-6)?);
/// let solution = solver.solve(&one, &x0, 0.0, 1.0)?;
/// assert!((solution.end()?.to_vec1::<f64>()?[0] - 1e-3).abs() < 1e-12);
/// assert!(solution.statistics.accepted < 20);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ETD2RK")]
pub struct ExponentialHeun {
    rates: Rates,
}

impl ExponentialHeun {
    /// Creates the method with the linear part's rates.
    pub fn new(rates: Rates) -> Self {
        ExponentialHeun { rates }
    }
}

impl Method for ExponentialHeun {
    fn order(&self) -> f64 {
        2.0
    }
}

impl Stepper for ExponentialHeun {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let f = drift(field, t, x, slope)?;
        let y = self
            .rates
            .combine(h, &[(&|z| phi(0, z), x), (&|z| h * phi(1, z), &f)])?;
        let change = (drift(field, end, &y, None)? - &f)?;
        let correction = self.rates.combine(h, &[(&|z| h * phi(2, z), &change)])?;
        let mut step = Step::new((y + &correction)?, f);
        step.error = Some(correction);
        Ok(step)
    }
}

impl Embedded for ExponentialHeun {
    fn error_order(&self) -> f64 {
        1.0
    }
}
