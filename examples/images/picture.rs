//! Pictures of samples, and of the losses.

use std::path::{Path, PathBuf};

use advect::prelude::*;
use advect_examples::image::draw_image;
use advect_examples::plot::{self, BLUE, GREY, Panel};
use plotters::prelude::*;

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
    let root = BitMapBackend::new(path, (size.0 as u32, size.1 as u32)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| Error::file(path, e))?;
    for i in 0..count {
        let (row, column) = ((i / columns) as i32, (i % columns) as i32);
        let corner = (4 + column * cell(width), 4 + row * cell(height));
        draw_image(&root, &images.get(i)?, pixel, corner)?;
    }
    root.present().map_err(|e| Error::file(path, e))
}

/// The loss of each step, in a file and in a picture.
pub(crate) struct Losses {
    folder: PathBuf,
    losses: Vec<f64>,
}

impl Losses {
    pub(crate) fn new(folder: &Path) -> Self {
        Losses {
            folder: folder.to_path_buf(),
            losses: Vec::new(),
        }
    }

    /// Those of the run that is resumed at a step.
    pub(crate) fn resume(&mut self, step: usize) -> Result<()> {
        let path = self.folder.join("losses.csv");
        let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
        let losses = text.lines().map(|line| line.parse::<f64>());
        let losses: std::result::Result<Vec<f64>, _> = losses.collect();
        self.losses = losses.map_err(|e| Error::file(&path, e))?;
        if self.losses.len() < step {
            let reason = format!(
                "it has {} losses, the checkpoint is of step {step}",
                self.losses.len()
            );
            return Err(Error::file(&path, reason));
        }
        self.losses.truncate(step);
        Ok(())
    }

    pub(crate) fn push(&mut self, loss: f64) {
        self.losses.push(loss);
    }

    /// Writes `losses.csv`, and draws `losses.png`: each step's, and their running mean.
    pub(crate) fn write(&self) -> Result<()> {
        let path = self.folder.join("losses.csv");
        let lines: String = self.losses.iter().map(|loss| format!("{loss}\n")).collect();
        std::fs::write(&path, lines).map_err(|e| Error::file(&path, e))?;
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
        let end = self.losses.len().max(2) as f64;
        let path = self.folder.join("losses.png");
        let panels = plot::canvas(&path, 1, 1, 480)?;
        let title = format!(
            "loss to {highest:.3}, {} steps, last mean {mean:.4}",
            self.losses.len()
        );
        let panel = Panel::new(&panels[0], &title, 0.0..end, 0.0..highest)?;
        let points = |losses: &[f64]| -> Vec<[f64; 2]> {
            let points = losses.iter().enumerate();
            points
                .map(|(i, loss)| [i as f64, loss.min(highest)])
                .collect()
        };
        panel.line(points(&self.losses), &GREY)?;
        panel.line(points(&smooth), &BLUE)?;
        plot::finish(&path, &panels)
    }
}
