//! The latent variables in use (Burda, Grosse and Salakhutdinov 2016, "Importance weighted autoencoders", section 5.1).

use advect_core::{Error, Result, check, shape};
use candle_core::{DType, Tensor};

/// Returns whether each latent variable is active: whether the variance of its posterior means over data, `(samples, latent)`, is above a threshold (0.01 in the
/// paper). Where few are, the posterior has collapsed to the prior.
///
/// ```
/// use advect_classics::vae::active_units;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let means = Tensor::new(&[[1f64, 0.7], [-1.0, 0.72]], &Device::Cpu)?;
/// assert_eq!(active_units(&means, 0.01)?, [true, false]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless the means are `(samples, latent)` with at least two samples, [`Error::NonFinite`] unless they are finite, [`Error::Range`] for a negative
/// threshold.
#[doc(alias = "posterior collapse")]
pub fn active_units(means: &Tensor, threshold: f64) -> Result<Vec<bool>> {
    check::batch("means", means)?;
    check::non_negative("threshold", threshold)?;
    if means.rank() != 2 || means.dims()[0] < 2 {
        let accepted = "(samples, latent) with at least two samples";
        return Err(Error::shape("means", means.dims(), accepted));
    }
    check::finite("means", means)?;
    let means = shape::cast(&means.detach(), DType::F64)?;
    let variances = means
        .broadcast_sub(&means.mean_keepdim(0)?)?
        .sqr()?
        .mean(0)?;
    let variances = variances.to_vec1::<f64>()?;
    Ok(variances.into_iter().map(|v| v > threshold).collect())
}
