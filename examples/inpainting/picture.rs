//! A block of columns for each problem: the digits, what is known of them, and what each method makes of that.

use std::path::Path;

use advect::prelude::*;
use advect_examples::image::draw_image;
use advect_examples::{FONT, picture};
use plotters::prelude::*;

use crate::Problem;

const COLUMNS: i32 = 10;
const PIXEL: i32 = 5;
const CELL: i32 = 8 * PIXEL + 6;
const LEFT: i32 = 170;
const TOP: i32 = 36;
const GAP: i32 = 28;

/// Draws the first digits. A method that a problem does not have leaves its row empty.
pub(crate) fn draw(path: &Path, digits: &Tensor, problems: &[Problem]) -> Result<()> {
    let methods: Vec<&str> = problems[0]
        .completed
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let block = COLUMNS * CELL + GAP;
    let size = (
        LEFT + problems.len() as i32 * block,
        TOP + (methods.len() as i32 + 2) * CELL + 8,
    );
    picture(path, (size.0 as u32, size.1 as u32), |root| {
        let failed = |e: &dyn std::fmt::Display| Error::file(path, e);
        let text = |words: &str, at: (i32, i32)| {
            let style = (FONT, 18).into_font().color(&BLACK);
            root.draw(&Text::new(words.to_string(), at, style))
                .map_err(|e| failed(&e))
        };
        let names = ["digits", "known"]
            .into_iter()
            .chain(methods.iter().copied());
        for (row, name) in (0..).zip(names) {
            text(name, (12, TOP + row * CELL + 10))?;
        }
        for (k, problem) in (0..).zip(problems) {
            let left = LEFT + k * block;
            text(problem.name, (left, 8))?;
            let row = |row: i32, images: &Tensor| {
                // Smaller images have larger pixels.
                let pixel = PIXEL * 8 / images.dim(3)? as i32;
                (0..COLUMNS.min(images.dim(0)? as i32)).try_for_each(|column| {
                    let corner = (left + column * CELL, TOP + row * CELL);
                    draw_image(root, &images.get(column as usize)?, pixel, corner)
                })
            };
            row(0, digits)?;
            row(1, &problem.measured)?;
            for (name, images) in &problem.completed {
                let at = methods
                    .iter()
                    .position(|method| method == name)
                    .unwrap_or(0);
                row(at as i32 + 2, images)?;
            }
        }
        Ok(())
    })
}
