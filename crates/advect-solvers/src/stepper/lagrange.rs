//! Integrals of polynomials through slopes, with nodes anywhere.

/// Nodes and weights of Gauss's quadrature on 0..1 with five points, exact up to degree 9 (Abramowitz and Stegun, table 25.4).
const FIVE: [(f64, f64); 5] = [
    (0.046_910_077_030_668_004, 0.118_463_442_528_094_54),
    (0.230_765_344_947_158_45, 0.239_314_335_249_683_23),
    (0.5, 0.284_444_444_444_444_44),
    (0.769_234_655_052_841_5, 0.239_314_335_249_683_23),
    (0.953_089_922_969_332, 0.118_463_442_528_094_54),
];

/// The same with seven points, exact up to degree 13.
const SEVEN: [(f64, f64); 7] = [
    (0.025_446_043_828_620_7, 0.064_742_483_084_434_87),
    (0.129_234_407_200_302_77, 0.139_852_695_744_638_43),
    (0.297_077_424_311_301_4, 0.190_915_025_252_559_35),
    (0.5, 0.208_979_591_836_734_65),
    (0.702_922_575_688_698_5, 0.190_915_025_252_559_35),
    (0.870_765_592_799_697_2, 0.139_852_695_744_638_43),
    (0.974_553_956_171_379_3, 0.064_742_483_084_434_87),
];

/// The most nodes of a polynomial.
pub(crate) const MOST_NODES: usize = 14;

/// The quadrature that is exact for polynomials through so many points, at most 14.
fn quadrature(points: usize) -> &'static [(f64, f64)] {
    match points {
        ..=10 => &FIVE,
        _ => &SEVEN,
    }
}

/// The integrals from 0 to `end` of the polynomials that are 1 at one of the nodes and 0 at the others.
pub(crate) fn weights(nodes: &[f64], end: f64) -> Vec<f64> {
    let basis = |i: usize, s: f64| -> f64 {
        let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
        others
            .map(|(_, node)| (s - node) / (nodes[i] - node))
            .product()
    };
    let quadrature = quadrature(nodes.len());
    let integral =
        |i: usize| -> f64 { quadrature.iter().map(|(s, w)| w * basis(i, end * s)).sum() };
    (0..nodes.len()).map(|i| end * integral(i)).collect()
}

/// What the last of the nodes adds to the integrals from 0 to 1: the [`weights`] of all nodes less those of all but the last.
/// They are `c / Π_{j ≠ i} (n_i − n_j)`, with c the integral of the polynomial that is 0 at all nodes but the last
/// (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, eq. III.5.4).
pub(super) fn last_weights(nodes: &[f64]) -> Vec<f64> {
    let before = &nodes[..nodes.len().saturating_sub(1)];
    let product = |s: f64| -> f64 { before.iter().map(|node| s - node).product() };
    let quadrature = quadrature(nodes.len());
    let c: f64 = quadrature.iter().map(|(s, w)| w * product(*s)).sum();
    let weight = |(i, node): (usize, &f64)| {
        let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
        c / others.map(|(_, other)| node - other).product::<f64>()
    };
    nodes.iter().enumerate().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hairer, Nørsett and Wanner, tables III.1.1 and III.1.2.
    #[test]
    fn weights_of_equal_steps_are_those_of_the_tables() {
        let tables: [(&[f64], &[f64]); 4] = [
            (&[0.0, -1.0], &[3.0 / 2.0, -1.0 / 2.0]),
            (
                &[0.0, -1.0, -2.0, -3.0],
                &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
            ),
            (
                &[1.0, 0.0, -1.0, -2.0],
                &[9.0 / 24.0, 19.0 / 24.0, -5.0 / 24.0, 1.0 / 24.0],
            ),
            (
                &[1.0, 0.0, -1.0, -2.0, -3.0],
                &[
                    251.0 / 720.0,
                    646.0 / 720.0,
                    -264.0 / 720.0,
                    106.0 / 720.0,
                    -19.0 / 720.0,
                ],
            ),
        ];
        for (nodes, expected) in tables {
            for (w, e) in weights(nodes, 1.0).iter().zip(expected) {
                assert!((w - e).abs() < 1e-14, "{w}, {e}");
            }
        }
    }

    /// Of uneven nodes they integrate polynomials: t^(n − 1) over n nodes, to 1 and to places before.
    #[test]
    fn weights_of_uneven_steps_integrate_polynomials() {
        let nodes: [f64; 14] = [
            1.0, 0.0, -0.3, -0.4, -0.6, -0.7, -0.9, -1.1, -1.2, -1.4, -1.5, -1.7, -1.8, -2.0,
        ];
        for count in 1..=nodes.len() {
            let nodes = &nodes[..count];
            for end in [1.0, 0.37] {
                let integral = |weights: &[f64], power: i32| -> f64 {
                    weights
                        .iter()
                        .zip(nodes)
                        .map(|(w, t)| w * t.powi(power))
                        .sum()
                };
                let power = count as i32 - 1;
                let found = integral(&weights(nodes, end), power);
                let expected = f64::powi(end, count as i32) / count as f64;
                assert!(
                    (found - expected).abs() < 1e-8,
                    "{count}: {found}, {expected}"
                );
            }
            let lower = weights(&nodes[..count - 1], 1.0);
            let lower = lower.iter().copied().chain([0.0]);
            let all = weights(nodes, 1.0);
            for ((all, lower), last) in all.iter().zip(lower).zip(last_weights(nodes)) {
                assert!(
                    (all - lower - last).abs() < 1e-9 * all.abs().max(1.0),
                    "{count}"
                );
            }
        }
    }
}
