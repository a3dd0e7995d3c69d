//! Samples of images, in rows.

use std::path::Path;

use advect::prelude::*;

use crate::image::draw_image;
use crate::picture;

/// Draws images `(count, channels, height, width)` in rows of `columns`.
///
/// # Errors
/// As [`picture`](fn@crate::picture).
pub fn grid(path: &Path, images: &Tensor, columns: usize) -> Result<()> {
    let (count, _, height, width) = images.dims4()?;
    let pixel = (48 / height.max(width).max(1)).max(1) as i32;
    let cell = |side: usize| side as i32 * pixel + 4;
    let rows = count.div_ceil(columns);
    let size = (
        columns as i32 * cell(width) + 4,
        rows as i32 * cell(height) + 4,
    );
    picture(path, (size.0 as u32, size.1 as u32), |root| {
        (0..count).try_for_each(|i| {
            let (row, column) = ((i / columns) as i32, (i % columns) as i32);
            let corner = (4 + column * cell(width), 4 + row * cell(height));
            draw_image(root, &images.get(i)?, pixel, corner)
        })
    })
}
