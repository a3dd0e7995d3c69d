//! Pairwise costs between two point clouds.

use std::borrow::Cow;

use advect_core::{Error, Result, check};
use advect_ops::squared_distances;
use candle_core::{DType, Tensor};

use crate::sums::reduced;
use crate::{Points, points};

/// Parts of the largest distance below which a product of matrices doesn't tell distances well, in 64 and in 32 bits.
const SMALL: f64 = 1e-8;
const SMALL_OF_32_BITS: f64 = 1e-4;
/// The dimensions up to which differences are faster than a product of matrices.
const DIRECT: usize = 16;

/// A matrix of costs: entry `(i, j)` is the cost of carrying point `i` of one cloud to point `j` of another.
///
/// ```
/// use advect_transport::Cost;
/// # fn main() -> advect_core::Result<()> {
/// let cost = Cost::new(2, 2, vec![1.0, 2.0, 3.0, 4.0])?;
/// assert_eq!(cost.row(1), [3.0, 4.0]);
/// assert_eq!(cost.total(&[(0, 1), (1, 0)]), 5.0);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "cost matrix")]
#[doc(alias = "cdist")]
#[derive(Debug, Clone)]
pub struct Cost {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    /// The largest magnitude of a finite cost.
    largest: f64,
    has_forbidden: bool,
}

/// The largest magnitude of costs, whose sums don't overflow.
const LARGEST: f64 = 1e290;

