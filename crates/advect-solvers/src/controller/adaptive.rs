//! Steps as long as the error estimate allows.

use advect_core::{Error, Field, Result, check};

use super::initial_step::initial_steps;
use super::response::{AdaptiveMemory, Tried, exponent};
use super::{Attempt, Controller, Judgement, Norm, Position, Tolerances};
use crate::clock::{smallest_step, too_fine};
use crate::stepper::Embedded;
use crate::{Interval, Samples, State, Status};

/// A controller that chooses step sizes by error control: integral (I), proportional–integral (PI) or with a
/// derivative term (PID).
///
/// With the scale `s = atol + rtol · max(|x|, |x'|)` and the ratio `e = ‖error / s‖` over all elements of the batch, a
/// step is accepted if `e ≤ 1`, and the next one is `0.9 · e₀^(−(P+I+D)/k) · e₁^((P+2D)/k) · e₂^(−D/k)` times as long,
/// where e₀ is this step's ratio, e₁ and e₂ are those of the two accepted before, and k = q + 1 with q the order of the
/// error estimate. The factor is kept within 1 and 10 after an accepted step, within 0.2 and 0.9 after a rejected one.
/// The first step follows Hairer's algorithm.
///
/// A method that changes its order ([`Step::outlook`](crate::stepper::Step::outlook)) has steps of one size for as long as
/// that serves: with e and k those of the order that comes next, the factor is `0.75 · e^(−1/k)`, whatever the gains; from
/// 1.5 on the step grows, between 1 and 1.5 it stays, and below it shrinks by at least a tenth and at most a half.
///
/// Where a rejected step can't be made shorter than ten spacings of the clock or [`Adaptive::min_step`], the integration
/// ends with [`Status::StepUnderflow`]: at a singularity, say. Tolerances below what the dtype resolves are refused, which
/// is where the rounding of the initial state is more than four times as large as its tolerance; where that becomes true
/// of a later state, the integration ends with [`Status::Unresolved`].
///
/// With P = D = 0, I = 1, as set by [`Adaptive::new`], this is the elementary controller (Hairer, Nørsett and Wanner,
/// Solving Ordinary Differential Equations I, section II.4). PI controllers are from Gustafsson 1991, the form of all
/// three terms from Söderlind (Digital filters in adaptive time-stepping, ACM Trans. Math. Softw. 29, 2003).
///
/// ```
/// use advect_core::{Time, field_fn};
/// use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let growth = field_fn(|_, x| Ok(x.clone()));
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
#[doc(alias = "adaptive step size")]
#[doc(alias = "rtol")]
#[doc(alias = "atol")]
#[derive(Debug, Clone, Copy, PartialEq)]
#[doc(alias = "PIDController")]
#[doc(alias = "error control")]
pub struct Adaptive {
    rtol: f64,
    atol: f64,
    /// Proportional, integral, derivative.
    pub(super) gains: [f64; 3],
    norm: Norm,
    pub(super) first_step: Option<f64>,
    min_step: f64,
    pub(super) max_step: f64,
    max_steps: usize,
    oversteps: bool,
}

impl Adaptive {
    /// Creates a controller with a relative and an absolute tolerance for the error of each step, and at most
    /// 100,000 steps. One of the two may be 0: errors are then measured against the state alone, or against one
    /// number.
    ///
    /// # Errors
    /// [`Error::Range`] unless both are finite and not negative, and one is above 0.
    pub fn new(rtol: f64, atol: f64) -> Result<Self> {
        let rtol = check::non_negative("rtol", rtol)?;
        let atol = check::non_negative("atol", atol)?;
        if rtol == 0.0 && atol == 0.0 {
            return Err(Error::range(
                "rtol, atol",
                "0 for both",
                "0 for at most one",
            ));
        }
        Ok(Adaptive {
            rtol,
            // An element that stays 0 has an error of 0 against a tolerance of 0, which must not be NaN.
            atol: atol.max(f64::MIN_POSITIVE),
            gains: [0.0, 1.0, 0.0],
            norm: Norm::Rms,
            first_step: None,
            min_step: 0.0,
            max_step: f64::INFINITY,
            max_steps: 100_000,
            oversteps: false,
        })
    }

    /// Sets the proportional, integral and derivative gains. (0.3, 0.4, 0) and (0.4, 0.3, 0) are less restless than
    /// the elementary (0, 1, 0) where the error does not vary smoothly.
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

    /// Sets the norm of the errors.
    pub fn norm_by(self, norm: Norm) -> Self {
        Adaptive { norm, ..self }
    }

