//! Masses of the coordinates (Neal 2011, section 5.4.1).

use advect_core::{Error, Result, check, shape};
use candle_core::{D, DType, Device, Tensor};

/// The mass matrix M of Hamiltonian Monte Carlo, given by its inverse Σ: the nearer Σ is to the covariance of the density, the more alike are its directions.
///
/// With `Σ = L Lᵀ` the particle moves by `dx/dt = L r`, `dr/dt = Lᵀ ∇ log p(x)` for momenta r of N(0, I): L is all that is needed of M.
///
/// ```
/// use advect_samplers::hamiltonian::MassMatrix;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let covariance = Tensor::new(&[[4f64, 2.0], [2.0, 2.0]], &Device::Cpu)?;
/// assert!(MassMatrix::dense(&covariance).is_ok());
/// let singular = Tensor::new(&[[1f64, 1.0], [1.0, 1.0]], &Device::Cpu)?;
/// assert!(MassMatrix::dense(&singular).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "metric")]
#[doc(alias = "preconditioner")]
#[derive(Debug, Clone, Default)]
pub struct MassMatrix(Factor);

/// The factor L.
#[derive(Debug, Clone, Default)]
enum Factor {
    #[default]
    Unit,
    /// `(d,)`.
    Diagonal(Tensor),
    /// `(d, d)`, and its transpose.
    Dense(Tensor, Tensor),
}

impl MassMatrix {
    /// Creates the unit matrix, for samples of any size.
    pub fn unit() -> Self {
        MassMatrix(Factor::Unit)
    }

    /// Creates a diagonal matrix, `M = diag(1/v)`, from a variance for each element of a sample, of any shape.
    ///
    /// # Errors
    /// [`Error::Range`] unless all are finite and above 0; [`Error::Empty`] without any.
    pub fn diagonal(variances: &Tensor) -> Result<Self> {
        let variances = variances.detach().flatten_all()?;
        check::batch("variances", &variances)?;
        let variances = shape::cast(&variances, DType::F64)?.to_device(&Device::Cpu)?;
        for variance in variances.to_vec1::<f64>()? {
            check::positive("variances", variance)?;
        }
        Ok(MassMatrix(Factor::Diagonal(variances.sqrt()?)))
    }

    /// Creates a full matrix, `M = Σ⁻¹`, from a covariance `(d, d)` of the elements of a sample in row-major order.
    ///
    /// # Errors
    /// [`Error::Shape`] unless it is square, [`Error::Range`] unless it is positive definite.
    pub fn dense(covariance: &Tensor) -> Result<Self> {
        let size = covariance.dims().first().copied().unwrap_or(0);
        if size == 0 || covariance.dims() != [size, size] {
            return Err(Error::shape("covariance", covariance.dims(), "(d, d)"));
        }
        let rows = shape::cast(&covariance.detach(), DType::F64)?.to_vec2::<f64>()?;
        let factor = cholesky(&rows)?;
        let factor = Tensor::from_vec(factor, (size, size), &Device::Cpu)?;
        let transposed = factor.t()?.contiguous()?;
        Ok(MassMatrix(Factor::Dense(factor, transposed)))
    }

    /// The matrix like rows `(batch, d)`, in their dtype and on their device.
    pub(super) fn like(&self, rows: &Tensor) -> Result<Self> {
        let like = |x: &Tensor| x.to_dtype(rows.dtype())?.to_device(rows.device());
        let size = rows.dim(D::Minus1)?;
        let factor = match &self.0 {
            Factor::Unit => Factor::Unit,
            Factor::Diagonal(scale) => Factor::Diagonal(like(scale)?),
            Factor::Dense(factor, transposed) => Factor::Dense(like(factor)?, like(transposed)?),
        };
        match &factor {
            Factor::Diagonal(x) | Factor::Dense(x, _) if x.dims()[0] != size => {
                let accepted = format!("one for samples of {size} elements");
                Err(Error::shape("mass matrix", x.dims(), accepted))
            }
            _ => Ok(MassMatrix(factor)),
        }
    }

    /// `L r` of each row.
    pub(super) fn velocity(&self, momentum: &Tensor) -> Result<Tensor> {
        Ok(match &self.0 {
            Factor::Unit => momentum.clone(),
            Factor::Diagonal(scale) => momentum.broadcast_mul(scale)?,
            Factor::Dense(_, transposed) => momentum.matmul(transposed)?,
        })
    }

    /// `Lᵀ s` of each row.
    pub(super) fn force(&self, score: &Tensor) -> Result<Tensor> {
        Ok(match &self.0 {
            Factor::Unit => score.clone(),
            Factor::Diagonal(scale) => score.broadcast_mul(scale)?,
            Factor::Dense(factor, _) => score.matmul(factor)?,
        })
    }
}

/// The lower triangle L with `L Lᵀ = a`, row by row.
fn cholesky(a: &[Vec<f64>]) -> Result<Vec<f64>> {
    let n = a.len();
    let mut l = vec![0.0; n * n];
    for (i, row) in a.iter().enumerate() {
        for (j, entry) in row.iter().enumerate().take(i + 1) {
            let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = entry - sum;
            if i != j {
                l[i * n + j] = rest / l[j * n + j];
            } else if rest > 1e-14 * entry && rest.is_finite() {
                l[i * n + i] = rest.sqrt();
            } else {
                let accepted = "a positive definite matrix";
                return Err(Error::range(
                    "covariance",
                    "a matrix that is not positive definite",
                    accepted,
                ));
            }
        }
    }
    Ok(l)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn factors_multiply_to_the_matrix() {
        let rows = [
            vec![4.0, 2.0, 0.4],
            vec![2.0, 3.0, -0.5],
            vec![0.4, -0.5, 1.0],
        ];
        let l = cholesky(&rows).unwrap();
        for (i, row) in rows.iter().enumerate() {
            for (j, entry) in row.iter().enumerate() {
                let product: f64 = (0..3).map(|k| l[3 * i + k] * l[3 * j + k]).sum();
                assert!((product - entry).abs() < 1e-14);
            }
        }
    }
}
