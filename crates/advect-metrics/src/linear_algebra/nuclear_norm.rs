//! The sum of a matrix's singular values (Golub and Kahan 1965).

use advect_core::{Error, Result, parallel};

use super::{ROWS, add_scaled, dot};
use crate::scaled::unit;

/// The most steps for one eigenvalue; two are usual.
const STEPS: usize = 60;

/// Returns the nuclear norm `Σ_i σ_i` of a matrix with at least as many rows as columns, one row after the other. Each singular value has an
/// error of a few roundings of the largest. Elements may have any size; of any that is not finite, the norm is NaN.
///
/// # Errors
/// [`Error::Stopped`] if the iterations don't converge.
pub(crate) fn nuclear_norm(mut matrix: Vec<f64>, columns: usize) -> Result<f64> {
    if columns == 0 {
        return Ok(0.0);
    }
    if !matrix.iter().all(|x| x.is_finite()) {
        return Ok(f64::NAN);
    }
    let largest = matrix.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
    let unit = unit(largest);
    if unit != 1.0 {
        matrix.iter_mut().for_each(|x| *x /= unit);
    }
    // ±σ are the eigenvalues of the symmetric matrix with zeros on its diagonal and these numbers beside it.
    let beside = bidiagonal(matrix, columns);
    let eigenvalues = eigenvalues(vec![0.0; beside.len() + 1], beside)?;
    Ok(0.5 * eigenvalues.iter().map(|x| x.abs()).sum::<f64>() * unit)
}

/// A reflection `1 − factor v vᵀ` that maps a vector to a multiple of the first unit vector.
struct Reflection {
    v: Vec<f64>,
    factor: f64,
    /// The multiple.
    value: f64,
}

impl Reflection {
    fn of(mut v: Vec<f64>) -> Self {
        let squares = dot(&v, &v);
        let first = v.first().copied().unwrap_or(0.0);
        let value = -squares.sqrt().copysign(first);
        if let Some(first) = v.first_mut() {
            *first -= value;
        }
        let half = squares - first * value;
        let factor = if half > 0.0 { 1.0 / half } else { 0.0 };
        Reflection { v, factor, value }
    }
}

/// Reflects rows and columns in turn, until the diagonal and the one above are left. Returns their elements in turn.
fn bidiagonal(mut a: Vec<f64>, columns: usize) -> Vec<f64> {
    let rows = a.len() / columns;
    let mut beside = Vec::with_capacity(2 * columns - 1);
    for k in 0..columns {
        let left = Reflection::of((k..rows).map(|i| a[i * columns + k]).collect());
        beside.push(left.value);
        let rest = k + 1..columns;
        if rest.is_empty() {
            break;
        }
        // What the first reflection takes away from each row: v times this one.
        let active = &mut a[k * columns..];
        let time = (rows - k) * rest.len() / 2;
        let mut parts = vec![0.0; left.v.len().div_ceil(ROWS) * rest.len()];
        let blocks = active.chunks(ROWS * columns).zip(left.v.chunks(ROWS));
        let blocks = blocks.zip(parts.chunks_mut(rest.len())).collect();
        parallel::each(blocks, time, |((a, v), part)| {
            for (row, v) in a.chunks(columns).zip(v) {
                add_scaled(part, left.factor * v, &row[rest.clone()]);
            }
        });
        let (taken, others) = parts.split_at_mut(rest.len());
        others
            .chunks(rest.len())
            .for_each(|part| add_scaled(taken, 1.0, part));
        // The second reflection is that of the first row, and then each row goes through both.
        let mut first = active[rest.clone()].to_vec();
        add_scaled(&mut first, -left.v[0], taken);
        let right = Reflection::of(first);
        beside.push(right.value);
        let below = active.split_at_mut(columns).1;
        let blocks = below
            .chunks_mut(ROWS * columns)
            .zip(left.v[1..].chunks(ROWS));
        parallel::each(blocks.collect(), 2 * time, |(a, v)| {
            for (row, v) in a.chunks_mut(columns).zip(v) {
                let row = &mut row[rest.clone()];
                add_scaled(row, -v, taken);
                let along = right.factor * dot(row, &right.v);
                add_scaled(row, -along, &right.v);
            }
        });
    }
    beside
}

