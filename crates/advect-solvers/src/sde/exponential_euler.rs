//! The exponential Euler method for stochastic equations (Lord, Powell and Shardlow, An Introduction to Computational
//! Stochastic PDEs, 2014, section 10.5; Jentzen and Kloeden 2009).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Additive, BrownianPath, Noise, drift, shared, sum};
use crate::Interval;
use crate::exponential::{Rates, phi};
use crate::stepper::{Method, Step, Stepper};

/// The exponential Euler–Maruyama method for `dx = (−A x + f(t, x)) dt + g(t) dW`,
/// `x' = e^{−Ah} x + h φ₁(−Ah) f(t, x) + g(t) ∫ e^{−A(t + h − u)} dW_u`: strong order 1, one evaluation per step. The
/// stepper holds the rates A and the noise g; the field is f.
///
/// The integral is that of [`BrownianPath::decayed_increment`], so steps have to end on cells of the path: set
/// [`BrownianPath::cells`] to the number of steps, or a multiple. Without f and with constant g it is an
/// Ornstein–Uhlenbeck process, whose steps are exact, in law and on the path, however long they are.
///
/// ```
/// use advect_core::{Key, field_fn};
/// use advect_solvers::exponential::Rates;
/// use advect_solvers::sde::{Additive, BrownianPath, ExponentialEulerMaruyama};
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // dx = −3 x dt + dW, in one step: the variance at 1 is (1 − e⁻⁶)/6.
/// let still = field_fn(|_, x| Ok(x.zeros_like()?));
/// let x0 = Tensor::zeros(4000, DType::F64, &Device::Cpu)?;
/// let path = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 1.0)?;
/// let stepper = ExponentialEulerMaruyama::new(Rates::uniform(3.0)?, Additive(|_| 1.0), path);
/// let end = Solver::new(stepper, Fixed::steps(1)?).solve(&still, &x0, 0.0, 1.0)?.end()?;
/// let variance = end.sqr()?.mean_all()?.to_scalar::<f64>()?;
/// assert!((variance - (1.0 - (-6f64).exp()) / 6.0).abs() < 0.01);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "Ornstein–Uhlenbeck")]
pub struct ExponentialEulerMaruyama<G> {
    rates: Rates,
    noise: Additive<G>,
    path: BrownianPath,
}

impl<G> ExponentialEulerMaruyama<G> {
    /// Creates the method with the linear part's rates, a noise, and the Brownian path that drives it, whose areas
    /// it enables.
    pub fn new(rates: Rates, noise: Additive<G>, path: BrownianPath) -> Self {
        ExponentialEulerMaruyama {
            rates,
            noise,
            path: path.areas(),
        }
    }
}

impl<G> Method for ExponentialEulerMaruyama<G> {
    fn order(&self) -> f64 {
        1.0
    }
}

impl<G: Fn(f64) -> f64> Stepper for ExponentialEulerMaruyama<G> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let motion = self.path.decayed_increment(t, end, &self.rates)?;
        let f = drift(field, t, x, slope)?;
        let flow = (self.rates).combine(h, &[(&|z| phi(0, z), x), (&|z| h * phi(1, z), &f)])?;
        let x = sum(&[(1.0, &flow), (1.0, &self.noise.apply(t, x, &motion)?)])?;
        Ok(Step::new(x, f))
    }
}
