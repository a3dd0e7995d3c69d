//! The method of Euler and Maruyama (Maruyama 1955; Kloeden and Platen, Numerical Solution of Stochastic Differential
//! Equations, section 10.2).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{BrownianPath, Noise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Method, Step, Stepper};

/// The Euler–Maruyama method, `x' = x + h f(t, x) + g(t, x) ΔW`, in Itô's sense: strong order 0.5, weak order 1;
/// strong order 1 for additive noise.
#[derive(Debug, Clone)]
#[doc(alias = "Euler–Maruyama")]
#[doc(alias = "Euler-Maruyama")]
#[doc(alias = "sdeint")]
pub struct EulerMaruyama<N> {
    noise: N,
    path: BrownianPath,
}

impl<N> EulerMaruyama<N> {
    /// Creates the method with a noise, and the Brownian path that drives it.
    pub fn new(noise: N, path: BrownianPath) -> Self {
        EulerMaruyama { noise, path }
    }
}

impl<N> Method for EulerMaruyama<N> {
    fn order(&self) -> f64 {
        0.5
    }
}

impl<N: Noise> Stepper for EulerMaruyama<N> {
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
        let noise = self.noise.apply(t, x, &self.path.increment(t, end)?)?;
        let x = sum(&[(h, &f), (1.0, &noise), (1.0, x)])?;
        Ok(Step::new(x, f))
    }
}
