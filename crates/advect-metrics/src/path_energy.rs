//! The kinetic energy of trajectories (Tong et al. 2024, section 5.1).

use advect_core::{Result, check, shape};
use candle_core::{DType, Tensor};

use crate::scaled::unit;
use crate::{finite, trajectories};

/// Returns the path energy `E ∫ |dx/dt|² dt` of trajectories through `states` at `times`, taken as straight between
/// them: `Σ_k mean_i |x_{k+1} − x_k|² / (t_{k+1} − t_k)`. For Euler steps this is the integral of |v|².
///
/// ```
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let states = [0.0f64, 1.0, 3.0].map(|x| Tensor::new(&[[x]], &Device::Cpu).unwrap());
/// // Speeds 2 and 4, half a unit of time each.
/// assert_eq!(advect_metrics::path_energy(&[0.0, 0.5, 1.0], &states)?, 10.0);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Range`](advect_core::Error::Range) unless the times are strictly increasing and as many as the states, at least two;
/// [`Shape`](advect_core::Error::Shape) for states of different shapes; `Range` where the energy overflows; `Empty`, `DType` and
/// `NonFinite` errors.
#[doc(alias = "kinetic energy")]
pub fn path_energy(times: &[f64], states: &[Tensor]) -> Result<f64> {
    trajectories::check(times, states)?;
    let mut energy = 0.0;
    for (t, x) in times.windows(2).zip(states.windows(2)) {
        let h = t[1] - t[0];
        let way = (x[1].to_dtype(DType::F64)? - x[0].to_dtype(DType::F64)?)?;
        // In a unit in which the squares neither over- nor underflow.
        let unit = unit(way.abs()?.max_all()?.to_scalar::<f64>()?);
        let squares = shape::sum_per_sample(&(way / unit)?.sqr()?)?;
        energy += squares.mean_all()?.to_scalar::<f64>()? / h * unit * unit;
    }
    finite("states", energy)
}

/// Returns the relative error `|energy − W₂²| / W₂²`: 0 for optimal transport, whose path energy is W₂² (Benamou and
/// Brenier 2000).
///
/// ```
/// assert_eq!(advect_metrics::normalized_path_energy_error(6.0, 2.0)?, 0.5);
/// # Ok::<(), advect_core::Error>(())
/// ```
///
/// # Errors
/// [`Range`](advect_core::Error::Range) unless `energy` is not below 0 and `wasserstein2` above 0, both finite, and where the error overflows.
#[doc(alias = "NPE")]
#[doc(alias = "normalized path energy")]
pub fn normalized_path_energy_error(energy: f64, wasserstein2: f64) -> Result<f64> {
    check::non_negative("energy", energy)?;
    check::positive("wasserstein2", wasserstein2)?;
    let best = wasserstein2.powi(2);
    let error = match best.is_normal() {
        true => (energy - best).abs() / best,
        // The square is beyond the numbers, but the quotient need not be.
        false => (energy / wasserstein2 / wasserstein2 - 1.0).abs(),
    };
    finite("energy", error)
}
