//! Optimal transport on a line, where it is monotone (Peyré and Cuturi 2019, remark 2.30).

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// `∫ cost(F⁻¹(u) − G⁻¹(u)) du` of two sorted samples of any sizes.
pub(crate) fn between_sorted(x: &[f64], y: &[f64], cost: impl Fn(f64) -> f64) -> f64 {
    let (n, m) = (x.len(), y.len());
    let (mut i, mut j, mut done, mut sum) = (0, 0, 0, 0.0);
    // Quantiles in units of 1/(n m), so that the steps of both functions are whole numbers.
    while i < n && j < m {
        let next = ((i + 1) * m).min((j + 1) * n);
        sum += (next - done) as f64 * cost(x[i] - y[j]);
        done = next;
        i += usize::from(next == (i + 1) * m);
        j += usize::from(next == (j + 1) * n);
    }
    sum / (n as f64 * m as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dimension_of_unequal_sizes() {
        // Against doubling and tripling the samples to equal sizes.
        let (x, y) = ([0.0, 1.0, 5.0], [-1.0, 2.0]);
        let repeated: f64 = [
            (0.0, -1.0),
            (0.0, -1.0),
            (1.0, -1.0),
            (1.0, 2.0),
            (5.0, 2.0),
            (5.0, 2.0),
        ]
        .map(|(a, b): (f64, f64)| (a - b).powi(2))
        .iter()
        .sum();
        assert!((between_sorted(&x, &y, |way| way * way) - repeated / 6.0).abs() < 1e-14);
    }
}
