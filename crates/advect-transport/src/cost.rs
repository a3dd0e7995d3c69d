//! Pairwise costs between two point clouds.

use advect_core::{Error, Result, check};
use advect_ops::squared_distances;
use candle_core::{DType, Tensor};

use crate::{Points, points};

/// The dimensions up to which differences are faster than a product of matrices.
const DIRECT: usize = 16;

/// A matrix of costs: what it costs to carry point `i` of one cloud to point `j` of another.
///
/// ```
/// use advect_transport::Cost;
/// # fn main() -> advect_core::Result<()> {
/// let cost = Cost::new(2, 2, vec![1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(cost.row(1), [3.0, 4.0]);
/// assert_eq!(cost.total(&[1, 0]), 5.0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cost {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
}

impl Cost {
    /// A matrix from its values, row by row.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows or columns, [`Error::Shape`] if the number of values is not
    /// `rows · columns`, [`Error::NonFinite`] for NaN or an infinity, [`Error::Range`] for magnitudes
    /// above 1e290, whose sums could overflow.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self> {
        if rows == 0 || columns == 0 {
            return Err(Error::Empty {
                argument: "cost".into(),
            });
        }
        if rows.checked_mul(columns) != Some(values.len()) {
            let accepted = format!("{rows} × {columns} values");
            return Err(Error::shape("cost", &[values.len()], accepted));
        }
        if let Some(index) = values.iter().position(|c| !c.is_finite()) {
            return Err(Error::NonFinite {
                argument: "cost".into(),
                index,
                value: values[index],
            });
        }
        if let Some(huge) = values.iter().find(|c| c.abs() > 1e290) {
            return Err(Error::range("cost", huge, "a magnitude up to 1e290"));
        }
        Ok(Cost {
            values,
            rows,
            columns,
        })
    }

    /// `c_ij = |x_i − y_j|²` for batches `(n, ...)` and `(m, ...)` of samples of one shape, in f64: by
    /// differences up to 16 dimensions, beyond by a product of matrices in the points' dtype, whose error is about 1e-6
    /// of the clouds' extent squared for f32, 1e-15 for f64.
    ///
    /// # Errors
    /// As [`Points::pair`].
    pub fn squared_euclidean(x: &Tensor, y: &Tensor) -> Result<Self> {
        let (x, y) = points::shaped_pair(("x", x), ("y", y))?;
        if x.dim(1)? > DIRECT {
            let (rows, columns) = (x.dim(0)?, y.dim(0)?);
            let values = match x.dtype() == y.dtype() {
                true => squared_distances(&x, &y)?,
                false => squared_distances(&x.to_dtype(DType::F64)?, &y.to_dtype(DType::F64)?)?,
            };
            // The distances tell whether the points are finite: a reading of them all is saved.
            if !values.iter().all(|c| c.is_finite()) {
                check::finite("x", &x)?;
                check::finite("y", &y)?;
            }
            return Cost::new(rows, columns, values);
        }
        check::finite("x", &x)?;
        check::finite("y", &y)?;
        let (x, y) = (Points::from_rows(&x)?, Points::from_rows(&y)?);
        let mut values = vec![0.0; x.count() * y.count()];
        for (i, row) in values.chunks_exact_mut(y.count()).enumerate() {
            x.squared_distances(&y, i, row);
        }
        Cost::new(x.count(), y.count(), values)
    }

    /// `c_ij = 1` where the labels of i and j differ, 0 where they are the same; labels `(n,)` and `(m,)` of u8, u32 or
    /// i64.
    ///
    /// # Errors
    /// [`Error::DType`] for other dtypes, [`Error::Shape`] unless of rank 1, [`Error::Empty`] without labels.
    pub fn label_mismatch(x: &Tensor, y: &Tensor) -> Result<Self> {
        let values = |argument: &'static str, labels: &Tensor| -> Result<Vec<i64>> {
            if !matches!(labels.dtype(), DType::U8 | DType::U32 | DType::I64) {
                return Err(Error::dtype(argument, labels.dtype(), "u8, u32 or i64"));
            }
            match labels.rank() {
                1 => Ok(labels.to_dtype(DType::I64)?.to_vec1()?),
                _ => Err(Error::shape(argument, labels.dims(), "(batch,)")),
            }
        };
        let (x, y) = (values("x", x)?, values("y", y)?);
        let differ = |a: &i64| y.iter().map(|b| f64::from(u8::from(a != b))).collect();
        let rows: Vec<Vec<f64>> = x.iter().map(differ).collect();
        Cost::new(x.len(), y.len(), rows.concat())
    }

    /// `c_ij + weight · other_ij`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the matrices are not of one shape; as [`Cost::new`], if a sum is too large.
    pub fn plus(mut self, weight: f64, other: &Cost) -> Result<Self> {
        if (other.rows, other.columns) != (self.rows, self.columns) {
            let accepted = format!("({}, {})", self.rows, self.columns);
            return Err(Error::shape(
                "other",
                &[other.rows, other.columns],
                accepted,
            ));
        }
        for (c, o) in self.values.iter_mut().zip(&other.values) {
            *c += weight * o;
        }
        Cost::new(self.rows, self.columns, self.values)
    }

    /// The difference between the largest and the smallest cost.
    pub fn spread(&self) -> f64 {
        let (low, high) = (self.values.iter()).fold((f64::MAX, f64::MIN), |(low, high), &c| {
            (low.min(c), high.max(c))
        });
        high - low
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Row `i`.
    ///
    /// # Panics
    /// Unless `i` is below [`Cost::rows`].
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// The total cost of an assignment of rows to columns: `Σ_i c[i][columns[i]]`.
    ///
    /// # Panics
    /// Unless there is a column of the matrix for each row.
    pub fn total(&self, columns: &[usize]) -> f64 {
        assert_eq!(columns.len(), self.rows);
        columns
            .iter()
            .enumerate()
            .map(|(i, &j)| self.row(i)[j])
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::Generator;
    use candle_core::Device;

    #[test]
    fn both_ways_agree() {
        let mut rng = Generator::from_seed(0);
        for dim in [1, 16, 17, 300] {
            let x = (rng.normal((13, dim), DType::F64, &Device::Cpu).unwrap() + 100.0).unwrap();
            let y = (rng.normal((7, dim), DType::F64, &Device::Cpu).unwrap() + 100.0).unwrap();
            let (a, b) = Points::pair(&x, &y).unwrap();
            let cost = Cost::squared_euclidean(&x, &y).unwrap();
            let mut direct = [0.0; 7];
            for i in 0..13 {
                a.squared_distances(&b, i, &mut direct);
                for (c, d) in cost.row(i).iter().zip(direct) {
                    assert!((c - d).abs() < 1e-11 * (1.0 + d), "{dim}: {c} {d}");
                }
            }
            // Equal points cost nothing, and never less.
            let same = Cost::squared_euclidean(&x, &x).unwrap();
            assert!((0..13).all(|i| (0.0..1e-10).contains(&same.row(i)[i])));
        }
    }

    #[test]
    fn points_of_other_dimensions_are_refused() {
        let x = Tensor::zeros((2, 20), DType::F32, &Device::Cpu).unwrap();
        let y = Tensor::zeros((2, 21), DType::F32, &Device::Cpu).unwrap();
        let error = Cost::squared_euclidean(&x, &y).unwrap_err();
        assert!(matches!(error, Error::Shape { argument, .. } if argument == "y"));
    }
}
