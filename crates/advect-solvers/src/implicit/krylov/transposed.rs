//! The transposed equations of gradients.

use advect_core::{Error, Result};

use super::gmres::{Gmres, Outcome, length};

/// Solves `Mᵀ λ = g` with `M = I − h A ⊗ J` for vectors of stages, until at most `u^(2/3)` of g is left, with the unit roundoff u.
/// `pull_back` multiplies by the transposed Jacobian of a stage; `weights` are magnitudes of the elements of a state.
pub(in crate::implicit) fn solve_transposed(
    gmres: Gmres,
    (block, sizes): (&[f64], &[f64]),
    (weights, roundoff): (&[f64], f64),
    g: &[Vec<f64>],
    mut pull_back: impl FnMut(usize, Vec<f64>) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    let (count, samples) = (g.len(), sizes.len());
    let width = weights.len() / samples.max(1);
    let size = count * width;
    // Against the largest of a sample, and none so small that its own equation would not be solved.
    let least = roundoff.cbrt();
    let weights: Vec<f64> = weights
        .chunks(width.max(1))
        .flat_map(|weights| {
            let largest = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            weights.iter().map(move |w| (w / largest).max(least))
        })
        .collect();
    let at = |e: usize| (e % size / width, e / size * width + e % width);
    // A gradient by an element is as large as the element is small.
    let flat = |stages: &[Vec<f64>]| -> Vec<f64> {
        let value = |e: usize| {
            let (stage, element) = at(e);
            stages[stage][element] * weights[element]
        };
        (0..samples * size).map(value).collect()
    };
    let by_stage = |vector: &[f64]| {
        let mut stages = vec![vec![0.0; samples * width]; count];
        for (e, value) in vector.iter().enumerate() {
            let (stage, element) = at(e);
            stages[stage][element] = value / weights[element];
        }
        stages
    };
    let mut apply = |vector: &[f64]| -> Result<Vec<f64>> {
        let lambda = by_stage(vector);
        let mut result = lambda.clone();
        for (i, lambda) in lambda.into_iter().enumerate() {
            let pulled = pull_back(i, lambda)?;
            for (j, result) in result.iter_mut().enumerate() {
                for (e, (r, p)) in result.iter_mut().zip(&pulled).enumerate() {
                    *r -= sizes[e / width] * block[i * count + j] * p;
                }
            }
        }
        Ok(flat(&result))
    };
    let right = flat(g);
    let exact = roundoff.powf(2.0 / 3.0);
    let goals: Vec<f64> = right.chunks(size).map(|g| exact * length(g)).collect();
    let (found, outcomes) = gmres.solve(&mut apply, &right, &goals)?;
    if let Some(i) = outcomes
        .iter()
        .position(|outcome| *outcome != Outcome::Solved)
    {
        let reason = match outcomes[i] {
            Outcome::Left(_) => {
                "the transposed equations were not solved by products, so that there is no gradient; allow a matrix-free method \
                 more directions and iterations, or use one with matrices"
            }
            _ => {
                "the matrix of the transposed equations is singular or not finite, so that there is no gradient; take smaller steps"
            }
        };
        let at = format!("the backward pass of an implicit step, sample {i}");
        return Err(Error::stopped(at, reason));
    }
    Ok(by_stage(&found))
}
