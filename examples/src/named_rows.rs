//! Images of several sources, a row each.

use std::path::Path;

use advect::prelude::*;

use crate::plot::Sheet;

/// Draws the first images `(count, …)` of each row, of `side × side` pixels, beside the row's name.
///
/// # Errors
/// As [`picture`](fn@crate::plot::picture).
pub fn named_rows(
    path: &Path,
    rows: &[(&str, &Tensor)],
    side: usize,
    columns: usize,
) -> Result<()> {
    let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    let logical = side * (40 / side.max(1)).max(1);
    let mut sheet = Sheet::new(&names, &[""], columns, logical as u32);
    for (row, (_, images)) in rows.iter().enumerate() {
        sheet.put(row, 0, &images.reshape(((), 1, side, side))?);
    }
    sheet.draw(path)
}