/// The eigenvalues of a symmetric tridiagonal matrix by implicit QL steps with Wilkinson's shift (Dubrulle, Martin and Wilkinson 1968).
fn eigenvalues(mut diagonal: Vec<f64>, mut beside: Vec<f64>) -> Result<Vec<f64>> {
    beside.push(0.0);
    let size = diagonal
        .iter()
        .chain(&beside)
        .fold(0.0, |a: f64, b| a.max(b.abs()));
    let negligible = f64::EPSILON * size;
    for first in 0..diagonal.len() {
        for step in 0.. {
            let found = beside[first..].iter().position(|b| b.abs() <= negligible);
            let last = first + found.unwrap_or(0);
            beside[last] = 0.0;
            if last == first {
                break;
            }
            if step == STEPS {
                let reason = "an eigenvalue did not converge";
                return Err(Error::stopped(format!("step {step}"), reason));
            }
            ql_step(&mut diagonal[first..=last], &mut beside[first..=last]);
        }
    }
    Ok(diagonal)
}

/// One step on a block that does not fall into parts, from its end to its beginning.
fn ql_step(diagonal: &mut [f64], beside: &mut [f64]) {
    let last = diagonal.len() - 1;
    let half = (diagonal[1] - diagonal[0]) / (2.0 * beside[0]);
    let shift = half + half.hypot(1.0).copysign(half);
    let mut g = diagonal[last] - diagonal[0] + beside[0] / shift;
    let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
    for i in (0..last).rev() {
        let (f, b) = (sine * beside[i], cosine * beside[i]);
        let r = f.hypot(g);
        beside[i + 1] = r;
        if r == 0.0 {
            diagonal[i + 1] -= p;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = diagonal[i + 1] - p;
        let r = (diagonal[i] - g) * sine + 2.0 * cosine * b;
        p = sine * r;
        diagonal[i + 1] = g + p;
        g = cosine * r - b;
    }
    diagonal[0] -= p;
    beside[0] = g;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use advect_core::Generator;
    use candle_core::{DType, Device};

    /// `‖A‖_* = σ₁ + σ₂` of two columns, where `σ₁² + σ₂² = |A|²` and `σ₁ σ₂ = √det AᵀA`.
    #[test]
    fn two_columns_have_a_closed_form() {
        let a = vec![3.0, 1.0, -2.0, 5.0, 0.5, 0.25];
        let squares: f64 = a.iter().map(|a| a * a).sum();
        let (x, y): (Vec<f64>, Vec<f64>) = a.chunks(2).map(|r| (r[0], r[1])).unzip();
        let determinant = dot(&x, &x) * dot(&y, &y) - dot(&x, &y).powi(2);
        let expected = (squares + 2.0 * determinant.sqrt()).sqrt();
        let norm = nuclear_norm(a, 2).unwrap();
        assert!((norm - expected).abs() < 1e-14, "{norm} {expected}");
        // Rank 1, and nothing at all.
        let norm = nuclear_norm(vec![1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 2).unwrap();
        assert!((norm - 6f64.sqrt()).abs() < 1e-15, "{norm}");
        assert_eq!(nuclear_norm(vec![0.0; 6], 2).unwrap(), 0.0);
        // Elements whose squares are no numbers, or 0.
        for size in [1e-300, 1e-170, 1e170, 1e300] {
            let norm = nuclear_norm(vec![size; 6], 2).unwrap();
            assert!((norm / size - 6f64.sqrt()).abs() < 1e-14, "{size}: {norm}");
        }
        assert!(nuclear_norm(vec![f64::NAN; 2], 1).is_ok_and(f64::is_nan));
        assert_eq!(nuclear_norm(Vec::new(), 0).unwrap(), 0.0);
    }

    /// A product of reflections, rotated by which singular values stay: `Q D` with Q orthogonal.
    #[test]
    fn reflections_leave_singular_values() {
        let mut rng = Generator::from_seed(3);
        let n = 70;
        let v = rng.normal((n, 1), DType::F64, &Device::Cpu).unwrap();
        let v = v.flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let squares = dot(&v, &v);
        // Singular values of twenty magnitudes.
        let values: Vec<f64> = (0..n).map(|j| 10f64.powf(-(j as f64) * 0.3)).collect();
        let mut a = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let q = f64::from(u8::from(i == j)) - 2.0 * v[i] * v[j] / squares;
                a[i * n + j] = q * values[j];
            }
        }
        let expected: f64 = values.iter().sum();
        let norm = nuclear_norm(a, n).unwrap();
        assert!((norm - expected).abs() < 1e-13, "{norm} {expected}");
    }
}
