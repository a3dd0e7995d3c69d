//! Images in rows and blocks of columns, with names.

use std::path::Path;

use advect::prelude::{Result, Tensor};
use plotters::style::text_anchor::{HPos, VPos};

use super::picture::FINE;
use super::text::{Label, anchor};
use super::{Canvas, draw_image, picture};

/// Logical pixels between images, between blocks, above them for their names, and around all.
const SPACE: i32 = 3;
const GAP: i32 = 20;
const TOP: i32 = 30;
const ROOM: i32 = 8;
const SIZE: f64 = 15.0;

/// Images in a row for each name on the left, and in a block for each name above.
pub struct Sheet<'a> {
    rows: Vec<&'a str>,
    blocks: Vec<&'a str>,
    /// Images in a row of a block.
    columns: usize,
    /// The side of an image.
    side: i32,
    /// What is where: row, block, images `(count, channels, height, width)`.
    images: Vec<(usize, usize, Tensor)>,
}

impl<'a> Sheet<'a> {
    /// An empty sheet, for at most `columns` images of this logical side in a row of a block.
    pub fn new(rows: &[&'a str], blocks: &[&'a str], columns: usize, side: u32) -> Self {
        Sheet {
            rows: rows.to_vec(),
            blocks: blocks.to_vec(),
            columns,
            side: side as i32,
            images: Vec::new(),
        }
    }

    /// Puts images into a row of a block. Smaller ones have larger pixels.
    pub fn put(&mut self, row: usize, block: usize, images: &Tensor) {
        self.images.push((row, block, images.clone()));
    }

    /// Draws all, and writes a picture.
    ///
    /// # Errors
    /// As [`picture`](fn@picture).
    pub fn draw(&self, path: &Path) -> Result<()> {
        let cell = self.side + SPACE;
        let widths = self.rows.iter().map(|name| label(name, (0, 0)).width());
        let widest = widths.collect::<Result<Vec<i32>>>()?.into_iter().max();
        let names = widest.unwrap_or(0) / FINE;
        let left = ROOM + names + if names > 0 { 12 } else { 0 };
        let top = if self.blocks.iter().all(|name| name.is_empty()) {
            ROOM
        } else {
            TOP
        };
        let block = self.columns as i32 * cell + GAP;
        let size = (
            left + self.blocks.len() as i32 * block - GAP + ROOM,
            top + self.rows.len() as i32 * cell + ROOM,
        );
        picture(path, (size.0 as u32, size.1 as u32), |root| {
            for (k, name) in (0..).zip(&self.rows) {
                let middle = top + k * cell + self.side / 2;
                label(name, (ROOM * FINE, middle * FINE)).draw(root)?;
            }
            for (k, name) in (0..).zip(&self.blocks) {
                let at = ((left + k * block) * FINE, TOP / 2 * FINE);
                label(name, at).draw_within(root, (block - GAP) * FINE)?;
            }
            for (row, k, images) in &self.images {
                let corner = (left + *k as i32 * block, top + *row as i32 * cell);
                self.draw_row(root, images, corner)?;
            }
            Ok(())
        })
    }

    fn draw_row(&self, root: &Canvas<'_>, images: &Tensor, (x, y): (i32, i32)) -> Result<()> {
        let (count, _, height, width) = images.dims4()?;
        let pixel = (self.side / height.max(width) as i32).max(1);
        (0..count.min(self.columns)).try_for_each(|i| {
            let corner = (x + i as i32 * (self.side + SPACE), y);
            draw_image(root, &images.get(i)?, pixel, corner)
        })
    }
}

fn label(words: &str, at: (i32, i32)) -> Label<'_> {
    Label {
        words,
        size: SIZE,
        at,
        anchor: anchor(HPos::Left, VPos::Center),
    }
}
