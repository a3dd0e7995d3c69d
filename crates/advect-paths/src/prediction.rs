//! The predictions of fields on an affine path, and their conversion into each other.

use advect_core::{Coefficient, Error, Field, Jvp, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

use crate::Rescheduled;
use crate::reparametrized::{Factors, Reparametrized, factors};
use crate::schedule::Schedule;

/// How far outside [0, 1] a time may lie by rounding.
const SLACK: f64 = 1e-12;

/// The quantity that a field on an affine path predicts: `x_t = α x1 + σ x0` with x0 ~ N(0, I), independent of x1.
/// (On pairs of a coupling, all but the score keep their meaning.)
///
/// Given x_t, each of these determines all others, because each is a known mixture `a x1 + b x0`
/// (in expectation given x_t):
///
/// | prediction | a | b | |
/// | --- | --- | --- | --- |
/// | velocity | `α'` | `σ'` | Lipman et al. 2023 |
/// | score | 0 | `−1/σ` | `∇ log p_t`, by Tweedie's formula |
/// | noise | 0 | 1 | Ho et al. 2020 |
/// | data | 1 | 0 | the denoiser |
/// | v | `−σ` | `α` | Salimans and Ho 2022, section 4 |
#[doc(alias = "parametrization")]
#[doc(alias = "prediction_type")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prediction {
    /// The velocity `u = E[α' x1 + σ' x0 | x_t]`.
    Velocity,
    /// The score `∇ log p_t(x_t) = −E[x0 | x_t] / σ`.
    Score,
    /// The noise `E[x0 | x_t]`.
    #[doc(alias = "epsilon")]
    Noise,
    /// The data `E[x1 | x_t]`.
    #[doc(alias = "denoiser")]
    #[doc(alias = "x0-prediction")]
    Data,
    /// The "v" of diffusion models, `E[α x0 − σ x1 | x_t]`; with `α = sin(πt/2)`, `σ = cos(πt/2)` it is `−2/π` times the velocity.
    #[doc(alias = "v-prediction")]
    V,
}

impl Prediction {
    /// Converts a value of this prediction at `(t, x)` into another prediction there.
    ///
    /// With `x = α x1 + σ x0` and `value = a x1 + b x0`, the wanted `c x1 + d x0` is
    /// `[(c b − a d) x + (α d − σ c) value] / (α b − σ a)`.
    ///
    /// ```
    /// use advect_core::Time;
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // On the straight path from x0 = 2 to x1 = 10, at t = 1/4: x = 4, velocity 8.
    /// let (x, u) = (Tensor::new(&[4.0f64], &Device::Cpu)?, Tensor::new(&[8.0f64], &Device::Cpu)?);
    /// let t = Time::Shared(0.25);
    /// let to = |p| Prediction::Velocity.convert(p, &CondOt::default(), &t, &x, &u);
    /// assert_eq!(to(Prediction::Data)?.to_vec1::<f64>()?, [10.0]);
    /// assert_eq!(to(Prediction::Noise)?.to_vec1::<f64>()?, [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for a time outside [0, 1], or one where the wanted value does not follow from this
    /// one: where σ = 0, the score from anything, and velocity and noise from the data; where α = 0, data and
    /// velocity from noise or score (v only there from σ = 1 on); where σ' is infinite, velocities from and to all but the score. Solvers
    /// of such fields should stop a little short of that end. Typed errors for tensors that do not fit.
    pub fn convert<S: Schedule + ?Sized>(
        self,
        to: Prediction,
        schedule: &S,
        t: &Time,
        x: &Tensor,
        value: &Tensor,
    ) -> Result<Tensor> {
        check::float("x", x)?;
        check::alike("value", value, "x", x)?;
        t.fits(check::batch("x", x)?)?;
        if self == to {
            return Ok(value.clone());
        }
        let [of_x, of_value] = factors(t, |t| self.factors(to, schedule, t))?;
        if of_x == Coefficient::Shared(0.0) {
            return of_value.times(value);
        }
        combine(&[(of_x, x), (of_value, value)])
    }

    /// Returns the factors a and b of the value `a x + b value` that [`Prediction::convert`] computes. Steps of
    /// samplers, which are linear in both, are made of them.
    ///
    /// ```
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// # fn main() -> advect_core::Result<()> {
    /// // E[x1 | x] = x + (1 − t) u.
    /// let factors = Prediction::Velocity.factors(Prediction::Data, &CondOt::default(), 0.75)?;
    /// assert_eq!(factors, [1.0, 0.25]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] as [`Prediction::convert`].
    pub fn factors<S: Schedule + ?Sized>(
        self,
        to: Prediction,
        schedule: &S,
        t: f64,
    ) -> Result<[f64; 2]> {
        let t = unit(t)?;
        let weights = match self == to {
            true => [0.0, 1.0],
            false => self.weights(to, schedule, t),
        };
        finite(weights, t, || {
            format!("a time at which {to:?} follows from {self:?} on this schedule")
        })
    }

