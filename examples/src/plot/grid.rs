//! Samples of images, in rows, without names.

use std::path::Path;

use advect::prelude::*;

use super::Sheet;

/// Draws images `(count, channels, height, width)` in rows of `columns`, each of about 48 logical pixels.
///
/// # Errors
/// As [`picture`](fn@super::picture).
pub fn grid(path: &Path, images: &Tensor, columns: usize) -> Result<()> {
    let (count, _, height, width) = images.dims4()?;
    let longer = height.max(width).max(1);
    let side = longer * (48 / longer).max(1);
    let rows = count.div_ceil(columns);
    let mut sheet = Sheet::new(&vec![""; rows], &[""], columns, side as u32);
    for row in 0..rows {
        let first = row * columns;
        let these = images.narrow(0, first, columns.min(count - first))?;
        sheet.put(row, 0, &these);
    }
    sheet.draw(path)
}
