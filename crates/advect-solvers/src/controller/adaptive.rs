//! Steps as long as the error estimate allows.

use advect_core::{Error, Field, Result, check};
use advect_ops::ScaledError;

use super::initial_step::initial_steps;
use super::{Attempt, Controller, Judgement, Position};
use crate::stepper::Embedded;
use crate::{Interval, Samples, State};

/// Step sizes by error control: integral (I), proportional–integral (PI) or with a derivative term (PID).
///
/// With the scale `s = atol + rtol · max(|x|, |x'|)` and the ratio `e = ‖error / s‖` over all elements of the batch, a
/// step is accepted if `e ≤ 1`, and the next one is `0.9 · e₀^(−(P+I+D)/k) · e₁^((P+2D)/k) · e₂^(−D/k)` times as long,
/// where e₀ is this step's ratio, e₁ and e₂ are those of the two accepted before, and k = q + 1 with q the order of the
/// error estimate. The factor is kept within 1 and 10 after an accepted step, within 0.2 and 0.9 after a rejected one.
/// The first step follows Hairer's algorithm.
///
/// With P = D = 0, I = 1, as set by [`Adaptive::new`], this is the elementary controller (Hairer, Nørsett and Wanner,
/// Solving Ordinary Differential Equations I, section II.4). PI controllers are from Gustafsson 1991, the form of all
/// three terms from Söderlind (Digital filters in adaptive time-stepping, ACM Trans. Math. Softw. 29, 2003).
///
/// ```
/// use advect_core::Time;
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let growth = |_: &Time, x: &Tensor| Ok(x.clone());
/// let x = Tensor::new(&[1.0f64], &Device::Cpu)?;
/// for adaptive in [Adaptive::new(1e-9, 1e-9)?, Adaptive::new(1e-9, 1e-9)?.gains(0.3, 0.4, 0.0)?] {
///     let end = Solver::new(Dopri5, adaptive).solve(&growth, &x, 0.0, 1.0)?.end()?;
///     assert!((end.to_vec1::<f64>()?[0] - 1f64.exp()).abs() < 1e-8);
/// }
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
    /// Proportional, integral, derivative.
    gains: [f64; 3],
    norm: Norm,
    first_step: Option<f64>,
    max_step: f64,
    max_steps: usize,
    oversteps: bool,
}

/// How the errors of all elements make one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Norm {
    /// The root mean square: the error of a typical element meets the tolerance.
    #[default]
    Rms,
    /// The largest: the error of each element does.
    Max,
}

