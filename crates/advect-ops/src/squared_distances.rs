//! Squared distances between all points of two clouds, by a product of matrices.

use advect_core::{Error, Result, check, parallel};
use candle_core::{DType, Device, Tensor};
use pulp::{Simd, WithSimd};

use crate::cpu::matmul::{Right, Start, multiply};
use crate::cpu::matrix::{Matrix, PANEL, Packed};
use crate::cpu::{Buffer, Float, by_dtype, dispatch, host, sums};

/// `|x_i − y_j|²` for points x of shape `(n, d)` and y `(m, d)`: n rows of m numbers in f64, on the host, never
/// negative.
///
/// `|x|² + |y|² − 2 x·y`, with the mean of x as origin. The product is made in the points' dtype, so that the error is
/// about 1e-6 of the clouds' extent squared for f32 (16 bits are widened to that), 1e-15 for f64. Where the squares
/// overflow f32, all is done in f64; where they overflow that, distances are sums of squared differences.
///
/// ```
/// use advect_ops::squared_distances;
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[0f64, 0.0], [3.0, 4.0]], &Device::Cpu)?;
/// assert_eq!(squared_distances(&x, &x)?, [0.0, 25.0, 25.0, 0.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error`] naming the argument that is not `(n, d)`, of another d, dtype or device, or empty.
pub fn squared_distances(x: &Tensor, y: &Tensor) -> Result<Vec<f64>> {
    for (name, points) in [("x", x), ("y", y)] {
        check::batch(name, points)?;
        check::float(name, points)?;
        if points.rank() != 2 {
            return Err(Error::shape(name, points.dims(), "(n, d)"));
        }
    }
    check::same_kind("y", y, "x", x)?;
    let d = x.dims()[1];
    if y.dims()[1] != d {
        return Err(Error::shape(
            "y",
            y.dims(),
            format!("(m, {d}), as x has it,"),
        ));
    }
    let dtype = match x.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    };
    let on_host = |x: &Tensor, dtype| {
        let x = x.detach().to_device(&Device::Cpu)?.to_dtype(dtype)?;
        x.contiguous()
    };
    check::memory("y", &[x.dims()[0], y.dims()[0]], DType::F64)?;
    let finite = |distances: &[f64]| distances.iter().all(|c| c.is_finite());
    let mut distances = by_dtype_of(&on_host(x, dtype)?, &on_host(y, dtype)?)?;
    if finite(&distances) {
        return Ok(distances);
    }
    let (x, y) = (on_host(x, DType::F64)?, on_host(y, DType::F64)?);
    if dtype == DType::F32 {
        distances = by_dtype_of(&x, &y)?;
    }
    if !finite(&distances) {
        by_differences(&host::<f64>(&x)?, &host::<f64>(&y)?, d, &mut distances);
    }
    Ok(distances)
}

/// Replaces distances between points that are finite, but are not themselves.
fn by_differences(x: &[f64], y: &[f64], d: usize, distances: &mut [f64]) {
    let finite = |point: &&[f64]| point.iter().all(|x| x.is_finite());
    let m = y.len() / d;
    for (x, distances) in x.chunks_exact(d).zip(distances.chunks_exact_mut(m)) {
        if !finite(&x) {
            continue;
        }
        for (y, distance) in y.chunks_exact(d).zip(distances) {
            if !distance.is_finite() && finite(&y) {
                let squares = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y));
                *distance = squares.sum();
            }
        }
    }
}

fn by_dtype_of(x: &Tensor, y: &Tensor) -> Result<Vec<f64>> {
    let (n, m, d) = (x.dims()[0], y.dims()[0], x.dims()[1]);
    by_dtype!(x, T => Ok(distances(&host::<T>(x)?, &host::<T>(y)?, n, m, d)))
}

