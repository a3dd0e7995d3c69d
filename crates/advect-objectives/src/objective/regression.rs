//! Regression of a field on the targets of a path: the form of nearly all objectives.

use advect_core::{Coefficient, Error, Field, Generator, Result, Time, check};
use advect_paths::Prediction;
use advect_paths::path::Path;
use candle_core::Tensor;

use super::{Objective, check_pairs, check_times};
use crate::distance::{Distance, SquaredError};
use crate::time_sampler::{TimeSampler, Uniform};
use crate::weighting::{Unweighted, Weighting};

/// The regression `loss_i = w(t_i) · distance(f(t_i, x_t), target_i)`, for a path, a [`Prediction`], a law of times,
/// a weighting and a distance. Times are uniform, weights equal and the distance is the mean squared error by default.
///
/// With a squared distance, its gradient with respect to the field's parameters equals, in expectation, that of
/// regression on the target's mean given x_t: the marginal velocity, score, noise, data or v (Lipman et al. 2023,
/// theorem 2; Vincent 2011).
///
/// ```
/// use advect_objectives::distance::PseudoHuber;
/// use advect_objectives::objective::Regression;
/// use advect_objectives::time_sampler::LogitNormal;
/// use advect_objectives::weighting::MinSnr;
/// use advect_paths::{Prediction, path::Affine, schedule::Cosine};
/// # fn main() -> advect_core::Result<()> {
/// // A network of v on the cosine path, robustly, with times and weights of other papers.
/// let objective = Regression::new(Affine::new(Cosine), Prediction::V)
///     .times(LogitNormal::new(0.0, 1.0)?)
///     .weighting(MinSnr::new(Cosine, 5.0, Prediction::V)?)
///     .distance(PseudoHuber::new(0.03)?);
/// assert_eq!(objective.prediction(), Prediction::V);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Regression<P, T = Uniform, W = Unweighted, D = SquaredError> {
    path: P,
    prediction: Prediction,
    times: T,
    weighting: W,
    distance: D,
}

impl<P: Path> Regression<P> {
    /// Creates the regression of a field of some prediction on a path.
    pub fn new(path: P, prediction: Prediction) -> Self {
        Regression {
            path,
            prediction,
            times: Uniform,
            weighting: Unweighted,
            distance: SquaredError,
        }
    }
}

impl<P: Path, T: TimeSampler, W: Weighting, D: Distance> Regression<P, T, W, D> {
    /// Sets the law of times.
    pub fn times<U: TimeSampler>(self, times: U) -> Regression<P, U, W, D> {
        Regression {
            path: self.path,
            prediction: self.prediction,
            times,
            weighting: self.weighting,
            distance: self.distance,
        }
    }

    /// Sets the weighting.
    pub fn weighting<V: Weighting>(self, weighting: V) -> Regression<P, T, V, D> {
        Regression {
            path: self.path,
            prediction: self.prediction,
            times: self.times,
            weighting,
            distance: self.distance,
        }
    }

    /// Sets the distance.
    pub fn distance<E: Distance>(self, distance: E) -> Regression<P, T, W, E> {
        Regression {
            path: self.path,
            prediction: self.prediction,
            times: self.times,
            weighting: self.weighting,
            distance,
        }
    }

    /// Returns the losses at given times, one for each sample, in place of drawn times. Use it to log losses by noise
    /// level, or to adapt the law of times.
    ///
    /// ```
    /// use advect_core::{Generator, Time, field_fn};
    /// use advect_objectives::objective::rectified_flow;
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let (x0, x1) = (Tensor::new(&[[0f64], [0.0]], &Device::Cpu)?, Tensor::new(&[[2f64], [2.0]], &Device::Cpu)?);
    /// let itself = field_fn(|_, x| Ok(x.clone()));
    /// let losses = rectified_flow().losses_at(&itself, &x0, &x1, &[0.0, 0.5], &mut Generator::from_seed(0))?;
    /// assert_eq!(losses.to_vec1::<f64>()?, [4.0, 1.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Objective::losses`]; [`Error::Shape`] unless there is a time for each sample.
    pub fn losses_at(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        times: &[f64],
        rng: &mut Generator,
    ) -> Result<Tensor> {
        check_times(times, check_pairs(x0, x1)?)?;
        self.losses_of(field, x0, x1, times, rng)
    }

    /// The times that are drawn, and the losses there.
    pub(super) fn drawn(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<(Vec<f64>, Tensor)> {
        let batch = check_pairs(x0, x1)?;
        let times = self.times.sample(batch, rng)?;
        check_times(&times, batch)?;
        let losses = self.losses_of(field, x0, x1, &times, rng)?;
        Ok((times, losses))
    }

    /// The losses of pairs and times that were checked.
    fn losses_of(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        times: &[f64],
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let t = Time::per_sample(times)?;
        let point = self.path.sample(&t, x0, x1, rng)?;
        let target = point.target(self.prediction)?;
        let predicted = field.at(&t, &point.x)?;
        check::alike("field", &predicted, "x0", x0)?;
        let losses = self.distance.losses(&predicted, &target)?;
        weighted(&losses, times, &self.weighting)
    }

    /// Returns the prediction of the field.
    pub fn prediction(&self) -> Prediction {
        self.prediction
    }

    /// Returns the path.
    pub fn path(&self) -> &P {
        &self.path
    }
}

impl<P: Path, T: TimeSampler, W: Weighting, D: Distance> Objective for Regression<P, T, W, D> {
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        Ok(self.drawn(field, x0, x1, rng)?.1)
    }
}

