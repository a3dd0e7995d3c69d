//! Trajectories: the states of a batch at times.

use advect_core::{Error, Result, check};
use candle_core::{DType, Device, Tensor};

/// Checks that there are at least two states, one for each time, of one shape and finite, at times that rise.
pub(crate) fn check(times: &[f64], states: &[Tensor]) -> Result<()> {
    if times.len() < 2 || times.len() != states.len() {
        let given = format!(
            "a list of length {} with a list of states of length {}",
            times.len(),
            states.len()
        );
        let accepted = "a list of one time per state, at least two in all";
        return Err(Error::range("times", given, accepted));
    }
    check::float("states", &states[0])?;
    check::batch("states", &states[0])?;
    check::finite("states", &states[0])?;
    for (t, x) in times.windows(2).zip(&states[1..]) {
        let h = t[1] - t[0];
        if !(h > 0.0 && h.is_finite()) {
            let given = format!("{t:?}");
            return Err(Error::range("times", given, "a strictly increasing list"));
        }
        check::alike("states", x, "the first one", &states[0])?;
        check::finite("states", x)?;
    }
    Ok(())
}

/// The elements of a tensor on the host, in f64.
pub(crate) fn elements(x: &Tensor) -> Result<Vec<f64>> {
    let x = x.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(x.flatten_all()?.to_vec1()?)
}

/// The ways `y − x` from one batch to another, in f64, sample by sample.
pub(crate) fn ways(x: &Tensor, y: &Tensor) -> Result<Vec<f64>> {
    let (x, y) = (elements(x)?, elements(y)?);
    Ok(x.into_iter().zip(y).map(|(x, y)| y - x).collect())
}
