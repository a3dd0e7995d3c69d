//! An exponential Runge–Kutta method of order 4 (Cox and Matthews 2002, equations 26–29: ETDRK4).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Rates, phi, shared};
use crate::Interval;
use crate::sde::drift;
use crate::stepper::{Method, Step, Stepper};

/// The method ETDRK4 for `dx/dt = −A x + f(t, x)`: order 4, four evaluations per step.
///
/// With `z = −Ah`, `f₁ = f(t, x)`, `f₂ = f(t + ½h, a)`, `f₃ = f(t + ½h, b)` and `f₄ = f(t + h, c)`,
///
/// - `a = e^{z/2} x + ½h φ₁(z/2) f₁`, `b = e^{z/2} x + ½h φ₁(z/2) f₂`, `c = e^{z/2} a + ½h φ₁(z/2) (2 f₃ − f₁)`,
/// - `x' = e^z x + h (φ₁ − 3φ₂ + 4φ₃) f₁ + h (2φ₂ − 4φ₃) (f₂ + f₃) + h (4φ₃ − φ₂) f₄`, all φ at z.
///
/// Without the linear part it is the method of Runge and Kutta, [`Rk4`](crate::stepper::Rk4).
///
/// ```
/// use advect_solvers::exponential::{Etdrk4, Rates};
/// use advect_core::field_fn;
/// use advect_solvers::{Solver, controller::Fixed};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The logistic equation, dx/dt = x − x²: a rate of −1, and f = −x².
/// let square = field_fn(|_, x| Ok(x.sqr()?.neg()?));
/// let x0 = Tensor::new(&[0.5f64], &Device::Cpu)?;
/// let solver = Solver::new(Etdrk4::new(Rates::uniform(-1.0)?), Fixed::steps(20)?);
/// let end = solver.solve(&square, &x0, 0.0, 1.0)?.end()?.to_vec1::<f64>()?;
/// assert!((end[0] - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-7);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "ETDRK4")]
pub struct Etdrk4 {
    rates: Rates,
}

impl Etdrk4 {
    /// Creates the method with the linear part's rates.
    pub fn new(rates: Rates) -> Self {
        Etdrk4 { rates }
    }
}

impl Method for Etdrk4 {
    fn order(&self) -> f64 {
        4.0
    }
}

impl Stepper for Etdrk4 {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let middle = t + 0.5 * h;
        // Half a step from a state, with a slope.
        let half = |x: &Tensor, f: &Tensor| {
            let flow = |z: f64| 0.5 * h * phi(1, z);
            self.rates
                .combine(0.5 * h, &[(&|z| phi(0, z), x), (&flow, f)])
        };
        let f1 = drift(field, t, x, slope)?;
        let a = half(x, &f1)?;
        let f2 = drift(field, middle, &a, None)?;
        let f3 = drift(field, middle, &half(x, &f2)?, None)?;
        let c = half(&a, &((&f3 * 2.0)? - &f1)?)?;
        let f4 = drift(field, end, &c, None)?;
        let first = |z: f64| h * (phi(1, z) - 3.0 * phi(2, z) + 4.0 * phi(3, z));
        let inner = |z: f64| h * (2.0 * phi(2, z) - 4.0 * phi(3, z));
        let last = |z: f64| h * (4.0 * phi(3, z) - phi(2, z));
        let both = (&f2 + &f3)?;
        let x = self.rates.combine(
            h,
            &[
                (&|z| phi(0, z), x),
                (&first, &f1),
                (&inner, &both),
                (&last, &f4),
            ],
        )?;
        Ok(Step::new(x, f1))
    }
}
