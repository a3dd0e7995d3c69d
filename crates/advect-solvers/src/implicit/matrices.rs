//! Matrices, one for each sample.

use advect_core::{Error, Result, check};
use candle_core::{DType, Tensor};

/// A square matrix for each sample: the Jacobian `∂f_i/∂x_j` in row i and column j, where the elements of a sample are
/// counted in their order in memory.
///
/// ```
/// use advect_solvers::implicit::Matrices;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let one = Matrices::one([[1.0, 2.0], [3.0, 4.0]]);
/// let tensor = Tensor::new(&[[[1f32, 2.0], [3.0, 4.0]]], &Device::Cpu)?;
/// assert_eq!(Matrices::from_tensor(&tensor)?, one);
/// assert_eq!((one.samples(), one.size(), one.at(0)[1]), (1, 2, 2.0));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Matrices {
    samples: usize,
    size: usize,
    values: Vec<f64>,
}

impl Matrices {
    /// Creates matrices of `size` rows for `samples` samples, from their numbers row by row.
    ///
    /// # Errors
    /// [`Error::Range`] unless there are `samples · size²` numbers.
    pub fn new(samples: usize, size: usize, values: Vec<f64>) -> Result<Self> {
        let count = samples * size * size;
        if values.len() != count {
            let given = format!("a list of length {}", values.len());
            let accepted = format!("{count} numbers, for {samples} matrices of {size} rows");
            return Err(Error::range("values", given, accepted));
        }
        Ok(Matrices {
            samples,
            size,
            values,
        })
    }

    /// Creates the matrix of a single sample.
    pub fn one<const N: usize>(matrix: [[f64; N]; N]) -> Self {
        Matrices {
            samples: 1,
            size: N,
            values: matrix.as_flattened().to_vec(),
        }
    }

    /// Creates matrices from a tensor `(batch, n, n)` of floats.
    ///
    /// # Errors
    /// A typed error for a tensor of another shape, or that is no float.
    pub fn from_tensor(matrices: &Tensor) -> Result<Self> {
        check::float("matrices", matrices)?;
        match matrices.dims() {
            &[samples, rows, size] if rows == size => {
                let values = matrices.detach().flatten_all()?.to_dtype(DType::F64)?;
                Matrices::new(samples, size, values.to_vec1()?)
            }
            given => Err(Error::shape("matrices", given, "(batch, n, n)")),
        }
    }

    /// Returns the number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Returns the number of rows of each matrix.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the matrix of a sample, row by row.
    ///
    /// # Panics
    /// For a sample that is not there.
    pub fn at(&self, sample: usize) -> &[f64] {
        let count = self.size * self.size;
        &self.values[sample * count..(sample + 1) * count]
    }

    /// Checks that there is a matrix for each sample, of the size of its elements.
    pub(super) fn fits(self, samples: usize, size: usize) -> Result<Self> {
        if (self.samples, self.size) != (samples, size) {
            let given = [self.samples, self.size, self.size];
            let accepted =
                format!("({samples}, {size}, {size}), for {samples} samples of {size} elements");
            return Err(Error::shape("jacobian", &given, accepted));
        }
        Ok(self)
    }

    /// The matrices of some of the samples.
    pub(super) fn gather(&self, positions: &[u32]) -> Self {
        let chosen = positions.iter().flat_map(|&i| self.at(i as usize));
        Matrices {
            samples: positions.len(),
            size: self.size,
            values: chosen.copied().collect(),
        }
    }
}
