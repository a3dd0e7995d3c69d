//! Iterative α-(de)blending with random pairs (Heitz, Belcour and Chambon 2023, section 3, algorithm 1).

use advect_core::{Error, Generator, Result, Time};
use advect_ops::combine;
use candle_core::Tensor;

use super::{Law, MarginalField};
use crate::schedule::CondOt;

/// Samples by the stochastic loop from which iterative α-(de)blending is derived. At each time the loop draws one of
/// the pairs (x0, x1) of which the state may be the blend `(1 − t) x0 + t x1`, and blends that pair again at the next time.
///
/// From noise at the first time to the last it draws samples of the law, exactly, in as few steps as one likes; with many
/// steps the ways that samples take come close to the deterministic flow, in whose place a network can then be trained.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::closed_form::{FiniteData, blend};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let mut rng = Generator::from_seed(0);
/// let data = FiniteData::new(&Tensor::new(&[[1.0f64], [5.0]], &Device::Cpu)?)?;
/// let noise = rng.normal((100, 1), DType::F64, &Device::Cpu)?;
/// let ends = blend(&data, &noise, &[0.0, 0.5, 1.0], &mut rng)?;
/// let ends = ends.flatten_all()?.to_vec1::<f64>()?;
/// assert!(ends.iter().all(|x| *x == 1.0 || *x == 5.0) && ends.contains(&1.0) && ends.contains(&5.0));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] unless the times rise within [0, 1] and all but the last lie below 1; as
/// [`MarginalField::sample_data`].
#[doc(alias = "iterative α-(de)blending")]
#[doc(alias = "IADB")]
pub fn blend(law: &impl Law, x: &Tensor, times: &[f64], rng: &mut Generator) -> Result<Tensor> {
    let rising = times.windows(2).all(|w| w[0] < w[1]);
    if !(rising && times.iter().all(|t| (0.0..=1.0).contains(t))) {
        let given = format!("{times:?}");
        return Err(Error::range(
            "times",
            given,
            "a list of times that rises within [0, 1]",
        ));
    }
    let schedule = CondOt::default();
    let posterior: MarginalField<CondOt> = law.denoiser(schedule);
    let mut x = x.clone();
    for pair in times.windows(2) {
        let (now, next) = (pair[0], pair[1]);
        let x1 = posterior.sample_data(&Time::Shared(now), &x, rng)?;
        // x0 = (x − t x1)/(1 − t), blended with x1 at the next time.
        let keep = (1.0 - next) / (1.0 - now);
        x = combine(&[(keep.into(), &x), ((next - keep * now).into(), &x1)])?;
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::closed_form::{Covariance, Gaussian};
    use candle_core::{DType, Device};

    #[test]
    fn states_on_the_way_have_the_law_of_the_path() {
        let mut rng = Generator::from_seed(0);
        let mean = Tensor::new(&[2f64], &Device::Cpu).unwrap();
        let law = Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap();
        let n = 20_000;
        let noise = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
        let x = blend(&law, &noise, &[0.0, 0.3, 0.5, 0.7], &mut rng).unwrap();
        // 0.7 x1 + 0.3 x0.
        let mean = x.mean_all().unwrap().to_scalar::<f64>().unwrap();
        let deviations = (x - mean).unwrap().sqr().unwrap();
        let variance = deviations.mean_all().unwrap().to_scalar::<f64>().unwrap();
        let expected: f64 = 0.49 * 0.25 + 0.09;
        let error = 4.0 / (n as f64).sqrt();
        assert!((mean - 1.4).abs() < error * expected.sqrt(), "{mean}");
        assert!(
            (variance / expected - 1.0).abs() < error * 2f64.sqrt(),
            "{variance}"
        );
    }

    #[test]
    fn times_that_do_not_rise_are_refused() {
        let mut rng = Generator::from_seed(0);
        let x = Tensor::zeros((1, 1), DType::F64, &Device::Cpu).unwrap();
        let mean = Tensor::new(&[2f64], &Device::Cpu).unwrap();
        let law = Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap();
        for times in [[0.5, 0.2], [0.0, 1.5], [f64::NAN, 1.0]] {
            assert!(blend(&law, &x, &times, &mut rng).is_err());
        }
    }
}
