//! A change of schedule after training.

use advect_core::{Field, Jvp, Result, Time};
use candle_core::Tensor;

use crate::Prediction;
use crate::prediction::{finite, solve, unit};
use crate::reparametrized::{Factors, Reparametrized, factors, times};
use crate::schedule::Schedule;

/// A field trained on one [`Schedule`], converted into the field of the same [`Prediction`] on another one.
///
/// Under any schedule, x_t is a multiple of the x_s that has the same signal-to-noise ratio under another: with
/// `s` such that `λ_trained(s) = λ_wanted(t)` and `c = α_trained(s)/α_wanted(t) = σ_trained(s)/σ_wanted(t)`, the state
/// `c x` at time s says the same about x1 and x0 as `x` at time t. The change is exact (Karras et al. 2022, appendix B.2;
/// Lipman et al. 2024, section 4.8.2), where the trained schedule reaches the ratio. Beyond its ends, which do not quite
/// reach 0 or ∞ for some schedules, the nearest ratio that it knows is used.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_paths::{Prediction, schedule::{CondOt, Cosine, Schedule}};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // The velocity of N(0, 1) data on straight lines, E[x1 − x0 | x], seen on the trigonometric path, where it is 0.
/// let velocity = field_fn(|t, x| t.coefficient(|t| (2.0 * t - 1.0) / (t * t + (1.0 - t) * (1.0 - t)))?.times(x));
/// let (trained, wanted) = (CondOt::default(), Cosine);
/// let moved = Prediction::Velocity.reschedule(&velocity, &trained, &wanted);
/// let x = Tensor::new(&[1f64, -3.0], &Device::Cpu)?;
/// for v in moved.at(&Time::Shared(0.3), &x)?.to_vec1::<f64>()? {
///     assert!(v.abs() < 1e-14);
/// }
/// # Ok(())
/// # }
/// ```
///
/// Where the field has derivatives along directions of the state, so has this; not along time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rescheduled<F, S, R> {
    field: F,
    prediction: Prediction,
    trained: S,
    wanted: R,
}

impl<F: Field, S: Schedule, R: Schedule> Rescheduled<F, S, R> {
    pub(crate) fn new(field: F, prediction: Prediction, trained: S, wanted: R) -> Self {
        Rescheduled {
            field,
            prediction,
            trained,
            wanted,
        }
    }

    /// Returns the trained time, the factor of the state, and the factors of x and of the value.
    fn at_time(&self, t: f64) -> Result<[f64; 4]> {
        let t = unit(t)?;
        let s = self.trained.time_at_log_snr(self.wanted.log_snr(t));
        let trained = (self.trained.alpha(s), self.trained.sigma(s));
        let wanted = (self.wanted.alpha(t), self.wanted.sigma(t));
        // The larger part of the two is never near 0.
        let scale = match wanted.0 > wanted.1 {
            true => trained.0 / wanted.0,
            false => trained.1 / wanted.1,
        };
        let from = self.prediction.mixture(&self.trained, s);
        let to = self.prediction.mixture(&self.wanted, t);
        let [of_input, of_value] = solve(trained, from, to);
        finite([s, scale, of_input * scale, of_value], t, || {
            let prediction = self.prediction;
            format!("a time at which {prediction:?} follows from the trained field's")
        })
    }
}

impl<F: Field, S: Schedule, R: Schedule> Reparametrized for Rescheduled<F, S, R> {
    type Field = F;

    fn inner(&self) -> &F {
        &self.field
    }

    fn factors(&self, t: &Time) -> Result<Factors> {
        let [time, input, of_x, of_value] = factors(t, |t| self.at_time(t))?;
        Ok(Factors {
            time: times(&time)?,
            input,
            of_x,
            of_value,
        })
    }
}

impl<F: Field, S: Schedule, R: Schedule> Field for Rescheduled<F, S, R> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.value(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.field.condition()
    }
}

impl<F: Jvp, S: Schedule, R: Schedule> Jvp for Rescheduled<F, S, R> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.tangent(t, x, dt, dx)
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.tangents(t, x, dx)
    }
}
