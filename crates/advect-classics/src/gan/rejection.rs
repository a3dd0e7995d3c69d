//! Rejection by a discriminator (Azadi et al. 2019, "Discriminator rejection sampling").

use advect_core::{Error, Generator, Result, check, shape};
use candle_core::{DType, Tensor};
use rand_distr::StandardUniform;

use super::check_outputs;

/// Returns the places of generated samples that are kept, each with the probability `p/(M q)`, by the outputs `ln p/q` of a discriminator, `(batch,)`, and `ln M`, an upper bound
/// of them. The kept samples have the law p, if the outputs are right; about one of M is kept.
///
/// Outputs above the bound are errors; take the largest of many samples, and a little more.
///
/// ```
/// use advect_classics::gan::discriminator_rejection;
/// use advect_core::Generator;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let outputs = Tensor::new(&[0f64, -1000.0, 0.0], &Device::Cpu)?;
/// assert_eq!(discriminator_rejection(&outputs, 0.0, &mut Generator::from_seed(0))?, [0, 2]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Shape`] unless the outputs are `(batch,)`, [`Error::NonFinite`] unless they are finite, [`Error::Range`] for one above the bound.
#[doc(alias = "DRS")]
pub fn discriminator_rejection(
    log_ratios: &Tensor,
    log_bound: f64,
    rng: &mut Generator,
) -> Result<Vec<u32>> {
    check_outputs("log_ratios", log_ratios)?;
    check::finite("log_ratios", log_ratios)?;
    check::finite_number("log_bound", log_bound)?;
    let ratios = shape::cast(&log_ratios.detach(), DType::F64)?.to_vec1::<f64>()?;
    if let Some(above) = ratios.iter().find(|r| **r > log_bound) {
        let accepted = format!("at most the bound {log_bound}");
        return Err(Error::range("log_ratios", above, accepted));
    }
    let uniform: Vec<f64> = rng.values(&StandardUniform, ratios.len())?;
    let kept = (0u32..).zip(ratios.iter().zip(uniform));
    Ok(kept
        .filter_map(|(i, (r, u))| (u < (r - log_bound).exp()).then_some(i))
        .collect())
}
