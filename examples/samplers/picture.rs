//! The same noise by each sampler, a row each, with more and more evaluations to the right.

use std::path::Path;

use advect::prelude::*;
use advect_examples::image::draw_image;
use advect_examples::{FONT, picture};
use plotters::prelude::*;

const COLUMNS: i32 = 6;
const PIXEL: i32 = 4;
const CELL: i32 = 8 * PIXEL + 4;
const LEFT: i32 = 170;
const TOP: i32 = 40;
const GAP: i32 = 20;

/// Draws the first samples of each row.
pub(crate) fn draw(path: &Path, rows: &[(&str, Vec<Tensor>)], budgets: &[usize]) -> Result<()> {
    let block = COLUMNS * CELL + GAP;
    let size = (
        LEFT + budgets.len() as i32 * block,
        TOP + rows.len() as i32 * CELL + 8,
    );
    let size = (size.0 as u32, size.1 as u32);
    picture(path, size, |root| {
        let failed = |e: &dyn std::fmt::Display| Error::file(path, e);
        let text = |words: String, at: (i32, i32)| {
            let style = (FONT, 18).into_font().color(&BLACK);
            root.draw(&Text::new(words, at, style))
                .map_err(|e| failed(&e))
        };
        for (k, budget) in (0..).zip(budgets) {
            text(
                format!("at most {budget} evaluations"),
                (LEFT + k * block, 10),
            )?;
        }
        for (i, (name, images)) in (0..).zip(rows) {
            let top = TOP + i * CELL;
            text((*name).to_string(), (12, top + 6))?;
            for (k, images) in (0..).zip(images) {
                for column in 0..COLUMNS.min(images.dim(0)? as i32) {
                    let corner = (LEFT + k * block + column * CELL, top);
                    draw_image(root, &images.get(column as usize)?, PIXEL, corner)?;
                }
            }
        }
        Ok(())
    })
}
