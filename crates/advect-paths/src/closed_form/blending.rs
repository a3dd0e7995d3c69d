//! Iterative α-(de)blending with random pairs (Heitz, Belcour and Chambon 2023, section 3, algorithm 1).

use advect_core::{Error, Generator, Result, Time};
use advect_ops::combine;
use candle_core::Tensor;

use super::{Law, MarginalField};
use crate::schedule::CondOt;

/// The stochastic loop that iterative α-(de)blending is derived from: at each time the state is taken apart into one of
/// the pairs (x0, x1) that it may be a blend `(1 − t) x0 + t x1` of, which are blended again at the next time.
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
pub fn blend(law: &impl Law, x: &Tensor, times: &[f64], rng: &mut Generator) -> Result<Tensor> {
    let rising = times.windows(2).all(|w| w[0] < w[1]);
    if !(rising && times.iter().all(|t| (0.0..=1.0).contains(t))) {
        let given = format!("{times:?}");
        return Err(Error::range(
            "times",
            given,
            "times that rise within [0, 1]",
        ));
    }
    let schedule = CondOt::default();
    let posterior: MarginalField<'_, CondOt> = law.denoiser(&schedule);
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
