//! Dense matrices in f64, as far as covariances need them.

mod factor;
mod nuclear_norm;

pub(crate) use factor::Factor;
pub(crate) use nuclear_norm::nuclear_norm;

/// Rows that are worked on together, whatever the number of threads.
const ROWS: usize = 32;

/// `Σ_i x_i y_i`, in eight sums side by side.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x, x_rest) = x.as_chunks::<8>();
    let (y, y_rest) = y.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (x, y) in x.iter().zip(y) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// `y += a x`.
fn add_scaled(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += a * x;
    }
}
