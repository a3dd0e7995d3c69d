//! A grid of digits: real ones on the left, generated ones on the right, a class a row.

use std::path::Path;

use advect::prelude::*;
use advect_examples::image::draw_image;
use advect_examples::{FONT, picture};
use plotters::prelude::*;

const COLUMNS: usize = 10;
const PIXEL: i32 = 5;
const CELL: i32 = 8 * PIXEL + 6;
const LEFT: i32 = 40;
const TOP: i32 = 44;
const GAP: i32 = 36;

/// Draws the first digits of each class. Generated images have the classes in turn.
pub(crate) fn draw(path: &Path, real: &Digits, generated: &Tensor) -> Result<()> {
    let block = COLUMNS as i32 * CELL;
    let size = (LEFT + 2 * block + GAP + 12, TOP + 10 * CELL + 8);
    let size = (size.0 as u32, size.1 as u32);
    picture(path, size, |root| {
        let failed = |e: &dyn std::fmt::Display| Error::file(path, e);
        let text = |words: &str, size: i32, at: (i32, i32)| {
            let style = (FONT, size).into_font().color(&BLACK);
            root.draw(&Text::new(words.to_string(), at, style))
                .map_err(|e| failed(&e))
        };
        text("real", 24, (LEFT, 12))?;
        text("generated", 24, (LEFT + block + GAP, 12))?;

        let labels = real.labels.to_vec1::<u32>()?;
        for class in 0..Digits::CLASSES {
            let top = TOP + class as i32 * CELL;
            text(&class.to_string(), 26, (14, top + 4))?;
            let originals = (0..labels.len()).filter(|&i| labels[i] as usize == class);
            let samples = (class..generated.dim(0)?).step_by(Digits::CLASSES);
            for (images, indices, left) in [
                (
                    &real.images,
                    originals.take(COLUMNS).collect::<Vec<_>>(),
                    LEFT,
                ),
                (
                    generated,
                    samples.take(COLUMNS).collect(),
                    LEFT + block + GAP,
                ),
            ] {
                for (column, index) in indices.into_iter().enumerate() {
                    let corner = (left + column as i32 * CELL, top);
                    draw_image(root, &images.get(index)?, PIXEL, corner)?;
                }
            }
        }
        Ok(())
    })
}
