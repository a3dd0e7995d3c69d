//! A measurement by a matrix.

use advect_core::{Error, Result, check};
use candle_core::Tensor;

use super::{LinearOperator, Measurement};

/// The measurement by a matrix `(m, n)`, of samples of n elements of any shape: `(batch, ...)` to `(batch, m)`.
///
/// ```
/// use advect_samplers::inverse::{Dense, Measurement};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let sum_and_first = Dense::new(&Tensor::new(&[[1f64, 1.0], [1.0, 0.0]], &Device::Cpu)?)?;
/// let x = Tensor::new(&[[3f64, 4.0]], &Device::Cpu)?;
/// assert_eq!(sum_and_first.apply(&x)?.to_vec2::<f64>()?, [[7.0, 3.0]]);
/// assert_eq!(sum_and_first.pull(&x, &x)?.to_vec2::<f64>()?, [[7.0, 3.0]]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Dense {
    matrix: Tensor,
}

impl Dense {
    /// Creates the measurement by a matrix `(m, n)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless it is a matrix; typed errors for one that is empty, no float or not finite.
    pub fn new(matrix: &Tensor) -> Result<Self> {
        check::batch("matrix", matrix)?;
        check::float("matrix", matrix)?;
        check::finite("matrix", matrix)?;
        if matrix.rank() != 2 {
            return Err(Error::shape("matrix", matrix.dims(), "(m, n)"));
        }
        Ok(Dense {
            matrix: matrix.detach().contiguous()?,
        })
    }

    /// Samples as rows of so many elements.
    fn rows(&self, argument: &'static str, x: &Tensor, elements: usize) -> Result<Tensor> {
        let batch = check::batch(argument, x)?;
        check::same_kind("matrix", &self.matrix, argument, x)?;
        if x.elem_count() != batch * elements {
            let accepted = format!("(batch, {elements}), or another shape of {elements} elements");
            return Err(Error::shape(argument, x.dims(), accepted));
        }
        Ok(x.reshape((batch, elements))?.contiguous()?)
    }
}

impl Measurement for Dense {
    fn apply(&self, data: &Tensor) -> Result<Tensor> {
        let rows = self.rows("data", data, self.matrix.dims()[1])?;
        Ok(rows.matmul(&self.matrix.t()?.contiguous()?)?)
    }

    fn pull(&self, data: &Tensor, v: &Tensor) -> Result<Tensor> {
        let rows = self.rows("v", v, self.matrix.dims()[0])?;
        Ok(rows.matmul(&self.matrix)?.reshape(data.shape())?)
    }
}

impl LinearOperator for Dense {}