    /// Sets the size of the first step, and saves the two evaluations that would otherwise choose it.
    ///
    /// # Errors
    /// [`Error::Range`] unless finite and above 0.
    pub fn first_step(self, size: f64) -> Result<Self> {
        let first_step = Some(check::positive("size", size)?);
        Ok(Adaptive { first_step, ..self })
    }

    /// Sets the size of the longest step.
    ///
    /// # Errors
    /// [`Error::Range`] unless finite, above 0 and not below [`Adaptive::min_step`].
    pub fn max_step(self, size: f64) -> Result<Self> {
        let max_step = check::positive("size", size)?;
        Adaptive { max_step, ..self }.ordered(size)
    }

    /// Sets the size of the shortest step, except for steps that end where a state is to be saved. If a step of this
    /// size is rejected, the integration ends with [`Status::StepUnderflow`].
    ///
    /// # Errors
    /// [`Error::Range`] unless finite, above 0 and not above [`Adaptive::max_step`].
    pub fn min_step(self, size: f64) -> Result<Self> {
        let min_step = check::positive("size", size)?;
        Adaptive { min_step, ..self }.ordered(size)
    }

    /// Checks the limits of a step against each other.
    fn ordered(self, size: f64) -> Result<Self> {
        if self.min_step <= self.max_step {
            return Ok(self);
        }
        let accepted = format!(
            "a size that leaves the smallest step, {}, below the largest, {}",
            self.min_step, self.max_step
        );
        Err(Error::range("size", size, accepted))
    }

    /// Sets the number of steps, accepted and rejected, after which the integration gives up.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn max_steps(self, max_steps: usize) -> Result<Self> {
        let max_steps = check::at_least_one("max_steps", max_steps)?;
        Ok(Adaptive { max_steps, ..self })
    }

    /// Lets the last step go beyond the end, and interpolates back, as torchdiffeq does. The field is then evaluated
    /// beyond the end.
    #[doc(alias = "torchdiffeq")]
    pub fn overstep(self) -> Self {
        Adaptive {
            oversteps: true,
            ..self
        }
    }

    /// `‖value / (atol + rtol · max(|x|, |y|))‖`.
    fn norm<X: State>(&self, value: &X, x: &X, y: &X) -> Result<f64> {
        self.allowed().ratio(value, x, y)
    }

    /// The same, sample by sample.
    pub(crate) fn norms<X: Samples>(&self, value: &X, x: &X, y: &X) -> Result<Vec<f64>> {
        let errors = value.scaled_errors(x, y, self.rtol, self.atol)?;
        Ok(errors.into_iter().map(|e| self.norm.of(e)).collect())
    }

    /// Whether the relative tolerance leaves it to the absolute one that errors are above the rounding of such states.
    fn may_be_unresolved<X: State>(&self, x: &X) -> bool {
        4.0 * self.rtol < x.unit_roundoff()
    }

    /// Whether the rounding of a state is beyond the tolerance: from its norm and its dtype.
    fn is_unresolved(norm: f64, roundoff: f64) -> bool {
        roundoff * norm > 4.0
    }

    /// The samples whose rounding is beyond the tolerance.
    pub(crate) fn unresolved_each<X: Samples>(&self, x: &X) -> Result<Vec<bool>> {
        if !self.may_be_unresolved(x) {
            return Ok(vec![false; x.samples("x")?]);
        }
        let roundoff = x.unit_roundoff();
        let unresolved = |norm: f64| Self::is_unresolved(norm, roundoff);
        Ok(self.norms(x, x, x)?.into_iter().map(unresolved).collect())
    }

    /// Whether the rounding of the whole state is.
    fn unresolved<X: State>(&self, x: &X) -> Result<bool> {
        Ok(
            self.may_be_unresolved(x)
                && Self::is_unresolved(self.norm(x, x, x)?, x.unit_roundoff()),
        )
    }

    /// The error of tolerances that the initial state does not resolve.
    pub(super) fn too_small(&self, roundoff: f64) -> Error {
        let accepted =
            format!("a pair above the rounding of x0, which is {roundoff:.0e} of it in this dtype");
        Error::range(
            "rtol, atol",
            format!("a pair of {:e} and {:e}", self.rtol, self.atol),
            accepted,
        )
    }

    /// Before the first step, of this size.
    pub(super) fn memory(&self, size: f64) -> AdaptiveMemory {
        AdaptiveMemory::new(size.min(self.max_step).max(self.min_step))
    }

    /// The smallest step from a time.
    pub(super) fn smallest(&self, t: f64) -> f64 {
        self.min_step.max(smallest_step(t))
    }

    /// The size of a first step from a position, and the slope there if it was evaluated.
    fn first<X: State, S: Embedded<X> + ?Sized>(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(f64, Option<X>)> {
        if let Some(size) = self.first_step {
            return Ok((size, None));
        }
        let interval = |h: &[f64]| Interval::Shared {
            start: at.t,
            end: at.after(h[0]),
        };
        let x = at.x.detach();
        let norms = |value: &X| Ok(vec![self.norm(value, &x, &x)?]);
        let span = (at.end - at.t, smallest_step(at.t));
        let exponent = exponent::<X, S>(stepper);
        let (sizes, slope) = initial_steps(exponent, field, at.x, span, 1, interval, norms)?;
        Ok((sizes[0], Some(slope)))
    }

    /// The errors that are allowed.
    pub(crate) fn allowed(&self) -> Tolerances {
        Tolerances {
            rtol: self.rtol,
            atol: self.atol,
            norm: self.norm,
        }
    }

    /// Whether the last step may go beyond the end.
    pub(crate) fn goes_beyond(&self) -> bool {
        self.oversteps
    }

    /// The largest number of steps.
    pub(crate) fn limit(&self) -> usize {
        self.max_steps
    }
}

