//! A stochastic Runge–Kutta method for additive noise (Rößler, Runge–Kutta methods for the strong approximation of
//! solutions of stochastic differential equations, SIAM J. Numer. Anal. 48, 2010, table 6.3: SRA1).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{Additive, BrownianPath, Noise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Method, Step, Stepper};

/// Rößler's method SRA1, `y = x + ¾ h f(t, x) + 3/2 g(t + h) I/h`,
/// `x' = x + h (f(t, x) + 2 f(t + ¾h, y))/3 + g(t + h) (ΔW − I/h) + g(t) I/h` with `I = ∫ (W(u) − W(t)) du` over the
/// step: strong order 1.5, two evaluations per step. For additive noise the senses of Itô and Stratonovich agree.
#[derive(Debug, Clone)]
pub struct Sra1<G> {
    noise: Additive<G>,
    path: BrownianPath,
}

impl<G> Sra1<G> {
    /// Creates the method with a noise, and the Brownian path that drives it, for which it turns areas on.
    pub fn new(noise: Additive<G>, path: BrownianPath) -> Self {
        let path = path.areas();
        Sra1 { noise, path }
    }
}

impl<G> Method for Sra1<G> {
    fn order(&self) -> f64 {
        1.5
    }
}

impl<G: Fn(f64) -> f64> Stepper for Sra1<G> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let motion = self.path.increment_with_integral(t, end)?;
        let mean = (motion.integral / h)?;
        let late = self.noise.apply(end, x, &mean)?;
        let f = drift(field, t, x, slope)?;
        let inner = sum(&[(0.75 * h, &f), (1.5, &late), (1.0, x)])?;
        let f_inner = drift(field, t + 0.75 * h, &inner, None)?;
        let whole = self.noise.apply(end, x, &motion.value)?;
        let early = self.noise.apply(t, x, &mean)?;
        let x = sum(&[
            (h / 3.0, &f),
            (2.0 * h / 3.0, &f_inner),
            (1.0, &whole),
            (-1.0, &late),
            (1.0, &early),
            (1.0, x),
        ])?;
        Ok(Step::new(x, f))
    }
}
