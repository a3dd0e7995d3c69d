//! The forward process of a diffusion model: the linear SDE whose marginals are those of an affine path (Song et al. 2021a, eq. 5, 11, 25
//! and 27, and appendix B; Kingma et al., Variational diffusion models, 2021, appendix B).

use advect_core::{Coefficient, Error, Field, Jvp, Result, Time};
use advect_ops::combine;
use candle_core::Tensor;

use crate::GaussianTransition;
use crate::prediction::unit;
use crate::schedule::Schedule;

/// The forward process of a schedule, which turns data into noise: `dx = (α'/α) x dt + g dW̄` with `g² = 2 (σ² α'/α − σ σ')`, run from the
/// data at t = 1 to the noise at t = 0.
///
/// It is a [`Field`], the drift `(α'/α) x`, with a number g(t): an SDE that any method for additive noise integrates, backwards in time as a
/// solver does from a later time to an earlier one. In diffusion time s = 1 − t it is `dx = −(α'/α) x ds + g dW`. Started with data, its law
/// at time t is that of `α x1 + σ x0`; started at t = 1 − δ or on a schedule that leaves noise at t = 1, with a state of the path there.
///
/// | schedule | α'/α | g² |
/// | --- | --- | --- |
/// | [`VariancePreserving`](crate::schedule::VariancePreserving) | `½ β` | `β` |
/// | [`SubVariancePreserving`](crate::schedule::SubVariancePreserving) | `½ β` | `β (1 − exp(−2B))` |
/// | [`VarianceExploding`](crate::schedule::VarianceExploding) | 0 | `−(σ²)'` |
/// | [`CondOt`](crate::schedule::CondOt) | `1/t` | `2 (1 − t)/t` |
///
/// Where α = 0 there is no such SDE: all that the data was is lost. Simulations end before, or use [`ForwardProcess::transition`].
///
/// ```
/// use advect_core::{Field, Time};
/// use advect_paths::ForwardProcess;
/// use advect_paths::schedule::VariancePreserving;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let process = ForwardProcess::new(VariancePreserving::default()); // β from 0.1 at the data to 20
/// let x = Tensor::new(&[[2.0f64]], &Device::Cpu)?;
/// assert_eq!(process.at(&Time::Shared(1.0), &x)?.to_vec2::<f64>()?, [[0.1]]);
/// assert!((process.diffusion(0.0)? - 20f64.sqrt()).abs() < 1e-12);
/// // From the data to t = 0 at once: hardly a trace is left.
/// let law = process.transition(1.0, 0.0)?;
/// assert!(law.factor < 0.007 && law.deviation > 0.9999);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "score SDE")]
#[doc(alias = "VPSDE")]
#[doc(alias = "diffusion process")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ForwardProcess<S> {
    schedule: S,
}

impl<S: Schedule> ForwardProcess<S> {
    /// Creates the process of a schedule.
    pub fn new(schedule: S) -> Self {
        ForwardProcess { schedule }
    }

    /// Returns the schedule.
    pub fn schedule(&self) -> &S {
        &self.schedule
    }

    /// Returns the factor `α'/α` of x in the drift.
    ///
    /// # Errors
    /// [`Error::Range`] for times outside of \[0, 1\], and where it is infinite.
    pub fn rate(&self, t: f64) -> Result<f64> {
        let t = unit(t)?;
        // 0 where the factor of the data does not change.
        let rate = match self.schedule.d_alpha(t) {
            0.0 if self.schedule.alpha(t) > 0.0 => 0.0,
            slope => slope / self.schedule.alpha(t),
        };
        self.finite(rate, t)
    }

    /// Returns the diffusion coefficient g(t), which is not negative: the number of an additive noise.
    ///
    /// # Errors
    /// [`Error::Range`] for times outside of \[0, 1\], where it is infinite, and where the schedule's signal-to-noise ratio falls.
    pub fn diffusion(&self, t: f64) -> Result<f64> {
        let t = unit(t)?;
        let squared = self.schedule.diffusion_squared(t);
        // A rounding below 0 where the noise rests.
        let rounding = 1e-12 * self.schedule.sigma_d_sigma(t).abs();
        match squared < -rounding {
            true => {
                let given = format!("{t} (where g² = {squared})");
                let accepted = "a time at which the signal-to-noise ratio does not fall";
                Err(Error::range("t", given, accepted))
            }
            false => self.finite(squared.max(0.0).sqrt(), t),
        }
    }

    fn finite(&self, value: f64, t: f64) -> Result<f64> {
        match value.is_finite() {
            true => Ok(value),
            false => {
                let given = format!("{t} (where α = {:e})", self.schedule.alpha(t));
                let accepted = "a time at which the process is finite; it is not where α = 0";
                Err(Error::range("t", given, accepted))
            }
        }
    }

    /// Returns the law of the state at time `to` given that at time `from`, which is later: the factor `α_to/α_from` and the variance
    /// `σ_to² − (α_to/α_from)² σ_from²` (Kingma et al. 2021, eq. 15–17).
    ///
    /// # Errors
    /// [`Error::Range`] unless `0 ≤ to ≤ from ≤ 1`, where α is 0 at `from`, and where the signal-to-noise ratio falls.
    #[doc(alias = "perturbation kernel")]
    pub fn transition(&self, from: f64, to: f64) -> Result<GaussianTransition> {
        let (from, to) = (unit(from)?, unit(to)?);
        if to > from {
            let accepted = format!("a time of at most from = {from}, as the process runs to t = 0");
            return Err(Error::range("to", to, accepted));
        }
        let s = &self.schedule;
        if s.alpha(from) == 0.0 {
            let accepted = "a time at which α is not 0";
            return Err(Error::range("from", from, accepted));
        }
        let factor = s.alpha(to) / s.alpha(from);
        // 1 − SNR_to/SNR_from, of which nothing cancels.
        let part = match from == to {
            true => 0.0,
            false => -(s.log_snr(to) - s.log_snr(from)).exp_m1(),
        };
        if part < -1e-12 || part.is_nan() {
            let given = format!("{to} (where the part of new noise is {part})");
            let accepted = "a time with a lower signal-to-noise ratio than at from";
            return Err(Error::range("to", given, accepted));
        }
        Ok(GaussianTransition {
            factor,
            deviation: s.sigma(to) * part.max(0.0).sqrt(),
        })
    }
}