impl Cost {
    /// Creates a matrix from its values, row by row. A cost of ∞ forbids a pair.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows or columns, [`Error::Shape`] if the number of values is not
    /// `rows · columns`, [`Error::NonFinite`] for NaN or −∞, [`Error::Range`] for finite magnitudes
    /// above 1e290, whose sums could overflow.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self> {
        if rows == 0 || columns == 0 {
            return Err(Error::Empty {
                argument: "cost".into(),
            });
        }
        if rows.checked_mul(columns) != Some(values.len()) {
            let accepted = format!("one value for each pair of {rows} × {columns}");
            return Err(Error::shape("cost", &[values.len()], accepted));
        }
        let (largest, has_forbidden) = survey(&values)?;
        Ok(Cost {
            values,
            rows,
            columns,
            largest,
            has_forbidden,
        })
    }

    /// Returns the costs `c_ij = |x_i − y_j|²` for batches `(n, ...)` and `(m, ...)` of samples of one shape, in f64.
    /// Up to 16 dimensions they are computed by differences, beyond that by a product of matrices in the points' dtype,
    /// whose error is about 1e-6 of the clouds' extent squared for f32, 1e-15 for f64. Distances so small that this
    /// error would be a fraction of 1e-2 of them for f32, 1e-7 for f64, are computed by differences, too: that of equal
    /// points is 0.
    ///
    /// # Errors
    /// As [`Points::pair`]; [`Error::Range`] for points whose squared distances are above 1e290 or whose matrix does not fit
    /// in memory.
    #[doc(alias = "cdist")]
    #[doc(alias = "squared distance")]
    pub fn squared_euclidean(x: &Tensor, y: &Tensor) -> Result<Self> {
        let (x, y) = points::shaped_pair(("x", x), ("y", y))?;
        if x.dim(1)? > DIRECT {
            let (rows, columns) = (x.dim(0)?, y.dim(0)?);
            size_of_matrix(rows, columns)?;
            let (wide, small) = match x.dtype() == y.dtype() && x.dtype() != DType::F64 {
                true => ((x.clone(), y.clone()), SMALL_OF_32_BITS),
                false => ((x.to_dtype(DType::F64)?, y.to_dtype(DType::F64)?), SMALL),
            };
            let mut values = squared_distances(&wide.0, &wide.1)?;
            // The distances tell whether the points are finite: a reading of them all is saved.
            if !values.iter().all(|c| c.is_finite()) {
                check::finite("x", &x)?;
                check::finite("y", &y)?;
            }
            by_differences_where_small(&mut values, small, &x, &y)?;
            return Cost::of_distances(rows, columns, values);
        }
        check::finite("x", &x)?;
        check::finite("y", &y)?;
        Cost::between(&Points::from_rows(&x)?, &Points::from_rows(&y)?)
    }

    /// Returns the costs of [`Cost::squared_euclidean`] for points.
    ///
    /// ```
    /// use advect_transport::{Cost, Points};
    /// use candle_core::{Device, Tensor};
    /// # fn main() -> advect_core::Result<()> {
    /// let x = Points::new("x", &Tensor::new(&[[0.0f32], [2.0]], &Device::Cpu)?)?;
    /// assert_eq!(Cost::between(&x, &x)?.row(1), [4.0, 0.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the dimensions of a point differ; [`Error::Range`] as there.
    pub fn between(x: &Points, y: &Points) -> Result<Self> {
        if x.dim() != y.dim() {
            let accepted = format!("a cloud of points of dimension {}, as in x", x.dim());
            return Err(Error::shape("y", &[y.count(), y.dim()], accepted));
        }
        if x.dim() > DIRECT {
            return Cost::squared_euclidean(&x.to_rows()?, &y.to_rows()?);
        }
        let mut values = vec![0.0; size_of_matrix(x.count(), y.count())?];
        for (i, row) in values.chunks_exact_mut(y.count()).enumerate() {
            x.squared_distances(y, i, row);
        }
        Cost::of_distances(x.count(), y.count(), values)
    }

    /// Returns the costs `√c_ij`: distances from squared distances.
    ///
    /// ```
    /// use advect_transport::Cost;
    /// # fn main() -> advect_core::Result<()> {
    /// assert_eq!(Cost::new(1, 2, vec![4.0, 9.0])?.square_roots()?.row(0), [2.0, 3.0]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Range`] for a negative cost.
    pub fn square_roots(mut self) -> Result<Self> {
        if let Some(negative) = self.values.iter().find(|c| **c < 0.0) {
            return Err(Error::range("cost", negative, "a cost of at least 0"));
        }
        self.values.iter_mut().for_each(|c| *c = c.sqrt());
        self.largest = self.largest.sqrt();
        Ok(self)
    }

    /// A matrix of squared distances, which are infinite only where they overflow.
    fn of_distances(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self> {
        match Cost::new(rows, columns, values) {
            Ok(cost) if !cost.has_forbidden => Ok(cost),
            _ => {
                let accepted = "a pair of clouds whose squared distances are at most 1e290";
                Err(Error::range(
                    "x, y",
                    "a pair of clouds further apart",
                    accepted,
                ))
            }
        }
    }

    /// Returns the costs `c_ij = 1` where the labels of i and j differ, 0 where they are the same, for labels `(n,)`
    /// and `(m,)` of u8, u32 or i64.
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

    /// Returns the costs `c_ij + weight · other_ij`. Pairs that either matrix forbids are forbidden; an infinite weight
    /// forbids the pairs whose other cost is above 0.
    ///
    /// ```
    /// use advect_transport::Cost;
    /// # fn main() -> advect_core::Result<()> {
    /// let cost = Cost::new(1, 2, vec![1.0, 2.0])?;
    /// let other = Cost::new(1, 2, vec![0.0, 3.0])?;
    /// assert_eq!(cost.clone().plus(10.0, &other)?.row(0), [1.0, 32.0]);
    /// assert_eq!(cost.plus(f64::INFINITY, &other)?.row(0), [1.0, f64::INFINITY]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the matrices are not of one shape; [`Error::Range`] for a weight that is NaN or −∞, for an
    /// infinite weight of negative costs, and if a sum is above 1e290.
    pub fn plus(mut self, weight: f64, other: &Cost) -> Result<Self> {
        if (other.rows, other.columns) != (self.rows, self.columns) {
            let accepted = format!("({}, {})", self.rows, self.columns);
            return Err(Error::shape(
                "other",
                &[other.rows, other.columns],
                accepted,
            ));
        }
        if weight.is_nan() || weight == f64::NEG_INFINITY {
            return Err(Error::range("weight", weight, "a number or ∞"));
        }
        let mut overflows = false;
        for (c, &o) in self.values.iter_mut().zip(&other.values) {
            let term = match o {
                0.0 | f64::INFINITY => o,
                _ => weight * o,
            };
            let sum = *c + term;
            let may_be_infinite = weight.max(o).max(*c) == f64::INFINITY;
            overflows |= !(sum.is_finite() || may_be_infinite && sum > 0.0);
            *c = sum;
        }
        if overflows {
            let accepted = "a weight with which every sum is at most 1e290";
            return Err(Error::range("weight", weight, accepted));
        }
        Cost::new(self.rows, self.columns, self.values)
    }

    /// Returns the difference between the largest and the smallest finite cost.
    pub fn spread(&self) -> f64 {
        let finite = self.values.iter().filter(|c| **c < f64::INFINITY);
        let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), &c| {
            (low.min(c), high.max(c))
        });
        (high - low).max(0.0)
    }

    /// Returns whether any cost is ∞.
    pub fn has_forbidden(&self) -> bool {
        self.has_forbidden
    }

    /// The largest magnitude of a finite cost.
    pub(crate) fn largest(&self) -> f64 {
        self.largest
    }

    /// The costs less potentials of rows and columns, each rounded once.
    pub(crate) fn reduced(&self, rows: &[f64], columns: &[f64]) -> Self {
        let mut values = Vec::with_capacity(self.values.len());
        for (row, f) in self.values.chunks_exact(self.columns).zip(rows) {
            let row = row.iter().zip(columns);
            values.extend(row.map(|(c, g)| reduced(*c, (*f, 0.0), (*g, 0.0))));
        }
        let largest = values.iter().fold(0.0, |a: f64, c| a.max(c.abs()));
        Cost {
            values,
            largest,
            ..*self
        }
    }

    /// Some rows and columns, and at the end a row of zeros, if asked for.
    pub(crate) fn part(&self, rows: &[usize], columns: &[usize], row_of_zeros: bool) -> Self {
        let count = rows.len() + usize::from(row_of_zeros);
        let mut values = Vec::with_capacity(count * columns.len());
        for i in rows {
            let row = self.row(*i);
            values.extend(columns.iter().map(|j| row[*j]));
        }
        values.resize(count * columns.len(), 0.0);
        Cost {
            values,
            rows: count,
            columns: columns.len(),
            ..*self
        }
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns row `i`.
    ///
    /// # Panics
    /// Unless `i` is below [`Cost::rows`].
    pub fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.columns..(i + 1) * self.columns]
    }

    /// Returns the total cost of pairs (row, column), as [`assignment`](crate::assignment) returns them.
    ///
    /// # Panics
    /// Unless all are places of the matrix.
    pub fn total(&self, pairs: &[(usize, usize)]) -> f64 {
        pairs.iter().map(|&(i, j)| self.row(i)[j]).sum()
    }
}

