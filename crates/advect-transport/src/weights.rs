//! Weights of points.

use advect_core::{Error, Result};

/// Masses are whole multiples of this part of the whole.
const UNITS: u64 = 1 << 60;

/// Checks that there is a weight for each of `count` points, not negative and of sum 1 up to the rounding of `count`
/// numbers of 32 bits, `(count + 8) · 2⁻²⁴`. Returns their sum.
pub(crate) fn check(argument: &'static str, weights: &[f64], count: usize) -> Result<f64> {
    if weights.len() != count {
        let accepted = format!("({count},), one weight for each point");
        return Err(Error::shape(argument, &[weights.len()], accepted));
    }
    if let Some(bad) = weights.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
        return Err(Error::range(argument, bad, "a weight of at least 0"));
    }
    let sum: f64 = weights.iter().sum();
    let rounding = (count as f64 + 8.0) * f64::from(f32::EPSILON) / 2.0;
    if (sum - 1.0).abs() > rounding.min(0.01) {
        let given = format!("a sum of {sum}");
        return Err(Error::range(argument, given, "a sum of 1"));
    }
    Ok(sum)
}

/// Whole numbers in the proportions of weights, of sum 2⁶⁰.
pub(crate) fn masses(weights: &[f64], sum: f64) -> Vec<u64> {
    let unit = UNITS as f64 / sum;
    let mut masses: Vec<u64> = weights.iter().map(|w| (w * unit).round() as u64).collect();
    let largest = (0..masses.len()).max_by_key(|i| masses[*i]).unwrap_or(0);
    let others: u64 = masses.iter().sum::<u64>() - masses[largest];
    masses[largest] = UNITS.saturating_sub(others);
    masses
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn masses_are_the_weights(weights in prop::collection::vec(0.0f32..1.0, 2..200)) {
            prop_assume!(weights.iter().any(|w| *w > 0.01));
            let total: f32 = weights.iter().sum();
            let weights: Vec<f64> = weights.iter().map(|w| f64::from(w / total)).collect();
            let sum = check("weights", &weights, weights.len()).unwrap();
            let masses = masses(&weights, sum);
            prop_assert_eq!(masses.iter().sum::<u64>(), UNITS);
            for (w, m) in weights.iter().zip(masses) {
                let m = m as f64 / UNITS as f64;
                prop_assert!((w / sum - m).abs() < 1e-15);
                prop_assert!((*w > 1e-17) == (m > 1e-17));
            }
        }
    }

    #[test]
    fn others_are_refused() {
        let fails = |weights: &[f64]| check("rows", weights, 2).unwrap_err();
        assert!(matches!(fails(&[1.0]), Error::Shape { .. }));
        for bad in [
            [0.5, 0.6],
            [1.5, -0.5],
            [f64::NAN, 1.0],
            [f64::INFINITY, 1.0],
            [0.0, 0.0],
        ] {
            assert!(matches!(fails(&bad), Error::Range { argument, .. } if argument == "rows"));
        }
    }
}