impl<S: Schedule> ForwardProcess<S> {
    fn rates(&self, t: &Time) -> Result<Coefficient> {
        let times = t.values()?;
        let rates: Result<Vec<f64>> = times.iter().map(|t| self.rate(*t)).collect();
        let rates = rates?;
        Ok(match (t, rates.first()) {
            (Time::Shared(_), Some(rate)) => Coefficient::Shared(*rate),
            _ => Coefficient::PerSample(rates),
        })
    }
}

impl<S: Schedule> Field for ForwardProcess<S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        combine(&[(self.rates(t)?, x)])
    }
}

impl<S: Schedule> Jvp for ForwardProcess<S> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        if dt != 0.0 {
            let accepted = "0, because derivatives of this field are along its state";
            return Err(Error::range("dt", dt, accepted));
        }
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{
        CondOt, Cosine, DiscreteDiffusion, EdmSchedule, SubVariancePreserving, VarianceExploding,
        VarianceExplodingSde, VariancePreserving,
    };

    fn schedules() -> Vec<Box<dyn Schedule>> {
        vec![
            Box::new(VariancePreserving::default()),
            Box::new(SubVariancePreserving::default()),
            Box::new(VarianceExploding::default()),
            Box::new(VarianceExplodingSde::default()),
            Box::new(CondOt::default()),
            Box::new(Cosine),
            Box::new(EdmSchedule::default()),
            Box::new(DiscreteDiffusion::default()),
        ]
    }

    /// Two transitions are one, and the first moments of short ones are drift and diffusion.
    #[test]
    fn transitions_make_a_process() {
        for s in schedules() {
            let process = ForwardProcess::new(&s);
            let at = |from, to| process.transition(from, to).unwrap();
            let (first, second, whole) = (at(0.9, 0.55), at(0.55, 0.2), at(0.9, 0.2));
            assert!((whole.factor / (first.factor * second.factor) - 1.0).abs() < 1e-12);
            let variance = (second.factor * first.deviation).powi(2) + second.deviation.powi(2);
            assert!((whole.deviation.powi(2) / variance - 1.0).abs() < 1e-12);
            // Within one of the thousand steps of DDPM.
            let (t, h) = (0.5505, 1e-7);
            let short = at(t, t - h);
            let rate = (1.0 - short.factor) / h;
            assert!((process.rate(t).unwrap() - rate).abs() < 1e-4 * (1.0 + rate.abs()));
            let squared = short.deviation.powi(2) / h;
            assert!((process.diffusion(t).unwrap().powi(2) / squared - 1.0).abs() < 1e-5);
            let still = at(t, t);
            assert_eq!((still.factor, still.deviation), (1.0, 0.0));
        }
    }

    /// `dx = −½ β x ds + √(β (1 − exp(−2 ∫β))) dw` (Song et al. 2021a, eq. 29), with the integral by its formula.
    #[test]
    fn sub_vp_has_the_diffusion_of_the_paper() {
        let process = ForwardProcess::new(SubVariancePreserving::default());
        for s in [0.01f64, 0.3, 1.0] {
            let beta = 0.1 + 19.9 * s;
            let integral = 0.1 * s + 0.5 * 19.9 * s * s;
            let squared = beta * (1.0 - (-2.0 * integral).exp());
            let t = 1.0 - s;
            assert!((process.diffusion(t).unwrap().powi(2) / squared - 1.0).abs() < 1e-12);
            assert!((process.rate(t).unwrap() - 0.5 * beta).abs() < 1e-12);
        }
    }

    #[test]
    fn what_does_not_exist_is_an_error_that_names_the_time() {
        let message = |error: Error| {
            assert!(matches!(error, Error::Range { .. }), "{error}");
            error.to_string()
        };
        let process = ForwardProcess::new(CondOt::default());
        assert!(message(process.rate(0.0).unwrap_err()).starts_with("t: got 0 "));
        assert!(message(process.diffusion(0.0).unwrap_err()).starts_with("t: got 0 "));
        assert!(message(process.rate(1.5).unwrap_err()).starts_with("t: got 1.5"));
        assert!(message(process.transition(0.3, 0.4).unwrap_err()).starts_with("to: got 0.4"));
        assert!(message(process.transition(0.0, 0.0).unwrap_err()).starts_with("from: got 0"));
        // Down to pure noise at once.
        let all = process.transition(0.5, 0.0).unwrap();
        assert_eq!((all.factor, all.deviation), (0.0, 1.0));
        /// Noise that falls towards t = 0.
        struct Backwards;
        impl Schedule for Backwards {
            fn alpha(&self, _: f64) -> f64 {
                1.0
            }
            fn sigma(&self, t: f64) -> f64 {
                t
            }
            fn d_alpha(&self, _: f64) -> f64 {
                0.0
            }
            fn d_sigma(&self, _: f64) -> f64 {
                1.0
            }
        }
        let process = ForwardProcess::new(Backwards);
        assert!(message(process.diffusion(0.5).unwrap_err()).starts_with("t: got 0.5 "));
        assert!(message(process.transition(0.5, 0.4).unwrap_err()).starts_with("to: got 0.4 "));
    }
}
