//! Agreement of velocities with measured directions (Tong et al. 2020, "TrajectoryNet", section 3.3).

use advect_core::{Error, Result, check, shape};
use candle_core::Tensor;

/// Returns `1 − v · u/(|v| |u|)` for each sample, `(batch,)`: how far velocities v point away from measured directions u, such as those of RNA
/// velocity, whose lengths don't count. It is the velocity term of TrajectoryNet.
///
/// ```
/// use advect_trajectories::objective::direction_losses;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let v = Tensor::new(&[[2f64, 0.0], [0.0, 3.0]], &Device::Cpu)?;
/// let u = Tensor::new(&[[1f64, 0.0], [0.0, -1.0]], &Device::Cpu)?;
/// assert_eq!(direction_losses(&v, &u)?.to_vec1::<f64>()?, [0.0, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Range`] for a sample without a direction, one of 0 in all coordinates; typed errors for other shapes, dtypes and devices.
#[doc(alias = "cosine similarity")]
#[doc(alias = "RNA velocity")]
pub fn direction_losses(velocity: &Tensor, direction: &Tensor) -> Result<Tensor> {
    check::batch("velocity", velocity)?;
    check::alike("direction", direction, "velocity", velocity)?;
    let mut lengths = Vec::with_capacity(2);
    for (name, vectors) in [("velocity", velocity), ("direction", direction)] {
        let length = shape::sum_squares_per_sample(vectors)?.sqrt()?;
        let least = length.detach().min(0)?;
        let least = least
            .to_dtype(candle_core::DType::F64)?
            .to_scalar::<f64>()?;
        if least.is_nan() || least <= 0.0 {
            let given = "a vector of length 0 or NaN";
            return Err(Error::range(name, given, "vectors with a direction"));
        }
        lengths.push(length);
    }
    let product = (shape::wide(velocity)? * shape::wide(direction)?)?;
    let product = shape::sum_per_sample(&product)?;
    let cosine = product.div(&lengths[0])?.div(&lengths[1])?;
    Ok(cosine.affine(-1.0, 1.0)?)
}
