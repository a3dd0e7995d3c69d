//! Maps of time, which translate the path's time t into a network's own time.
//!
//! Advect's time runs from noise at 0 to data at 1. Networks that were trained elsewhere count otherwise: DDPM's steps run from the data
//! to the noise, EDM's network takes a logarithm of the noise. A [`TimeMap`] does the translation, and [`TimeMapped`] puts it before a
//! network.
//!
//! | map | the network's time at t |
//! | --- | --- |
//! | [`LinearTime`] | `a + b t`: another direction, offset or scale |
//! | [`DiscreteTimes`] | the index of DDPM's step, or the value of a table there |
//! | [`LogSnrTime`] | `a + b ln(α²/σ²)`: EDM's `c_noise`, variational diffusion |
//! | [`TimeFunction`] | any function, with its derivative |

mod discrete_times;
mod linear_time;
mod log_snr_time;
mod time_function;
mod time_mapped;

use advect_core::{Coefficient, Result, Time, forward_to};
use candle_core::{DType, Device, Tensor};

use crate::prediction::{finite, unit};
use crate::reparametrized::{factors, times};

pub use discrete_times::DiscreteTimes;
pub use linear_time::LinearTime;
pub use log_snr_time::LogSnrTime;
pub use time_function::TimeFunction;
pub use time_mapped::TimeMapped;

/// A map from the path's time to a network's own time.
///
/// ```
/// use advect_core::{Field, Time, field_fn};
/// use advect_paths::time_map::{DiscreteTimes, TimeMap};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// // A network that knows DDPM's steps 0 (the least noise) to 999 (the most).
/// let network = field_fn(|step, x| Ok((x + step.values()?[0])?));
/// let field = DiscreteTimes::steps(1000)?.field(network);
/// let x = Tensor::new(&[0f64], &Device::Cpu)?;
/// for (t, step) in [(0.0, 999.0), (0.5, 499.0), (1.0, 0.0)] {
///     assert_eq!(field.at(&Time::Shared(t), &x)?.to_vec1::<f64>()?, [step]);
/// }
/// # Ok(())
/// # }
/// ```
pub trait TimeMap {
    /// Returns the network's time at time t in \[0, 1\]: NaN or infinite where there is none.
    fn at(&self, t: f64) -> f64;

    /// Returns the derivative of the network's time at time t.
    fn slope(&self, t: f64) -> f64;

    /// Returns the network's times, shared or per sample as t is. If times per sample are tracked by a graph, so are the network's.
    ///
    /// # Errors
    /// [`Error::Range`](advect_core::Error::Range) for a time outside \[0, 1\], or one at which the map is not finite.
    fn apply(&self, t: &Time) -> Result<Time> {
        let [told] = factors(t, |t| mapped(t, |t| self.at(t)))?;
        let told = times(&told)?;
        let (Time::PerSample(given), Time::PerSample(values)) = (t, &told) else {
            return Ok(told);
        };
        if !given.track_op() {
            return Ok(told);
        }
        // The value with a slope: what is added is 0, and its derivative is not.
        let given = given.to_dtype(DType::F64)?.to_device(&Device::Cpu)?;
        let slopes = match self.slopes(t)? {
            Coefficient::PerSample(slopes) => Tensor::from_vec(slopes, given.dims(), &Device::Cpu)?,
            Coefficient::Shared(slope) => Tensor::full(slope, given.dims(), &Device::Cpu)?,
        };
        let moved = ((&given - given.detach())? * slopes)?;
        Ok(Time::PerSample((values + moved)?))
    }

    /// Returns the derivatives at times, shared or per sample as t is.
    ///
    /// # Errors
    /// As [`TimeMap::apply`].
    fn slopes(&self, t: &Time) -> Result<Coefficient> {
        let [slopes] = factors(t, |t| mapped(t, |t| self.slope(t)))?;
        Ok(slopes)
    }

    /// Returns a field that passes this time to a network.
    fn field<F>(self, network: F) -> TimeMapped<F, Self>
    where
        Self: Sized,
    {
        TimeMapped::new(network, self)
    }
}

