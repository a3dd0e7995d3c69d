//! Guesses of the slopes of stages.

use std::ops::Range;

use super::Coordinates;
use super::equations::Equations;
use super::kept::Past;

/// The largest ratio of a step's size to that of the last one for which the last one tells its slopes.
const FURTHEST: f64 = 3.0;

/// The weights of values at some nodes in the value at another place of the polynomial through them.
fn lagrange(nodes: &[f64], at: f64) -> Vec<f64> {
    let weight = |(i, node): (usize, &f64)| {
        let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
        others
            .map(|(_, other)| (at - other) / (node - other))
            .product()
    };
    nodes.iter().enumerate().map(weight).collect()
}

/// The last of the stages at each node, without repeated nodes, of those before stage `count`.
fn distinct(nodes: &[f64], from: usize, count: usize) -> Vec<usize> {
    let repeated = |i: &usize| !nodes[i + 1..count].contains(&nodes[*i]);
    (from..count).filter(repeated).collect()
}

/// Slopes from which the iteration starts: those of the polynomial through the slopes that are known of this step, or of
/// the last one, or else the slope at the start.
pub(super) fn guess<X: Coordinates>(
    equations: &Equations<'_, X>,
    nodes: &[f64],
    stages: &Range<usize>,
    slopes: &[Vec<f64>],
    past: Option<&Past>,
) -> Vec<Vec<f64>> {
    let near = |past: &Past, sample: usize| {
        equations.sizes[sample].abs() <= FURTHEST * past.sizes[sample].abs()
    };
    let place = |i: usize| {
        let mut guess = vec![0.0; equations.x_numbers.len()];
        for sample in 0..equations.samples {
            let (known, from, at) = match past {
                Some(past) if stages.len() > 1 && near(past, sample) => {
                    let ratio = equations.sizes[sample] / past.sizes[sample];
                    (
                        &past.slopes[..],
                        distinct(nodes, 1, nodes.len()),
                        1.0 + nodes[i] * ratio,
                    )
                }
                _ => (slopes, distinct(nodes, 0, stages.start), nodes[i]),
            };
            let places: Vec<f64> = from.iter().map(|j| nodes[*j]).collect();
            for (weight, j) in lagrange(&places, at).into_iter().zip(from) {
                let of = sample * equations.width..(sample + 1) * equations.width;
                let terms = guess[of.clone()].iter_mut().zip(&known[j][of]);
                terms.for_each(|(guess, k)| *guess += weight * k);
            }
        }
        guess
    };
    stages.clone().map(place).collect()
}
