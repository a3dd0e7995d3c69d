//! Steps as long as the error estimate allows.

use advect_core::{Error, Field, Result, Time, check};
use advect_ops::error_norm;
use candle_core::Tensor;

use super::{Attempt, Controller, Judgement, Position};
use crate::stepper::Embedded;

/// The elementary step-size controller (Hairer, Nørsett and Wanner, Solving Ordinary Differential
/// Equations I, section II.4).
///
/// With the scale `s = atol + rtol · max(|x|, |x'|)` and the ratio `e = RMS(error / s)` over all
/// elements of the batch, a step is accepted if `e ≤ 1`, and the next one is
/// `0.9 · e^(−1/(q+1))` times as long, within 0.2 and 10, where q is the order of the error estimate. The first
/// step follows Hairer's algorithm.
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let growth = |_: &Time, x: &Tensor| Ok(x.clone());
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// let end = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9)?).solve(&growth, &x, 0.0, 1.0)?.end()?;
/// assert!((end.to_vec1::<f64>()?[0] - 1f64.exp()).abs() < 1e-8);
/// # Ok(())
/// # }
/// ```
///
/// A stepper without an error estimate does not compile:
///
/// ```compile_fail
/// # use advect_solvers::{Solver, controller::Adaptive, stepper::Euler};
/// # use candle_core::Tensor;
/// # fn f(field: &dyn advect_core::Field, x: &Tensor) {
/// Solver::new(Euler, Adaptive::new(1e-5, 1e-5).unwrap()).solve(field, x, 0.0, 1.0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    rtol: f64,
    atol: f64,
    max_steps: usize,
}

const SAFETY: f64 = 0.9;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;

impl Adaptive {
    /// With relative and absolute tolerance a step, and at most 100,000 steps.
    ///
    /// # Errors
    /// [`Error::Range`] unless both are finite and above 0.
    pub fn new(rtol: f64, atol: f64) -> Result<Self> {
        Ok(Adaptive {
            rtol: check::positive("rtol", rtol)?,
            atol: check::positive("atol", atol)?,
            max_steps: 100_000,
        })
    }

    /// Gives up after this many steps, accepted and rejected.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_steps(self, max_steps: usize) -> Result<Self> {
        let max_steps = check::at_least_one("max_steps", max_steps)?;
        Ok(Adaptive { max_steps, ..self })
    }

    /// `RMS(value / (atol + rtol · max(|x|, |y|)))`.
    fn norm(&self, value: &Tensor, x: &Tensor, y: &Tensor) -> Result<f64> {
        error_norm(value, x, y, self.rtol, self.atol)
    }
}

/// The error of a step of size h is O(h^(q + 1)), with q the order of the error estimate.
fn exponent<S: Embedded + ?Sized>(stepper: &S) -> f64 {
    1.0 / (stepper.error_order() + 1) as f64
}

/// The step size to try next.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveMemory {
    /// Its magnitude.
    size: f64,
    /// Whether the last attempt was rejected: then the next step must not be longer.
    rejected: bool,
}

impl<S: Embedded + ?Sized> Controller<S> for Adaptive {
    type Memory = AdaptiveMemory;

    /// Hairer, Nørsett and Wanner I, section II.4, "Starting step size".
    fn begin(
        &self,
        stepper: &S,
        field: &dyn Field,
        at: Position<'_>,
    ) -> Result<(AdaptiveMemory, Option<Tensor>)> {
        let x = at.x.detach();
        let span = at.end - at.t;
        let slope = field.at(&Time::Shared(at.t), at.x)?;
        check::alike("field", &slope, "x", at.x)?;
        let (d0, d1) = (self.norm(&x, &x, &x)?, self.norm(&slope, &x, &x)?);
        let ratio = 0.01 * d0 / d1;
        // Also where a norm overflowed.
        let small = d0 < 1e-5 || d1 < 1e-5 || !(ratio > 0.0 && ratio.is_finite());
        let guess = if small { 1e-6 } else { ratio }.min(span.abs());
        let h = guess.copysign(span);
        let ahead = (&x + (slope.detach() * h)?)?;
        let change = (field.at(&Time::Shared(at.t + h), &ahead)?.detach() - slope.detach())?;
        let d2 = self.norm(&change, &x, &x)? / guess;
        let largest = d1.max(d2);
        let size = if largest <= 1e-15 {
            (guess * 1e-3).max(1e-6)
        } else {
            (0.01 / largest).powf(exponent(stepper))
        };
        // A field that is not finite near the start leaves the guess, and the steps will tell.
        let usable = size > 0.0 && size.is_finite();
        let size = if usable {
            size.min(100.0 * guess)
        } else {
            guess
        };
        let memory = AdaptiveMemory {
            size,
            rejected: false,
        };
        Ok((memory, Some(slope)))
    }

    fn next(&self, memory: &AdaptiveMemory, at: Position<'_>) -> f64 {
        at.t + memory.size.copysign(at.end - at.t)
    }

    fn judge(
        &self,
        memory: &mut AdaptiveMemory,
        stepper: &S,
        attempt: Attempt<'_>,
    ) -> Result<Judgement> {
        let Some(error) = &attempt.step.error else {
            return Err(Error::range(
                "stepper",
                "a step without an error estimate",
                "a stepper that keeps the promise of Embedded",
            ));
        };
        let ratio = self.norm(error, attempt.from.x, &attempt.step.x)?;
        let used = attempt.h.abs();
        if !(attempt.finite && ratio.is_finite()) {
            memory.size = used * SHRINK;
            memory.rejected = true;
            return Ok(Judgement::Reject);
        }
        let factor = (SAFETY * ratio.powf(-exponent(stepper))).clamp(SHRINK, GROW);
        if ratio > 1.0 {
            memory.size = used * factor.min(1.0);
            memory.rejected = true;
            return Ok(Judgement::Reject);
        }
        let factor = if memory.rejected {
            factor.min(1.0)
        } else {
            factor
        };
        // A step cut short to end at a given time says nothing against the size that was planned, unless it
        // was hardly short enough itself.
        memory.size = match attempt.shortened && factor >= 1.0 {
            true => memory.size.max(used * factor),
            false => used * factor,
        };
        memory.rejected = false;
        Ok(Judgement::Accept)
    }

    fn step_limit(&self) -> usize {
        self.max_steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_tolerances_are_refused() {
        for bad in [0.0, -1e-3, f64::NAN, f64::INFINITY] {
            let error = Adaptive::new(bad, 1e-3).unwrap_err();
            assert!(error.to_string().starts_with("rtol: "), "{error}");
            let error = Adaptive::new(1e-3, bad).unwrap_err();
            assert!(error.to_string().starts_with("atol: "), "{error}");
        }
        assert!(Adaptive::new(1e-3, 1e-3).unwrap().max_steps(0).is_err());
    }
}
