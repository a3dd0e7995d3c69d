//! Images of several sources, a row each.

use std::path::Path;

use advect::prelude::*;
use plotters::prelude::*;

use crate::image::draw_image;
use crate::{FONT, picture};

const PIXEL: i32 = 5;
const LEFT: i32 = 230;

/// Draws the first images `(count, …)` of each row, of `side × side` pixels, beside the row's name.
///
/// # Errors
/// As [`picture`](fn@crate::picture).
pub fn named_rows(
    path: &Path,
    rows: &[(&str, &Tensor)],
    side: usize,
    columns: usize,
) -> Result<()> {
    let cell = side as i32 * PIXEL + 6;
    let size = (
        LEFT + columns as i32 * cell + 4,
        rows.len() as i32 * cell + 8,
    );
    picture(path, (size.0 as u32, size.1 as u32), |root| {
        for (i, (name, images)) in (0..).zip(rows) {
            let top = 6 + i * cell;
            let style = (FONT, 20).into_font().color(&BLACK);
            let text = Text::new((*name).to_string(), (12, top + 10), style);
            root.draw(&text).map_err(|e| Error::file(path, e))?;
            for k in 0..columns.min(images.dim(0)?) {
                let image = images.get(k)?.reshape((side, side))?;
                draw_image(root, &image, PIXEL, (LEFT + k as i32 * cell, top))?;
            }
        }
        Ok(())
    })
}
