//! Pictures of samples, and of the losses.

use std::path::{Path, PathBuf};

use advect::core::file;
use advect::prelude::*;
use advect_examples::image::draw_image;
use advect_examples::picture;
use advect_examples::plot::{self, BLUE, GREY, Panel};

/// Draws images `(count, channels, height, width)` in rows of `columns`.
pub(crate) fn grid(path: &Path, images: &Tensor, columns: usize) -> Result<()> {
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

/// The loss of each step, in a file and in a picture.
pub(crate) struct Losses {
    folder: PathBuf,
    /// The step of the first loss.
    first: usize,
    losses: Vec<f64>,
}

impl Losses {
    pub(crate) fn new(folder: &Path) -> Self {
        Losses {
            folder: folder.to_path_buf(),
            first: 1,
            losses: Vec::new(),
        }
    }

    /// Those of the run that is resumed after `steps`. Where they are not all there, the curve begins anew, which costs
    /// nothing but the curve.
    pub(crate) fn resume(&mut self, steps: usize) -> Result<()> {
        let path = self.folder.join("losses.csv");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.map_err(|e| Error::file(&path, e))?,
        };
        for line in text.lines().skip(1) {
            let wrong = || Error::file(&path, format!("a line {line:?}; expected step,loss"));
            let (step, loss) = line.split_once(',').ok_or_else(wrong)?;
            let step: usize = step.parse().map_err(|_| wrong())?;
            if self.losses.is_empty() {
                self.first = step;
            }
            if step != self.first + self.losses.len() {
                return Err(wrong());
            }
            self.losses.push(loss.parse().map_err(|_| wrong())?);
        }
        self.losses.truncate((steps + 1).saturating_sub(self.first));
        if self.first + self.losses.len() != steps + 1 {
            println!(
                "losses              begin anew after step {steps}: the file lacks some before it"
            );
            (self.first, self.losses) = (steps + 1, Vec::new());
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, loss: f64) {
        self.losses.push(loss);
    }

    /// Writes `losses.csv`, and draws `losses.png`: each step's, and their running mean.
    pub(crate) fn write(&self) -> Result<()> {
        let path = self.folder.join("losses.csv");
        file::write_atomically(&path, |f| {
            writeln!(f, "step,loss")?;
            (self.first..)
                .zip(&self.losses)
                .try_for_each(|(step, loss)| writeln!(f, "{step},{loss}"))
        })?;
        let Some(&first) = self.losses.first() else {
            return Ok(());
        };
        let mut mean = first;
        let smooth: Vec<f64> = (self.losses.iter().enumerate())
            .map(|(i, loss)| {
                // A plain mean at first, so that the beginning is forgotten.
                mean += (loss - mean) * 0.02f64.max(1.0 / (i + 1) as f64);
                mean
            })
            .collect();
        // Of the later half, with some room: the first steps would leave the others no height.
        let later = &self.losses[self.losses.len() / 2..];
        let highest = 1.5 * later.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let last = self.first + self.losses.len() - 1;
        let title = format!("loss to {highest:.3}, {last} steps, last mean {mean:.4}");
        let points = |losses: &[f64]| -> Vec<[f64; 2]> {
            let points = (self.first..).zip(losses);
            points
                .map(|(step, loss)| [step as f64, loss.min(highest)])
                .collect()
        };
        let steps = self.first as f64..last.max(self.first + 1) as f64;
        plot::panels(&self.folder.join("losses.png"), 1, 1, 480, |panels| {
            let panel = Panel::new(&panels[0], &title, steps, 0.0..highest)?;
            panel.line(points(&self.losses), &GREY)?;
            panel.line(points(&smooth), &BLUE)
        })
    }
}
