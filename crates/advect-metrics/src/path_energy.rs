//! The kinetic energy of trajectories (Tong et al. 2024, section 5.1).

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

/// `E ∫ |dx/dt|² dt` of trajectories through `states` at `times`, taken as straight between them:
/// `Σ_k mean_i |x_{k+1} − x_k|² / (t_{k+1} − t_k)`. For Euler steps this is the integral of |v|².
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
/// [`Error::Range`] unless the times are strictly increasing and as many as the states, at least two;
/// [`Error::Shape`] for states of different shapes; `Empty` and `NonFinite` errors.
pub fn path_energy(times: &[f64], states: &[Tensor]) -> Result<f64> {
    if times.len() < 2 || times.len() != states.len() {
        let given = format!("{} times for {} states", times.len(), states.len());
        return Err(Error::range("times", given, "one per state, at least two"));
    }
    let mut energy = 0.0;
    for (t, x) in times.windows(2).zip(states.windows(2)) {
        let h = t[1] - t[0];
        if !(h > 0.0 && h.is_finite()) {
            return Err(Error::range(
                "times",
                format!("{t:?}"),
                "strictly increasing times",
            ));
        }
        check::alike("states", &x[1], "the first one", &x[0])?;
        let way = (x[1].to_dtype(DType::F64)? - x[0].to_dtype(DType::F64)?)?;
        check::finite("states", &way)?;
        let squares = shape::sum_per_sample(&way.sqr()?)?;
        energy += squares.mean_all()?.to_scalar::<f64>()? / h;
    }
    Ok(energy)
}

/// `|energy − W₂²| / W₂²`: 0 for optimal transport, whose path energy is W₂² (Benamou and Brenier 2000).
///
/// ```
/// assert_eq!(advect_metrics::normalized_path_energy_error(6.0, 2.0)?, 0.5);
/// # Ok::<(), advect_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Range`] unless `energy` is not below 0 and `wasserstein2` above 0, both finite.
pub fn normalized_path_energy_error(energy: f64, wasserstein2: f64) -> Result<f64> {
    check::non_negative("energy", energy)?;
    let best = check::positive("wasserstein2", wasserstein2)?.powi(2);
    Ok((energy - best).abs() / best)
}
