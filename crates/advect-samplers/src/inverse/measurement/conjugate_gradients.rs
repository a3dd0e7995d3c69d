//! The method of conjugate gradients (Hestenes and Stiefel, Methods of conjugate gradients for solving linear systems,
//! 1952).

use advect_core::{Coefficient, Error, Result, shape};
use advect_ops::combine;
use candle_core::{DType, Tensor};

/// Solves `M x = b` for each sample, with a symmetric positive definite M that is given by its products. The residual
/// is below `√ε |b|` in the end, or a little above the rounding.
pub(super) fn conjugate_gradients(
    product: impl Fn(&Tensor) -> Result<Tensor>,
    b: &Tensor,
) -> Result<Tensor> {
    let (tolerance, rounding): (f64, f64) = match b.dtype() {
        DType::F64 => (1e-11, 1e-15),
        _ => (1e-5, 1e-7),
    };
    let (mut x, mut residual, mut direction) = (b.zeros_like()?, b.clone(), b.clone());
    let mut square = dots(b, b)?;
    let enough: Vec<f64> = square.iter().map(|s| s * tolerance * tolerance).collect();
    // Without rounding, as many steps as there are elements suffice.
    let limit = 2 * b.elem_count() / square.len() + 10;
    // Of the eigenvalues of M, those that directions have shown.
    let mut largest = vec![0f64; square.len()];
    for step in 0..=limit {
        let open = |i: usize| square[i] > enough[i];
        if !(0..square.len()).any(open) {
            return Ok(x);
        }
        let image = product(&direction)?;
        let (curvature, length) = (dots(&direction, &image)?, dots(&direction, &direction)?);
        for i in (0..square.len()).filter(|&i| open(i)) {
            let eigenvalue = curvature[i] / length[i];
            largest[i] = largest[i].max(eigenvalue);
            if eigenvalue.is_nan() || eigenvalue <= rounding * largest[i] {
                return Err(singular(step));
            }
        }
        // Samples that are solved stay as they are.
        let along = |sign: f64| {
            let of = |i: usize| match open(i) {
                true => sign * square[i] / curvature[i],
                false => 0.0,
            };
            Coefficient::PerSample((0..square.len()).map(of).collect())
        };
        x = combine(&[(1.0.into(), &x), (along(1.0), &direction)])?;
        residual = combine(&[(1.0.into(), &residual), (along(-1.0), &image)])?;
        let next = dots(&residual, &residual)?;
        let keep = (0..square.len()).map(|i| match open(i) {
            true => next[i] / square[i],
            false => 0.0,
        });
        let keep = Coefficient::PerSample(keep.collect());
        direction = combine(&[(1.0.into(), &residual), (keep, &direction)])?;
        square = next;
    }
    Err(singular(limit))
}

fn singular(step: usize) -> Error {
    let reason = "r² A Aᵀ + σ_y² I is singular or nearly so; tell a noise σ_y of the measurement, or use more digits";
    Error::stopped(format!("step {step} of conjugate gradients"), reason)
}

/// The inner product of each sample.
fn dots(a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
    let sums = shape::sum_per_sample(&(a * b)?)?;
    Ok(sums.to_dtype(DType::F64)?.to_vec1()?)
}