impl<X: State, S: Embedded<X> + ?Sized> Controller<S, X> for Adaptive {
    type Memory = AdaptiveMemory;

    fn begin(
        &self,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<(AdaptiveMemory, Option<X>)> {
        if self.unresolved(at.x)? {
            return Err(self.too_small(at.x.unit_roundoff()));
        }
        let (size, slope) = self.first(stepper, field, at)?;
        check_first(&[size], at.t, at.end)?;
        Ok((self.memory(size), slope))
    }

    fn restart(
        &self,
        memory: &mut AdaptiveMemory,
        stepper: &S,
        field: &dyn Field<X>,
        at: Position<'_, X>,
    ) -> Result<Option<X>> {
        let (size, slope) = self.first(stepper, field, at)?;
        *memory = self.memory(size.max(smallest_step(at.t)));
        Ok(slope)
    }

    fn next(&self, memory: &AdaptiveMemory, at: Position<'_, X>) -> f64 {
        memory.next(at.t, at.end - at.t)
    }

    fn judge(
        &self,
        memory: &mut AdaptiveMemory,
        stepper: &S,
        attempt: Attempt<'_, X>,
    ) -> Result<Judgement> {
        let mut tried = Tried {
            from: attempt.from.t,
            size: attempt.h.abs(),
            ratio: f64::NAN,
            shortened: attempt.shortened,
            solved: attempt.solved,
            outlook: None,
        };
        if !attempt.solved {
            return Ok(self.respond(memory, exponent::<X, S>(stepper), tried));
        }
        let Some(error) = &attempt.step.error else {
            return Err(Error::range(
                "stepper",
                "one whose steps have no error estimate",
                "one with an error estimate in each step, as Embedded promises",
            ));
        };
        if attempt.finite {
            tried.ratio = self.norm(error, attempt.from.x, &attempt.step.x)?;
            if let Some(outlook) = &attempt.step.outlook {
                let ratio = self.norm(&outlook.error, attempt.from.x, &attempt.step.x)?;
                let told = (ratio, 1.0 / (outlook.error_order + 1.0));
                tried.outlook = Some(told).filter(|_| ratio.is_finite());
            }
        }
        match self.respond(memory, exponent::<X, S>(stepper), tried) {
            Judgement::Accept if self.unresolved(&attempt.step.x)? => {
                Ok(Judgement::Stop(Status::Unresolved))
            }
            judgement => Ok(judgement),
        }
    }

    fn step_limit(&self) -> usize {
        self.max_steps
    }

    fn tolerances(&self) -> Option<Tolerances> {
        Some(self.allowed())
    }

    fn oversteps(&self) -> bool {
        self.oversteps
    }
}

/// Refuses first steps that the clock does not resolve, unless one is the whole span.
pub(super) fn check_first(sizes: &[f64], start: f64, end: f64) -> Result<()> {
    let resolved = smallest_step(start).min((end - start).abs());
    let largest = sizes.iter().fold(0.0, |a, b| f64::max(a, *b));
    match largest < resolved {
        true => Err(too_fine(start, largest)),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
