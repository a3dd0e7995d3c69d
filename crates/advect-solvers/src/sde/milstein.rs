//! Milstein's method (Milstein 1974; Kloeden and Platen, Numerical Solution of Stochastic Differential Equations,
//! sections 10.3 and 11.1).

use advect_core::{Field, Jvp, Result, Time};
use candle_core::Tensor;

use super::noise::along_itself;
use super::{BrownianPath, Pointwise, drift, shared, sum};
use crate::Interval;
use crate::stepper::{Method, Step, Stepper};

/// The interpretation of a stochastic integral.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(alias = "Sense")]
#[doc(alias = "Itô")]
pub enum Interpretation {
    /// Itô's interpretation: the noise is taken at the start of each step.
    Ito,
    /// Stratonovich's interpretation: the noise is taken in the middle of each step, so that the ordinary chain rule holds.
    Stratonovich,
}

impl Interpretation {
    /// `ΔW² − |h|` or `ΔW²`, for each element, halved.
    fn half_square(self, dw: &Tensor, h: f64) -> Result<Tensor> {
        let shift = match self {
            Interpretation::Ito => -0.5 * h.abs(),
            Interpretation::Stratonovich => 0.0,
        };
        Ok(dw.sqr()?.affine(0.5, shift)?)
    }
}

/// Milstein's method, `x' = x + h f + g ΔW + ½ (∂g/∂x g) (ΔW² − |h|)`, without the `|h|` in Stratonovich's sense:
/// strong order 1. The derivative of g along itself is a [`Jvp`].
#[derive(Debug, Clone)]
pub struct Milstein<N> {
    noise: N,
    path: BrownianPath,
    interpretation: Interpretation,
}

impl<N> Milstein<N> {
    /// Creates the method with a noise, and the Brownian path that drives it.
    pub fn new(noise: N, path: BrownianPath, interpretation: Interpretation) -> Self {
        Milstein {
            noise,
            path,
            interpretation,
        }
    }
}

impl<N> Method for Milstein<N> {
    fn order(&self) -> f64 {
        1.0
    }
}

impl<N: Pointwise<Field: Jvp>> Stepper for Milstein<N> {
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
        let dw = self.noise.spread(&self.path.increment(t, end)?, x)?;
        let (g, along) = along_itself(self.noise.field(), &Time::Shared(t), x)?;
        let noise = (g * &dw)?;
        let correction = (along * self.interpretation.half_square(&dw, h)?)?;
        let x = sum(&[(h, &f), (1.0, &noise), (1.0, &correction), (1.0, x)])?;
        Ok(Step::new(x, f))
    }
}

/// Milstein's method for any g, with finite differences for the derivative of g along itself.
///
/// In Itô's sense it is `(g(t, x + h f + √|h| g) − g(t, x)) / √|h|` (Platen 1984; Kloeden and Platen, eq. 11.1.3): one
/// more evaluation of g. What is wrong with it is of mean 0 there, as `ΔW² − |h|` is. In Stratonovich's sense `ΔW²` is not,
/// and the difference is a central one, of two more evaluations.
#[derive(Debug, Clone)]
pub struct MilsteinDerivativeFree<N> {
    noise: N,
    path: BrownianPath,
    interpretation: Interpretation,
}

impl<N> MilsteinDerivativeFree<N> {
    /// Creates the method with a noise, and the Brownian path that drives it.
    pub fn new(noise: N, path: BrownianPath, interpretation: Interpretation) -> Self {
        MilsteinDerivativeFree {
            noise,
            path,
            interpretation,
        }
    }
}

impl<N> Method for MilsteinDerivativeFree<N> {
    fn order(&self) -> f64 {
        1.0
    }
}

impl<N: Pointwise> Stepper for MilsteinDerivativeFree<N> {
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
        let dw = self.noise.spread(&self.path.increment(t, end)?, x)?;
        let at = Time::Shared(t);
        let g = self.noise.field().at(&at, x)?;
        let root = h.abs().sqrt();
        // √h times the derivative of g along itself.
        let at_support = |f_weight: f64, sign: f64| -> Result<Tensor> {
            let support = sum(&[(f_weight, &f), (sign * root, &g), (1.0, x)])?;
            self.noise.field().at(&at, &support)
        };
        let change = match self.interpretation {
            Interpretation::Ito => (at_support(h, 1.0)? - &g)?,
            Interpretation::Stratonovich => {
                ((at_support(0.0, 1.0)? - at_support(0.0, -1.0)?)? * 0.5)?
            }
        };
        let noise = (g * &dw)?;
        let correction = (change * self.interpretation.half_square(&dw, h)?)?;
        let x = sum(&[(h, &f), (1.0, &noise), (1.0 / root, &correction), (1.0, x)])?;
        Ok(Step::new(x, f))
    }
}