    /// Returns the factor by which an error grows when this prediction is converted into another one. Its square is
    /// the weight that turns a loss of one into a loss of the other. It is infinite, or NaN, at times where the other
    /// does not follow from this one.
    ///
    /// ```
    /// use advect_paths::{Prediction, schedule::{Cosine, Schedule}};
    /// // The noise is −σ times the score.
    /// let scale = Prediction::Score.error_scale(Prediction::Noise, &Cosine, 0.25);
    /// assert!((scale + Cosine.sigma(0.25)).abs() < 1e-15);
    /// ```
    pub fn error_scale<S: Schedule + ?Sized>(self, to: Prediction, schedule: &S, t: f64) -> f64 {
        if self == to {
            return 1.0;
        }
        self.weights(to, schedule, t)[1]
    }

    /// The factors of x and of the value.
    fn weights<S: Schedule + ?Sized>(self, to: Prediction, schedule: &S, t: f64) -> [f64; 2] {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        if (self, to) == (Prediction::Score, Prediction::Velocity) {
            // With x0 = −σ score, the one product with σ' is σ σ', which may be finite where σ' is not.
            let rate = schedule.d_alpha(t) / alpha;
            return [rate, sigma * sigma * rate - schedule.sigma_d_sigma(t)];
        }
        let from = self.mixture(schedule, t);
        solve((alpha, sigma), from, to.mixture(schedule, t))
    }

    /// Returns the mixture of data and noise that the prediction is.
    pub(crate) fn mixture<S: Schedule + ?Sized>(self, schedule: &S, t: f64) -> Mixture {
        let (data, noise) = match self {
            Prediction::Velocity => (schedule.d_alpha(t), schedule.d_sigma(t)),
            Prediction::Score | Prediction::Noise => (0.0, 1.0),
            Prediction::Data => (1.0, 0.0),
            Prediction::V => (-schedule.sigma(t), schedule.alpha(t)),
        };
        // The score is the noise divided by −σ: kept apart, so that the noise follows from the score even where σ = 0.
        let divisor = match self {
            Prediction::Score => -schedule.sigma(t),
            _ => 1.0,
        };
        Mixture {
            data,
            noise,
            divisor,
        }
    }

    /// Converts a field of this prediction into a field of another one.
    ///
    /// ```
    /// use advect_core::{Field, Time, field_fn};
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // The denoiser of data that is all 1: the velocity leads there in a straight line.
    /// let denoiser = field_fn(|_, x| Ok(x.ones_like()?));
    /// let schedule = CondOt::default();
    /// let velocity = Prediction::Data.field(&denoiser, Prediction::Velocity, &schedule);
    /// let x = Tensor::new(&[0.0f64], &Device::Cpu)?;
    /// assert_eq!(velocity.at(&Time::Shared(0.5), &x)?.to_vec1::<f64>()?, [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn field<F: Field, S: Schedule>(
        self,
        field: F,
        to: Prediction,
        schedule: S,
    ) -> Converted<F, S> {
        Converted {
            field,
            from: self,
            to,
            schedule,
        }
    }

    /// Converts a field of this prediction from the schedule of its training to another schedule. See
    /// [`Rescheduled`].
    pub fn reschedule<F: Field, S: Schedule, R: Schedule>(
        self,
        field: F,
        trained: S,
        wanted: R,
    ) -> Rescheduled<F, S, R> {
        Rescheduled::new(field, self, trained, wanted)
    }
}

/// `(data · x1 + noise · x0) / divisor`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mixture {
    data: f64,
    noise: f64,
    divisor: f64,
}

/// The factors of x and of a value of one mixture that give another one, where `x = α x1 + σ x0`.
pub(crate) fn solve((alpha, sigma): (f64, f64), from: Mixture, to: Mixture) -> [f64; 2] {
    let (a, b, c, d) = (from.data, from.noise, to.data, to.noise);
    let scale = from.divisor / to.divisor;
    if (a, b) == (c, d) {
        return [0.0, scale];
    }
    let determinant = alpha * b - sigma * a;
    [
        (c * b - a * d) / (determinant * to.divisor),
        scale * (alpha * d - sigma * c) / determinant,
    ]
}

/// A time of a path: stages of solvers may miss the ends by a rounding.
pub(crate) fn unit(t: f64) -> Result<f64> {
    match (-SLACK..=1.0 + SLACK).contains(&t) {
        true => Ok(t.clamp(0.0, 1.0)),
        false => Err(Error::range("t", t, "a time in [0, 1]")),
    }
}

/// Factors that are finite, or an error that names the time.
pub(crate) fn finite<const N: usize>(
    factors: [f64; N],
    t: f64,
    accepted: impl Fn() -> String,
) -> Result<[f64; N]> {
    match factors.iter().all(|f| f.is_finite()) {
        true => Ok(factors),
        false => Err(Error::range("t", t, accepted())),
    }
}

/// A field of one [`Prediction`] converted into another; [`Prediction::field`] makes it.
///
/// Where the field has derivatives along directions of the state, so has this; not along time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Converted<F, S> {
    field: F,
    from: Prediction,
    to: Prediction,
    schedule: S,
}