fn distances<T: Float>(x: &[T], y: &[T], n: usize, m: usize, d: usize) -> Vec<f64> {
    let origin = mean(x, n, d);
    let (x, x_norms) = centred(x, &origin);
    let (y, y_norms) = centred(y, &origin);
    let packed = pack(Matrix::new(&y, m, d));
    let mut out = vec![0.0; n * m];
    let time = n * m * d * size_of::<T>() / 200;
    let piece = parallel::piece(n, 8, time);
    let tasks = (out.chunks_mut(piece * m).enumerate())
        .map(|(i, out)| Product {
            x: Matrix::new(&x[i * piece * d..], out.len() / m, d),
            y: &packed,
            norms: (&x_norms[i * piece..], &y_norms),
            out,
        })
        .collect();
    parallel::each(tasks, time, |task: Product<'_, T>| dispatch(task));
    out
}

/// The mean of n points of d coordinates.
fn mean<T: Float>(x: &[T], n: usize, d: usize) -> Vec<T> {
    let mut mean = vec![T::ZERO; d];
    let time = n * d * size_of::<T>() / 16;
    let piece = parallel::piece(d, 64, time);
    let tasks = (mean.chunks_mut(piece).enumerate())
        .map(|(i, out)| Mean {
            x,
            d,
            first: i * piece,
            out,
        })
        .collect();
    parallel::each(tasks, time, |task: Mean<'_, T>| dispatch(task));
    mean
}

/// The means of some coordinates.
struct Mean<'a, T> {
    x: &'a [T],
    d: usize,
    first: usize,
    out: &'a mut [T],
}

impl<T: Float> WithSimd for Mean<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let weight = T::of(self.d as f64 / self.x.len() as f64);
        for row in self.x.chunks_exact(self.d) {
            for (out, x) in self.out.iter_mut().zip(&row[self.first..]) {
                *out += *x * weight;
            }
        }
    }
}

/// Points as columns, packed in parts, and where each part begins.
fn pack<T: Float>(y: Matrix<'_, T>) -> Vec<(usize, Packed<T>)> {
    let time = y.rows * y.columns / 2;
    let piece = parallel::piece(y.rows, PANEL, time);
    let starts = (0..y.rows).step_by(piece);
    let mut parts: Vec<_> = starts.map(|first| (first, Packed::default())).collect();
    parallel::each(parts.iter_mut().collect(), time, |(first, packed)| {
        let end = y.rows.min(*first + piece);
        *packed = Packed::new(y.rows(*first, end).transposed());
    });
    parts
}

/// Points seen from an origin, and their squared norms.
fn centred<T: Float>(x: &[T], origin: &[T]) -> (Buffer<T>, Vec<f64>) {
    let d = origin.len();
    let mut out = Buffer::new(x.len());
    let mut norms = vec![0.0; x.len() / d];
    let rows = (out.chunks_exact_mut(d).zip(x.chunks_exact(d))).zip(&mut norms);
    let tasks = rows
        .map(|((out, x), norm)| Centre {
            x,
            origin,
            out,
            norm,
        })
        .collect();
    parallel::each(tasks, x.len(), |task: Centre<'_, T>| dispatch(task));
    (out, norms)
}

struct Centre<'a, T> {
    x: &'a [T],
    origin: &'a [T],
    out: &'a mut [T],
    norm: &'a mut f64,
}

impl<T: Float> WithSimd for Centre<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((out, x), o) in self.out.iter_mut().zip(self.x).zip(self.origin) {
            *out = *x - *o;
        }
        *self.norm = sums::sum(self.out, 0f64, |x| {
            let x = x.to_f64();
            x * x
        });
    }
}

struct Product<'a, T: Float> {
    x: Matrix<'a, T>,
    y: &'a [(usize, Packed<T>)],
    norms: (&'a [f64], &'a [f64]),
    out: &'a mut [f64],
}

impl<T: Float> WithSimd for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (rows, columns) = (self.x.rows, self.norms.1.len());
        let mut products = vec![T::ZERO; rows * columns];
        for (first, part) in self.y {
            let out = &mut products[*first..];
            let right = Right::Packed(part);
            multiply(simd, self.x, right, out, columns, Start::Zero, None);
        }
        let lines = self
            .out
            .chunks_exact_mut(columns)
            .zip(products.chunks_exact(columns));
        for ((out, products), x) in lines.zip(self.norms.0) {
            for ((out, p), y) in out.iter_mut().zip(products).zip(self.norms.1) {
                let c = x + y - 2.0 * p.to_f64();
                // NaN stays.
                *out = if c < 0.0 { 0.0 } else { c };
            }
        }
    }
}