impl Norm {
    /// The norm of errors that are scaled by their tolerances.
    pub fn of(self, error: ScaledError) -> f64 {
        match self {
            Norm::Rms => error.rms(),
            Norm::Max => error.largest(),
        }
    }
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
            gains: [0.0, 1.0, 0.0],
            norm: Norm::Rms,
            first_step: None,
            max_step: f64::INFINITY,
            max_steps: 100_000,
            oversteps: false,
        })
    }

    /// With proportional, integral and derivative gains. (0.3, 0.4, 0) and (0.4, 0.3, 0) are less restless than the
    /// elementary (0, 1, 0) where the error does not vary smoothly.
    ///
    /// # Errors
    /// [`Error::Range`] unless all are finite and not negative, and the integral gain is above 0.
    pub fn gains(self, proportional: f64, integral: f64, derivative: f64) -> Result<Self> {
        let gains = [
            check::non_negative("proportional", proportional)?,
            check::positive("integral", integral)?,
            check::non_negative("derivative", derivative)?,
        ];
        Ok(Adaptive { gains, ..self })
    }

    /// With another norm of the errors.
    pub fn norm_by(self, norm: Norm) -> Self {
        Adaptive { norm, ..self }
    }

    /// With a first step of this size, which saves the two evaluations that would choose it.
    ///
    /// # Errors
    /// [`Error::Range`] unless finite and above 0.
    pub fn first_step(self, size: f64) -> Result<Self> {
        let first_step = Some(check::positive("size", size)?);
        Ok(Adaptive { first_step, ..self })
    }

    /// With no step longer than this.
    ///
    /// # Errors
    /// [`Error::Range`] unless finite and above 0.
    pub fn max_step(self, size: f64) -> Result<Self> {
        let max_step = check::positive("size", size)?;
        Ok(Adaptive { max_step, ..self })
    }

    /// Gives up after this many steps, accepted and rejected.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_steps(self, max_steps: usize) -> Result<Self> {
        let max_steps = check::at_least_one("max_steps", max_steps)?;
        Ok(Adaptive { max_steps, ..self })
    }

    /// Lets the last step go beyond the end, and interpolates back: what torchdiffeq does. The field is evaluated
    /// beyond the end then.
    pub fn overstep(self) -> Self {
        Adaptive {
            oversteps: true,
            ..self
        }
    }

    /// `‖value / (atol + rtol · max(|x|, |y|))‖`.
    fn norm<X: State>(&self, value: &X, x: &X, y: &X) -> Result<f64> {
        Ok(self
            .norm
            .of(value.scaled_error(x, y, self.rtol, self.atol)?))
    }

    /// The same, sample by sample.
    pub(crate) fn norms<X: Samples>(&self, value: &X, x: &X, y: &X) -> Result<Vec<f64>> {
        let errors = value.scaled_errors(x, y, self.rtol, self.atol)?;
        Ok(errors.into_iter().map(|e| self.norm.of(e)).collect())
    }

    /// Before the first step.
    fn memory(&self, size: f64) -> AdaptiveMemory {
        AdaptiveMemory {
            size: size.min(self.max_step),
            ratios: [1.0; 2],
        }
    }

    /// What is remembered of each sample before the first step, and the slope there if it was evaluated.
    pub(crate) fn begin_each<X: Samples, S: Embedded<X> + ?Sized>(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(Vec<AdaptiveMemory>, Option<X>)> {
        let count = at.x.samples("x0")?;
        if let Some(size) = self.first_step {
            return Ok((vec![self.memory(size); count], None));
        }
        let interval = |h: &[f64]| Interval::PerSample {
            start: vec![at.t; count],
            end: h.iter().map(|h| at.after(*h)).collect(),
        };
        let x = at.x.detach();
        let norms = |value: &X| self.norms(value, &x, &x);
        let (span, exponent) = (at.end - at.t, exponent::<X, S>(stepper));
        let (sizes, slope) = initial_steps(exponent, field, at.x, span, count, interval, norms)?;
        Ok((sizes.iter().map(|h| self.memory(*h)).collect(), Some(slope)))
    }

    /// Whether the last step may go beyond the end.
    pub(crate) fn goes_beyond(&self) -> bool {
        self.oversteps
    }

    /// The largest number of steps.
    pub(crate) fn limit(&self) -> usize {
        self.max_steps
    }

    /// Judges a step that was `used` long, of this ratio of error to tolerance, and plans the next one. `shortened`
    /// tells whether it was shorter than planned. Returns whether the step is accepted.
    pub(crate) fn respond(
        &self,
        memory: &mut AdaptiveMemory,
        exponent: f64,
        ratio: f64,
        used: f64,
        shortened: bool,
    ) -> bool {
        if !ratio.is_finite() {
            memory.size = used * SHRINK;
            return false;
        }
        let [p, i, d] = self.gains.map(|gain| gain * exponent);
        let [before, earlier] = memory.ratios;
        let factor =
            SAFETY * ratio.powf(-(p + i + d)) * before.powf(p + 2.0 * d) * earlier.powf(-d);
        if ratio > 1.0 {
            memory.size = used * factor.clamp(SHRINK, SAFETY);
            return false;
        }
        let size = used * factor.clamp(1.0, GROW);
        // A step cut short to end at a given time says nothing against the size that was planned.
        let size = if shortened {
            memory.size.max(size)
        } else {
            size
        };
        memory.size = size.min(self.max_step);
        // An error of 0 tells nothing of the next one.
        let told = if ratio == 0.0 { 1.0 } else { ratio };
        memory.ratios = [told, before];
        true
    }
}

