//! The exponential Euler method (Cox and Matthews 2002, equation 4: ETD1).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Rates, phi, shared};
use crate::Interval;
use crate::sde::drift;
use crate::stepper::{Method, Step, Stepper};

/// The exponential Euler method for `dx/dt = −A x + f(t, x)`, `x' = e^{−Ah} x + h φ₁(−Ah) f(t, x)`: order 1, one
/// evaluation per step; exact where f is constant.
///
/// ```
/// use advect_core::field_fn;
/// use advect_solvers::exponential::{ExponentialEuler, Rates};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx/dt = −2 x + 1 in one step: x(1) = ½ + (x(0) − ½) e⁻².
/// let one = field_fn(|_, x| Ok(x.ones_like()?));
/// let x0 = Tensor::new(&[3f64], &Device::Cpu)?;
/// let solver = Solver::new(ExponentialEuler::new(Rates::uniform(2.0)?), Fixed::steps(1)?);
/// let end = solver.solve(&one, &x0, 0.0, 1.0)?.end()?.to_vec1::<f64>()?;
/// assert!((end[0] - (0.5 + 2.5 * (-2f64).exp())).abs() < 1e-15);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ETD1")]
pub struct ExponentialEuler {
    rates: Rates,
}

impl ExponentialEuler {
    /// Creates the method with the linear part's rates.
    pub fn new(rates: Rates) -> Self {
        ExponentialEuler { rates }
    }
}

impl Method for ExponentialEuler {
    fn order(&self) -> f64 {
        1.0
    }
}

impl Stepper for ExponentialEuler {
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
        let x = self
            .rates
            .combine(h, &[(&|z| phi(0, z), x), (&|z| h * phi(1, z), &f)])?;
        Ok(Step::new(x, f))
    }
}
