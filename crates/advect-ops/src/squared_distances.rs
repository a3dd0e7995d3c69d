//! Squared distances between all points of two clouds, by a product of matrices.

use advect_core::{Error, Result, check};
use advect_kernels::squared_distances::SquaredDistances;
use candle_core::{DType, Device, Tensor};

use crate::cpu::{THREADS, by_dtype, host};

/// Returns `|x_i − y_j|²` for points x of shape `(n, d)` and y `(m, d)`: n rows of m numbers in f64, on the host, never
/// negative.
///
/// It is computed as `|x|² + |y|² − 2 x·y`, with the mean of x as origin. The product is made in the points' dtype, so
/// that the error is about 1e-6 of the clouds' extent squared for f32 (16 bits are widened to that), 1e-15 for f64.
/// Where the squares overflow f32, everything is done in f64; where they overflow f64, distances are sums of squared
/// differences.
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
#[doc(alias = "cdist")]
#[doc(alias = "pairwise distances")]
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
            format!("(m, {d}), to match x,"),
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
    by_dtype!(x, T => Ok(T::squared_distances(THREADS, &host::<T>(x)?, &host::<T>(y)?, n, m, d)))
}
