//! Sites and their neighbours on a lattice with periodic boundaries.

use advect_core::{Error, Result, check};
use candle_core::Tensor;

/// Checks the extents of a lattice, and returns the number of its sites.
pub(super) fn check_extents(extents: &[usize], least: usize) -> Result<usize> {
    if extents.is_empty() || extents.iter().any(|extent| *extent < least) {
        let accepted = format!("extents of at least {least} in one dimension or more");
        return Err(Error::shape("extents", extents, accepted));
    }
    let product = |count: usize, extent: &usize| count.checked_mul(*extent);
    let sites = extents.iter().try_fold(1, product);
    sites.ok_or_else(|| Error::shape("extents", extents, "sites that fit in memory"))
}

/// Checks that configurations live on a lattice of these extents, and returns how many there are.
pub(super) fn check_field(x: &Tensor, extents: &[usize]) -> Result<usize> {
    let batch = check::batch("field", x)?;
    if x.dims()[1..] != *extents {
        let accepted = format!("(batch, ...) with the extents {extents:?}");
        return Err(Error::shape("field", x.dims(), accepted));
    }
    check::float("field", x)?;
    Ok(batch)
}

/// The fields at the next site in each dimension, φ(x + μ̂).
pub(super) fn forward_neighbours(x: &Tensor) -> Result<Vec<Tensor>> {
    let dimensions = 1..x.rank();
    Ok(dimensions
        .map(|d| x.roll(-1, d))
        .collect::<candle_core::Result<_>>()?)
}

/// `Σ_μ φ(x + μ̂)`.
pub(super) fn sum_of_forward_neighbours(x: &Tensor) -> Result<Tensor> {
    let mut neighbours = forward_neighbours(x)?.into_iter();
    let first = neighbours.next();
    let first = first.ok_or_else(|| Error::shape("field", x.dims(), "(batch, ...)"))?;
    neighbours.try_fold(first, |sum, next| Ok((sum + next)?))
}