/// The error of a step of size h is O(h^(q + 1)), with q the order of the error estimate.
pub(crate) fn exponent<X: State, S: Embedded<X> + ?Sized>(stepper: &S) -> f64 {
    1.0 / (stepper.error_order() + 1.0)
}

/// The step size to try next.
#[derive(Debug, Clone, Copy)]
pub struct AdaptiveMemory {
    /// Its magnitude.
    pub(crate) size: f64,
    /// Of the last two accepted steps.
    ratios: [f64; 2],
}

impl<X: State, S: Embedded<X> + ?Sized> Controller<S, X> for Adaptive {
    type Memory = AdaptiveMemory;

    fn begin(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(AdaptiveMemory, Option<X>)> {
        if let Some(size) = self.first_step {
            return Ok((self.memory(size), None));
        }
        let interval = |h: &[f64]| Interval::Shared {
            start: at.t,
            end: at.after(h[0]),
        };
        let x = at.x.detach();
        let norms = |value: &X| Ok(vec![self.norm(value, &x, &x)?]);
        let (span, exponent) = (at.end - at.t, exponent::<X, S>(stepper));
        let (sizes, slope) = initial_steps(exponent, field, at.x, span, 1, interval, norms)?;
        Ok((self.memory(sizes[0]), Some(slope)))
    }

    fn next(&self, memory: &AdaptiveMemory, at: Position<'_, X>) -> f64 {
        at.t + memory.size.copysign(at.end - at.t)
    }

    fn judge(
        &self,
        memory: &mut AdaptiveMemory,
        stepper: &S,
        attempt: Attempt<'_, X>,
    ) -> Result<Judgement> {
        let Some(error) = &attempt.step.error else {
            return Err(Error::range(
                "stepper",
                "a step without an error estimate",
                "a stepper that keeps the promise of Embedded",
            ));
        };
        let ratio = match attempt.finite {
            true => self.norm(error, attempt.from.x, &attempt.step.x)?,
            false => f64::NAN,
        };
        let (used, shortened) = (attempt.h.abs(), attempt.shortened);
        Ok(
            match self.respond(memory, exponent::<X, S>(stepper), ratio, used, shortened) {
                true => Judgement::Accept,
                false => Judgement::Reject,
            },
        )
    }

    fn step_limit(&self) -> usize {
        self.max_steps
    }

    fn oversteps(&self) -> bool {
        self.oversteps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_settings_are_refused() {
        for bad in [0.0, -1e-3, f64::NAN, f64::INFINITY] {
            let error = Adaptive::new(bad, 1e-3).unwrap_err();
            assert!(error.to_string().starts_with("rtol: "), "{error}");
            let error = Adaptive::new(1e-3, bad).unwrap_err();
            assert!(error.to_string().starts_with("atol: "), "{error}");
            let good = Adaptive::new(1e-3, 1e-3).unwrap();
            assert!(good.first_step(bad).is_err() && good.max_step(bad).is_err());
            assert!(good.gains(0.0, bad, 0.0).is_err());
        }
        let good = Adaptive::new(1e-3, 1e-3).unwrap();
        assert!(good.max_steps(0).is_err());
        assert!(good.gains(-0.1, 1.0, 0.0).is_err());
        assert!(good.gains(0.3, 0.4, f64::NAN).is_err());
    }

    /// Söderlind's formula with numbers put in by hand.
    #[test]
    fn the_factor_is_that_of_the_formula() {
        let pid = Adaptive::new(1e-3, 1e-3).unwrap().gains(0.3, 0.4, 0.1);
        let mut memory = AdaptiveMemory {
            size: 1.0,
            ratios: [0.5, 0.25],
        };
        let accepted = pid.unwrap().respond(&mut memory, 0.2, 0.1, 2.0, false);
        let factor = 0.9 * 0.1f64.powf(-0.16) * 0.5f64.powf(0.1) * 0.25f64.powf(-0.02);
        assert!(accepted && (memory.size - 2.0 * factor).abs() < 1e-14);
        assert_eq!(memory.ratios, [0.1, 0.5]);
    }
}
