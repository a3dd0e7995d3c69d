//! What a reader drew, as the data of a flow.

use advect::prelude::*;

/// The width of the noise in the coordinates of the page.
pub const SCALE: f64 = 0.4;

/// The most points that a drawing may have.
pub const MOST_POINTS: usize = 20_000;

/// Returns the points `x, y, x, y, …` of a page as a tensor `(n, 2)` in the coordinates of the network.
///
/// # Errors
/// [`Error::Range`] for fewer than two points or more than [`MOST_POINTS`], for half a point, and for a coordinate outside the
/// drawing area.
pub(crate) fn points(coordinates: &[f32]) -> Result<Tensor> {
    let count = coordinates.len() / 2;
    if coordinates.len() % 2 == 1 {
        let accepted = "two for each point";
        return Err(Error::range("coordinates", coordinates.len(), accepted));
    }
    if !(2..=MOST_POINTS).contains(&count) {
        let accepted = format!("2 to {MOST_POINTS}: draw at least two points");
        return Err(Error::range("points", count, accepted));
    }
    if let Some(outside) = coordinates.iter().find(|c| !(-1.0..=1.0).contains(*c)) {
        let accepted = "coordinates in [-1, 1]";
        return Err(Error::range("points", outside, accepted));
    }
    let scaled = coordinates.iter().map(|c| (f64::from(*c) / SCALE) as f32);
    Ok(Tensor::from_vec(
        scaled.collect::<Vec<_>>(),
        (count, 2),
        &Device::Cpu,
    )?)
}

/// Returns the coordinates `x, y, x, y, …` on the page of states `(n, 2)`.
pub(crate) fn coordinates(x: &Tensor) -> Result<Vec<f32>> {
    Ok((x.flatten_all()? * SCALE)?.to_vec1()?)
}