/// Losses times the weights of their times.
pub(crate) fn weighted(
    losses: &Tensor,
    times: &[f64],
    weighting: &impl Weighting,
) -> Result<Tensor> {
    let weights: Vec<f64> = times.iter().map(|&t| weighting.weight(t)).collect();
    if let Some(i) = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0)) {
        let given = format!("{} at t = {}", weights[i], times[i]);
        return Err(Error::range(
            "weighting",
            given,
            "a finite weight of at least 0",
        ));
    }
    match weights.iter().all(|w| *w == 1.0) {
        true => Ok(losses.clone()),
        false => Coefficient::PerSample(weights).times(losses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weighting::weighting_fn;
    use advect_core::testing::assert_close;
    use advect_core::{field_fn, shape};
    use advect_paths::path::{Affine, ConstantSigma};
    use advect_paths::schedule::{CondOt, VariancePreserving};
    use candle_core::{DType, Device};

    fn pairs(dtype: DType) -> (Tensor, Tensor, Generator) {
        let mut rng = Generator::from_seed(3);
        let x0 = rng.normal((5, 3, 2), dtype, &Device::Cpu).unwrap();
        let x1 = rng.normal((5, 3, 2), dtype, &Device::Cpu).unwrap();
        (x0, x1, rng)
    }

    fn zero(_: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(x.zeros_like()?)
    }

    fn straight() -> Regression<Affine<CondOt>> {
        Regression::new(Affine::new(CondOt::default()), Prediction::Velocity)
    }

    #[test]
    fn losses_are_squared_errors_of_each_sample() {
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let (x0, x1, mut rng) = pairs(dtype);
            let losses = straight()
                .losses(&field_fn(zero), &x0, &x1, &mut rng)
                .unwrap();
            let expected = shape::mean_per_sample(&(x1 - x0).unwrap().sqr().unwrap()).unwrap();
            // Losses of 16-bit states are in f32.
            let wide = if dtype == DType::F64 {
                dtype
            } else {
                DType::F32
            };
            assert_eq!(losses.dtype(), wide);
            assert_close(&losses, &expected, 2e-2, 1e-6);
        }
    }

    #[test]
    fn weights_multiply_the_losses() {
        let (x0, x1, rng) = pairs(DType::F64);
        let losses = |objective: &dyn Objective| {
            objective.losses(&field_fn(zero), &x0, &x1, &mut rng.clone())
        };
        let plain = losses(&straight()).unwrap();
        let doubled = losses(&straight().weighting(weighting_fn(|_| 2.0))).unwrap();
        assert_close(&doubled, &(plain * 2.0).unwrap(), 1e-14, 0.0);
        for bad in [f64::INFINITY, f64::NAN, -1.0] {
            let error = losses(&straight().weighting(weighting_fn(move |_| bad))).unwrap_err();
            assert!(matches!(error, Error::Range { argument, .. } if argument == "weighting"));
        }
    }

    #[test]
    fn targets_that_a_path_has_not_are_typed_errors() {
        let (x0, x1, rng) = pairs(DType::F64);
        let losses = |objective: &dyn Objective| {
            objective.losses(&field_fn(zero), &x0, &x1, &mut rng.clone())
        };
        let no_noise = Regression::new(ConstantSigma::new(0.0).unwrap(), Prediction::Score);
        assert!(matches!(losses(&no_noise), Err(Error::Range { argument, .. }) if argument == "t"));
        let two_sided = Regression::new(ConstantSigma::new(0.1).unwrap(), Prediction::V);
        assert!(
            matches!(losses(&two_sided), Err(Error::Range { argument, .. }) if argument == "prediction")
        );
    }

    #[test]
    fn bad_batches_are_typed_errors() {
        let (x0, x1, mut rng) = pairs(DType::F32);
        let path = Affine::new(VariancePreserving::default());
        let objective = Regression::new(path, Prediction::Velocity);
        let mut fails = |x0: &Tensor, x1: &Tensor| {
            objective
                .loss(&field_fn(zero), x0, x1, &mut rng)
                .unwrap_err()
        };
        let nan = (&x1 * f64::NAN).unwrap();
        assert!(matches!(fails(&x0, &nan), Error::NonFinite { argument, .. } if argument == "x1"));
        assert!(matches!(fails(&nan, &x1), Error::NonFinite { argument, .. } if argument == "x0"));
        let short = x1.narrow(0, 0, 4).unwrap();
        assert!(matches!(fails(&x0, &short), Error::Shape { argument, .. } if argument == "x1"));
        let flat = x1.flatten_all().unwrap();
        assert!(matches!(fails(&x0, &flat), Error::Shape { argument, .. } if argument == "x1"));
        let double = x1.to_dtype(DType::F64).unwrap();
        assert!(matches!(fails(&x0, &double), Error::DType { argument, .. } if argument == "x1"));
        let empty = x0.narrow(0, 0, 0).unwrap();
        assert!(matches!(fails(&empty, &empty), Error::Empty { .. }));
        let narrow = field_fn(|_, x| Ok(x.narrow(1, 0, 1)?));
        let error = objective.loss(&narrow, &x0, &x1, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "field"));
    }
}
