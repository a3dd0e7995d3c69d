//! What a field on an affine path predicts, and how each prediction follows from any other.

use advect_core::{Coefficient, Error, Field, Result, Time, check};
use advect_ops::combine;
use candle_core::Tensor;

use crate::schedule::Schedule;

/// How far outside [0, 1] a time may lie by rounding.
const SLACK: f64 = 1e-12;

/// The meaning of a field on an affine path `x_t = α x1 + σ x0` with x0 ~ N(0, I).
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Prediction {
    /// The velocity `u = E[α' x1 + σ' x0 | x_t]`.
    Velocity,
    /// The score `∇ log p_t(x_t) = −E[x0 | x_t] / σ`.
    Score,
    /// The noise `E[x0 | x_t]`.
    Noise,
    /// The data `E[x1 | x_t]`.
    Data,
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
    /// velocity from noise or score; where σ' is infinite, velocities from and to all but the score. Solvers
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
        let times = t.values()?;
        let mut factors = Vec::with_capacity(times.len());
        for &t in &times {
            // Stages of solvers may miss the ends by a rounding.
            if !(-SLACK..=1.0 + SLACK).contains(&t) {
                return Err(Error::range("t", t, "a time in [0, 1]"));
            }
            let (of_x, of_value) = self.weights(to, schedule, t.clamp(0.0, 1.0));
            if !(of_x.is_finite() && of_value.is_finite()) {
                let accepted =
                    format!("a time at which {to:?} follows from {self:?} on this schedule");
                return Err(Error::range("t", t, accepted));
            }
            factors.push((of_x, of_value));
        }
        let coefficient = |pick: fn(&(f64, f64)) -> f64| match t {
            Time::Shared(_) => Coefficient::Shared(pick(&factors[0])),
            Time::PerSample(_) => Coefficient::PerSample(factors.iter().map(pick).collect()),
        };
        let (of_x, of_value) = (coefficient(|f| f.0), coefficient(|f| f.1));
        if of_x == Coefficient::Shared(0.0) {
            return of_value.times(value);
        }
        combine(&[(of_x, x), (of_value, value)])
    }

    /// The factors of x and of the value.
    fn weights<S: Schedule + ?Sized>(self, to: Prediction, schedule: &S, t: f64) -> (f64, f64) {
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        if (self, to) == (Prediction::Score, Prediction::Velocity) {
            // With x0 = −σ score, the one product with σ' is σ σ', which may be finite where σ' is not.
            let rate = schedule.d_alpha(t) / alpha;
            return (rate, sigma * sigma * rate - schedule.sigma_d_sigma(t));
        }
        let mixture = |p: Prediction| match p {
            Prediction::Velocity => (schedule.d_alpha(t), schedule.d_sigma(t)),
            Prediction::Score | Prediction::Noise => (0.0, 1.0),
            Prediction::Data => (1.0, 0.0),
        };
        // The score is the noise divided by −σ. As a value, that is undone without dividing, so that the
        // noise follows from the score even where σ = 0.
        let ((a, b), (c, d)) = (mixture(self), mixture(to));
        let scale_in = if self == Prediction::Score {
            -sigma
        } else {
            1.0
        };
        let scale_out = if to == Prediction::Score {
            -1.0 / sigma
        } else {
            1.0
        };
        if (a, b) == (c, d) {
            return (0.0, scale_in * scale_out);
        }
        let determinant = alpha * b - sigma * a;
        (
            scale_out * (c * b - a * d) / determinant,
            scale_out * scale_in * (alpha * d - sigma * c) / determinant,
        )
    }

    /// A field of this prediction, seen as another one.
    ///
    /// ```
    /// use advect_core::{Field, Time};
    /// use advect_paths::{Prediction, schedule::CondOt};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// // The denoiser of data that is all 1: the velocity leads there in a straight line.
    /// let denoiser = |_: &Time, x: &Tensor| Ok(x.ones_like()?);
    /// let schedule = CondOt::default();
    /// let velocity = Prediction::Data.field(&denoiser, Prediction::Velocity, &schedule);
    /// let x = Tensor::new(&[0.0f64], &Device::Cpu)?;
    /// assert_eq!(velocity.at(&Time::Shared(0.5), &x)?.to_vec1::<f64>()?, [2.0]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn field<'a, F: Field + ?Sized, S: Schedule + ?Sized>(
        self,
        field: &'a F,
        to: Prediction,
        schedule: &'a S,
    ) -> Converted<'a, F, S> {
        Converted {
            field,
            from: self,
            to,
            schedule,
        }
    }
}

/// A field of one [`Prediction`] seen as another; made by [`Prediction::field`].
#[derive(Debug, Clone, Copy)]
pub struct Converted<'a, F: ?Sized, S: ?Sized> {
    field: &'a F,
    from: Prediction,
    to: Prediction,
    schedule: &'a S,
}

impl<F: Field + ?Sized, S: Schedule + ?Sized> Field for Converted<'_, F, S> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let value = self.field.at(t, x)?;
        self.from.convert(self.to, self.schedule, t, x, &value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{CondOt, Cosine, VariancePreserving};
    use advect_core::Generator;
    use advect_core::testing::assert_close;
    use candle_core::{DType, Device};

    const ALL: [Prediction; 4] = [
        Prediction::Velocity,
        Prediction::Score,
        Prediction::Noise,
        Prediction::Data,
    ];

    /// What each prediction is, straight from its definition.
    fn truth(p: Prediction, s: &dyn Schedule, t: f64, x0: &Tensor, x1: &Tensor) -> Tensor {
        let mix = |a: f64, b: f64| ((x1 * a).unwrap() + (x0 * b).unwrap()).unwrap();
        match p {
            Prediction::Velocity => mix(s.d_alpha(t), s.d_sigma(t)),
            Prediction::Score => mix(0.0, -1.0 / s.sigma(t)),
            Prediction::Noise => mix(0.0, 1.0),
            Prediction::Data => mix(1.0, 0.0),
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
