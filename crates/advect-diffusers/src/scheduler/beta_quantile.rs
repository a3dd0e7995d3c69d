//! Quantiles of symmetric beta distributions.

/// The number x for which a variable with density `∝ (x (1 − x))^(a − 1)` is below it with a probability.
pub(super) fn beta_quantile(probability: f64, a: f64) -> f64 {
    if probability > 0.5 {
        return 1.0 - beta_quantile(1.0 - probability, a);
    }
    let target = 2.0 * probability * integral(0.5, a);
    // The integral rises, from 0: halving the interval gains a bit each time, and doubles have 53 behind the first.
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        match integral(middle, a) < target {
            true => low = middle,
            false => high = middle,
        }
    }
    high
}

/// `∫₀^x (y (1 − y))^(a − 1) dy` for x up to 1/2, by the series of `(1 − y)^(a − 1)`: `x^a Σ_n (1 − a)_n / n! · x^n / (a + n)`.
fn integral(x: f64, a: f64) -> f64 {
    let (mut sum, mut factor) = (0.0, 1.0);
    for n in 0..200 {
        let n = f64::from(n);
        let term = factor / (a + n);
        sum += term;
        if term.abs() <= 1e-17 * sum.abs() {
            break;
        }
        factor *= (n + 1.0 - a) / (n + 1.0) * x;
    }
    x.powf(a) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For a = 1/2 it is the arcsine law, `sin²(π p/2)`; for a = 1 it is uniform, for a = 2 `p = 3 x² − 2 x³`.
    #[test]
    fn quantiles_are_those_of_closed_forms() {
        for p in [0.0, 1e-6, 0.01, 0.2, 0.5, 0.7, 0.999, 1.0] {
            let sine = (0.5 * std::f64::consts::PI * p).sin();
            assert!((beta_quantile(p, 0.5) - sine * sine).abs() < 1e-14, "{p}");
            assert!((beta_quantile(p, 1.0) - p).abs() < 1e-14, "{p}");
            let x = beta_quantile(p, 2.0);
            assert!((3.0 * x * x - 2.0 * x * x * x - p).abs() < 1e-14, "{p}");
        }
        // By SciPy 1.17.
        for (p, x) in PPF {
            assert!((beta_quantile(p, 0.6) / x - 1.0).abs() < 1e-12, "{p}");
        }
    }

    const PPF: [(f64, f64); 6] = [
        (0.001, 1.855873851745199e-05),
        (0.125, 0.05715636362241408),
        (0.25, 0.17568037865269498),
        (0.4, 0.3627009907532143),
        (0.6, 0.6372990092467856),
        (0.9, 0.9604155944112192),
    ];
}