impl From<Cost> for Cow<'_, Cost> {
    fn from(cost: Cost) -> Self {
        Cow::Owned(cost)
    }
}

impl<'a> From<&'a Cost> for Cow<'a, Cost> {
    fn from(cost: &'a Cost) -> Self {
        Cow::Borrowed(cost)
    }
}

/// The number of costs, if they can be stored.
fn size_of_matrix(rows: usize, columns: usize) -> Result<usize> {
    let size = rows.checked_mul(columns);
    let fits = |size: &usize| *size <= isize::MAX as usize / size_of::<f64>();
    size.filter(fits).ok_or_else(|| {
        let given = format!("a pair of clouds of {rows} and {columns} points");
        Error::range(
            "x, y",
            given,
            "a pair of clouds whose matrix of costs fits in memory",
        )
    })
}

/// Makes squared distances anew where they are below a part of the largest.
fn by_differences_where_small(values: &mut [f64], part: f64, x: &Tensor, y: &Tensor) -> Result<()> {
    let bound = part * values.iter().fold(0.0, |a: f64, c| a.max(*c));
    if !values.iter().any(|c| *c <= bound) {
        return Ok(());
    }
    let rows =
        |x: &Tensor| -> Result<Vec<f64>> { Ok(x.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?) };
    let (columns, d) = (y.dim(0)?, x.dim(1)?);
    let (x, y) = (rows(x)?, rows(y)?);
    for (values, x) in values.chunks_exact_mut(columns).zip(x.chunks_exact(d)) {
        for (c, y) in values.iter_mut().zip(y.chunks_exact(d)) {
            if *c <= bound {
                *c = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            }
        }
    }
    Ok(())
}

/// The largest magnitude of finite costs, and whether there are forbidden pairs.
fn survey(values: &[f64]) -> Result<(f64, bool)> {
    let (mut largest, mut has_forbidden) = (0f64, false);
    for chunk in values.chunks(1024) {
        // Without an early exit the loop vectorises.
        if chunk.iter().fold(true, |ok, c| ok & (c.abs() <= LARGEST)) {
            largest = chunk.iter().fold(largest, |a, c| a.max(c.abs()));
            continue;
        }
        for c in chunk {
            match *c {
                f64::INFINITY => has_forbidden = true,
                c if !c.is_finite() => {
                    let first = |c: &f64| c.is_nan() || *c == f64::NEG_INFINITY;
                    return Err(Error::NonFinite {
                        argument: "cost".into(),
                        index: values.iter().position(first).unwrap_or(0),
                        value: c,
                    });
                }
                c if c.abs() > LARGEST => {
                    return Err(Error::range("cost", c, "a magnitude up to 1e290 or ∞"));
                }
                c => largest = largest.max(c.abs()),
            }
        }
    }
    Ok((largest, has_forbidden))
}

mod transposed;

#[cfg(test)]
mod tests;