impl<F: Field, S: Schedule> Reparametrized for Converted<F, S> {
    type Field = F;

    fn inner(&self) -> &F {
        &self.field
    }

    fn factors(&self, t: &Time) -> Result<Factors> {
        let [of_x, of_value] = factors(t, |t| self.from.factors(self.to, &self.schedule, t))?;
        Ok(Factors {
            time: t.clone(),
            input: Coefficient::Shared(1.0),
            of_x,
            of_value,
        })
    }
}

impl<F: Field, S: Schedule> Field for Converted<F, S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.value(t, x)
    }

    fn condition(&self) -> Option<&Tensor> {
        self.field.condition()
    }
}

impl<F: Jvp, S: Schedule> Jvp for Converted<F, S> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.tangent(t, x, dt, dx)
    }

    fn jvp_each(&self, t: &Time, x: &Tensor, dx: &[Tensor]) -> Result<(Tensor, Vec<Tensor>)> {
        self.tangents(t, x, dx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{CondOt, Cosine, VariancePreserving};
    use advect_core::Generator;
    use advect_core::testing::assert_close;
    use candle_core::{DType, Device};

    const ALL: [Prediction; 5] = [
        Prediction::Velocity,
        Prediction::Score,
        Prediction::Noise,
        Prediction::Data,
        Prediction::V,
    ];

    /// Each prediction, straight from its definition.
    fn truth(p: Prediction, s: &dyn Schedule, t: f64, x0: &Tensor, x1: &Tensor) -> Tensor {
        let mix = |a: f64, b: f64| ((x1 * a).unwrap() + (x0 * b).unwrap()).unwrap();
        match p {
            Prediction::Velocity => mix(s.d_alpha(t), s.d_sigma(t)),
            Prediction::Score => mix(0.0, -1.0 / s.sigma(t)),
            Prediction::Noise => mix(0.0, 1.0),
            Prediction::Data => mix(1.0, 0.0),
            Prediction::V => mix(-s.sigma(t), s.alpha(t)),
        }
    }

    #[test]
    fn every_conversion_gives_the_definition() {
        let mut rng = Generator::from_seed(0);
        let x0 = rng.normal((3, 2), DType::F64, &Device::Cpu).unwrap();
        let x1 = rng.normal((3, 2), DType::F64, &Device::Cpu).unwrap();
        let schedules: [&dyn Schedule; 4] = [
            &CondOt::default(),
            &CondOt::new(0.1).unwrap(),
            &Cosine,
            &VariancePreserving::default(),
        ];
        for s in schedules {
            for t in [0.05, 0.5, 0.95] {
                let x = ((&x1 * s.alpha(t)).unwrap() + (&x0 * s.sigma(t)).unwrap()).unwrap();
                for from in ALL {
                    for to in ALL {
                        let value = truth(from, s, t, &x0, &x1);
                        let got = from.convert(to, s, &Time::Shared(t), &x, &value).unwrap();
                        assert_close(&got, &truth(to, s, t, &x0, &x1), 1e-9, 1e-9);
                    }
                }
            }
        }
    }

    #[test]
    fn ends_give_a_limit_or_an_error() {
        let x = Tensor::new(&[[1.0f64, -2.0]], &Device::Cpu).unwrap();
        let mut defined = Vec::new();
        for t in [0.0, 1.0] {
            for from in ALL {
                for to in ALL {
                    match from.convert(to, &CondOt::default(), &Time::Shared(t), &x, &x) {
                        Ok(y) => {
                            assert!(check::is_finite(&y).unwrap(), "{t} {from:?} {to:?}");
                            defined.push((t, from, to));
                        }
                        Err(Error::Range { argument, .. }) => assert_eq!(argument, "t"),
                        Err(other) => panic!("{other}"),
                    }
                }
            }
        }
        // The velocity tells data and noise at both ends.
        for t in [0.0, 1.0] {
            for to in [Prediction::Data, Prediction::Noise] {
                assert!(defined.contains(&(t, Prediction::Velocity, to)));
            }
        }
        // The variance-preserving velocity follows from the score even at t = 1, where σ' is infinite: there
        // u = α' (x + score).
        let vp = VariancePreserving::default();
        let at_end =
            Prediction::Score.convert(Prediction::Velocity, &vp, &Time::Shared(1.0), &x, &x);
        assert_close(&at_end.unwrap(), &(&x * 0.1).unwrap(), 1e-12, 0.0);
        for t in [-0.01, 1.01, f64::NAN] {
            let error = Prediction::Noise.convert(Prediction::Score, &vp, &Time::Shared(t), &x, &x);
            assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "t"));
        }
        // At t = 1 there is no score; at t = 0 the noise is x itself and tells no data.
        assert!(!defined.contains(&(1.0, Prediction::Velocity, Prediction::Score)));
        assert!(!defined.contains(&(0.0, Prediction::Noise, Prediction::Data)));
    }
}
