//! Heun's method for Stratonovich equations (Rümelin 1982; Kloeden and Platen, Numerical Solution of Stochastic
//! Differential Equations, exercise 10.3.4 and section 11.1).

use advect_core::{Field, Result};
use candle_core::Tensor;

use super::{BrownianPath, Noise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Method, Step, Stepper};

/// Heun's method for Stratonovich equations, `y = x + h f(t, x) + g(t, x) ΔW`,
/// `x' = x + h/2 (f(t, x) + f(t + h, y)) + (g(t, x) + g(t + h, y)) ΔW/2`, in Stratonovich's sense: strong order 1 for
/// diagonal, scalar and additive noise, else 0.5; of order 2 without noise.
#[derive(Debug, Clone)]
pub struct StratonovichHeun<N> {
    noise: N,
    path: BrownianPath,
}

impl<N> StratonovichHeun<N> {
    /// Creates the method with a noise, and the Brownian path that drives it.
    pub fn new(noise: N, path: BrownianPath) -> Self {
        StratonovichHeun { noise, path }
    }
}

impl<N> Method for StratonovichHeun<N> {
    fn order(&self) -> f64 {
        0.5
    }
}

impl<N: Noise> Stepper for StratonovichHeun<N> {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let (t, end) = shared(interval)?;
        let h = end - t;
        let dw = self.path.increment(t, end)?;
        let f = drift(field, t, x, slope)?;
        let noise = self.noise.apply(t, x, &dw)?;
        let ahead = sum(&[(h, &f), (1.0, &noise), (1.0, x)])?;
        let f_ahead = drift(field, end, &ahead, None)?;
        let noise_ahead = self.noise.apply(end, &ahead, &dw)?;
        let x = sum(&[
            (0.5 * h, &f),
            (0.5 * h, &f_ahead),
            (0.5, &noise),
            (0.5, &noise_ahead),
            (1.0, x),
        ])?;
        Ok(Step::new(x, f))
    }
}
