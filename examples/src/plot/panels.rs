//! Panels in rows.

use std::path::Path;

use advect::prelude::Result;

use super::{Canvas, picture};

/// Draws on square panels of this logical size, row by row, and writes them as one [`picture`](fn@picture).
///
/// # Errors
/// As [`picture`](fn@picture).
pub fn panels(
    path: &Path,
    rows: usize,
    columns: usize,
    size: u32,
    draw: impl FnOnce(&[Canvas<'_>]) -> Result<()>,
) -> Result<()> {
    oblong_panels(path, rows, columns, (size, size), draw)
}

/// The same on panels of a logical width and height.
///
/// # Errors
/// As [`picture`](fn@picture).
pub fn oblong_panels(
    path: &Path,
    rows: usize,
    columns: usize,
    (width, height): (u32, u32),
    draw: impl FnOnce(&[Canvas<'_>]) -> Result<()>,
) -> Result<()> {
    let whole = (columns as u32 * width, rows as u32 * height);
    picture(path, whole, |root| {
        draw(&root.split_evenly((rows, columns)))
    })
}