/// A function of a time in [0, 1], or an error that names the time.
fn mapped(t: f64, f: impl Fn(f64) -> f64) -> Result<[f64; 1]> {
    let t = unit(t)?;
    finite([f(t)], t, || {
        "a time at which the network's time, or its slope, is finite".to_string()
    })
}

forward_to!([] TimeMap {
    fn at(&self, t: f64) -> f64;
    fn slope(&self, t: f64) -> f64;
    fn apply(&self, t: &Time) -> Result<Time>;
    fn slopes(&self, t: &Time) -> Result<Coefficient>;
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{CondOt, Cosine, VariancePreserving};
    use advect_core::testing::derivative;

    fn maps() -> Vec<(&'static str, Box<dyn TimeMap>)> {
        vec![
            ("linear", Box::new(LinearTime::new(3.0, -0.5).unwrap())),
            (
                "reversed",
                Box::new(LinearTime::between(999.0, 0.0).unwrap()),
            ),
            ("steps", Box::new(DiscreteTimes::steps(10).unwrap())),
            (
                "table",
                Box::new(DiscreteTimes::new(&[0.0, 1.0, 5.0, 20.0]).unwrap()),
            ),
            ("log-SNR", Box::new(LogSnrTime::new(Cosine))),
            (
                "c_noise",
                Box::new(LogSnrTime::c_noise(VariancePreserving::default())),
            ),
            (
                "VDM",
                Box::new(
                    LogSnrTime::new(CondOt::default())
                        .scaled(0.5, -0.2)
                        .unwrap(),
                ),
            ),
            ("function", Box::new(TimeFunction::new(f64::exp, f64::exp))),
        ]
    }

    #[test]
    fn slopes_are_derivatives() {
        for (name, map) in maps() {
            for t in [0.07, 0.21, 0.48, 0.63, 0.88] {
                let numeric = derivative(|t| map.at(t), t, 1e-3);
                let slope = map.slope(t);
                assert!(
                    (slope - numeric).abs() < 1e-6 * (1.0 + numeric.abs()),
                    "{name} at {t}: {slope} {numeric}"
                );
            }
        }
    }

    #[test]
    fn times_per_sample_keep_their_graph() {
        for (name, map) in maps() {
            let t = candle_core::Var::new(&[0.21f64, 0.48, 0.88], &Device::Cpu).unwrap();
            let told = map.apply(&Time::PerSample(t.as_tensor().clone())).unwrap();
            let plain = map
                .apply(&Time::per_sample(&[0.21, 0.48, 0.88]).unwrap())
                .unwrap();
            assert_eq!(told.values().unwrap(), plain.values().unwrap(), "{name}");
            let Time::PerSample(told) = told else {
                panic!("one for all")
            };
            let gradients = told.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let found = gradients.get(&t).unwrap().to_vec1::<f64>().unwrap();
            for (found, t) in found.iter().zip([0.21, 0.48, 0.88]) {
                let expected = 2.0 * map.at(t) * map.slope(t);
                assert!(
                    (found - expected).abs() < 1e-9 * (1.0 + expected.abs()),
                    "{name} at {t}"
                );
            }
        }
    }

    #[test]
    fn times_that_can_not_be_told_are_refused() {
        let log_snr = LogSnrTime::new(Cosine);
        for t in [0.0, 1.0, -0.1, 1.1, f64::NAN] {
            let error = log_snr.apply(&Time::Shared(t)).unwrap_err().to_string();
            assert!(error.starts_with("t: "), "{error}");
        }
        let steps = DiscreteTimes::steps(1000).unwrap();
        assert!(
            steps
                .apply(&Time::per_sample(&[0.5, 1.5]).unwrap())
                .is_err()
        );
        // Stages of solvers may miss the ends by a rounding.
        assert_eq!(
            steps
                .apply(&Time::Shared(-1e-13))
                .unwrap()
                .values()
                .unwrap(),
            [999.0]
        );
    }
}
