//! Conditional flow matching (Lipman et al. 2023, eq. 9; Tong et al. 2024, eq. 10).

use advect_core::{Coefficient, Error, Field, Generator, Result, Time, check, shape};
use advect_paths::path::Path;
use candle_core::Tensor;

use super::{Objective, check_pairs, check_times};
use crate::time_sampler::{TimeSampler, Uniform};
use crate::weighting::{Unweighted, Weighting};

/// Regression of a field on the conditional velocity of a path:
/// `loss_i = w(t_i) |v(t_i, x_t) − u_t(x_t | x0, x1)|² / d`, with d the number of elements of a sample.
///
/// Its gradient with respect to the field's parameters equals, in expectation, that of regression on the
/// marginal velocity (Lipman et al. 2023, theorem 2).
///
/// ```
/// use advect_objectives::objective::FlowMatching;
/// use advect_objectives::time_sampler::LogitNormal;
/// use advect_paths::{path::Affine, schedule::CondOt};
/// # fn main() -> advect_core::Result<()> {
/// // Rectified flow with the times of Stable Diffusion 3, late times weighted down.
/// let objective = FlowMatching::new(Affine::new(CondOt::default()))
///     .times(LogitNormal::new(0.0, 1.0)?)
///     .weighting(|t: f64| 1.0 - 0.5 * t);
/// # let _ = objective;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FlowMatching<P, T = Uniform, W = Unweighted> {
    path: P,
    times: T,
    weighting: W,
}

impl<P: Path> FlowMatching<P> {
    /// On a path, with uniform times of equal weight.
    pub fn new(path: P) -> Self {
        FlowMatching {
            path,
            times: Uniform,
            weighting: Unweighted,
        }
    }
}

impl<P: Path, T: TimeSampler, W: Weighting> FlowMatching<P, T, W> {
    /// The same objective with another law of times.
    pub fn times<U: TimeSampler>(self, times: U) -> FlowMatching<P, U, W> {
        FlowMatching {
            path: self.path,
            times,
            weighting: self.weighting,
        }
    }

    /// The same objective with another weighting.
    pub fn weighting<V: Weighting>(self, weighting: V) -> FlowMatching<P, T, V> {
        FlowMatching {
            path: self.path,
            times: self.times,
            weighting,
        }
    }
}

impl<P: Path, T: TimeSampler, W: Weighting> Objective for FlowMatching<P, T, W> {
    fn losses(
        &self,
        field: &dyn Field,
        x0: &Tensor,
        x1: &Tensor,
        rng: &mut Generator,
    ) -> Result<Tensor> {
        let batch = check_pairs(x0, x1)?;
        let times = self.times.sample(batch, rng)?;
        check_times(&times, batch)?;
        let t = Time::per_sample(&times)?;
        let point = self.path.sample(&t, x0, x1, rng)?;
        let velocity = field.at(&t, &point.x)?;
        check::alike("field", &velocity, "x0", x0)?;
        let losses = shape::mean_per_sample(&(velocity - point.velocity)?.sqr()?)?;
        let weights: Vec<f64> = times.iter().map(|&t| self.weighting.weight(t)).collect();
        if let Some(i) = weights.iter().position(|w| !w.is_finite()) {
            let given = format!("the weight {} at t = {}", weights[i], times[i]);
            return Err(Error::range("weighting", given, "finite weights"));
        }
        Coefficient::PerSample(weights).times(&losses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::testing::assert_close;
    use advect_paths::path::Affine;
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

    #[test]
    fn losses_are_squared_errors_of_each_sample() {
        let objective = FlowMatching::new(Affine::new(CondOt::default()));
        for dtype in [DType::F64, DType::F32, DType::BF16] {
            let (x0, x1, mut rng) = pairs(dtype);
            let losses = objective.losses(&zero, &x0, &x1, &mut rng).unwrap();
            let expected = shape::mean_per_sample(&(x1 - x0).unwrap().sqr().unwrap()).unwrap();
            // Losses of 16-bit states are in f32.
            assert_eq!(
                losses.dtype(),
                if dtype == DType::BF16 {
                    DType::F32
                } else {
                    dtype
                }
            );
            assert_close(&losses, &expected, 2e-2, 1e-6);
        }
    }

    #[test]
    fn weights_multiply_the_losses() {
        let (x0, x1, rng) = pairs(DType::F64);
        let plain = FlowMatching::new(Affine::new(CondOt::default()));
        let doubled = plain.weighting(|_: f64| 2.0);
        let a = plain.losses(&zero, &x0, &x1, &mut rng.clone()).unwrap();
        let b = doubled.losses(&zero, &x0, &x1, &mut rng.clone()).unwrap();
        assert_close(&b, &(a * 2.0).unwrap(), 1e-14, 0.0);
        let infinite = plain.weighting(|_: f64| f64::INFINITY);
        let error = infinite
            .losses(&zero, &x0, &x1, &mut rng.clone())
            .unwrap_err();
        assert!(matches!(error, Error::Range { argument, .. } if argument == "weighting"));
    }

    #[test]
    fn bad_batches_are_typed_errors() {
        let (x0, x1, mut rng) = pairs(DType::F32);
        let objective = FlowMatching::new(Affine::new(VariancePreserving::default()));
        let mut fails =
            |x0: &Tensor, x1: &Tensor| objective.loss(&zero, x0, x1, &mut rng).unwrap_err();
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
        let narrow = |_: &Time, x: &Tensor| Ok(x.narrow(1, 0, 1)?);
        let error = objective.loss(&narrow, &x0, &x1, &mut rng).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "field"));
    }
}
