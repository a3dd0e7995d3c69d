//! The losses of a run, as a file and as a picture.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use advect::core::file;
use advect::prelude::*;

use crate::plot::{self, Axis, BLUE, Corner, LIGHT, Panel, VERMILION};

/// The loss of each step, in a file and in a picture, and those on held-out data.
pub struct Losses {
    folder: PathBuf,
    /// The step of the first loss.
    first: usize,
    losses: Vec<f64>,
    /// Steps, and the losses on held-out data after them.
    validation: Vec<(usize, f64)>,
}

impl Losses {
    /// Starts a run's losses, whose files go to a folder.
    pub fn new(folder: &Path) -> Self {
        Losses {
            folder: folder.to_path_buf(),
            first: 1,
            losses: Vec::new(),
            validation: Vec::new(),
        }
    }

    /// Those that a [`MetricLog`] in CSV has of a run: the losses of all steps, and the column `validation` if there is one.
    ///
    /// # Errors
    /// [`Error::File`] for a file that can't be read or is no such log.
    pub fn of_log(log: &Path) -> Result<Self> {
        let rows = |name: &str| -> Result<Vec<(usize, f64)>> {
            let log = Csv::new(log).columns(["step", name]);
            let rows = log.missing(Missing::DropRow).read()?;
            let rows = rows.values().to_vec2::<f64>()?;
            Ok(rows.iter().map(|row| (row[0] as usize, row[1])).collect())
        };
        let losses = rows("loss")?;
        let header = std::fs::read_to_string(log).map_err(|e| Error::file(log, e))?;
        let mut names = header.lines().take(1).flat_map(|line| line.split(','));
        let validation = match names.any(|name| name == "validation") {
            true => rows("validation")?,
            false => Vec::new(),
        };
        Ok(Losses {
            folder: log.with_file_name(""),
            first: losses.first().map_or(1, |(step, _)| *step),
            losses: losses.into_iter().map(|(_, loss)| loss).collect(),
            validation,
        })
    }

    /// Those of the run that is resumed after `steps`. Where they are not all there, the curve begins anew, which costs
    /// nothing but the curve.
    ///
    /// # Errors
    /// [`Error::File`] for a file that can't be read or has other lines.
    pub fn resume(&mut self, steps: usize) -> Result<()> {
        let path = self.folder.join("losses.csv");
        for (step, loss) in read(&path)? {
            if self.losses.is_empty() {
                self.first = step;
            }
            if step != self.first + self.losses.len() {
                return Err(Error::file(&path, format!("step {step} is out of order")));
            }
            self.losses.push(loss);
        }
        self.validation = read(&self.folder.join("validation.csv"))?;
        self.validation.retain(|(step, _)| *step <= steps);
        self.losses.truncate((steps + 1).saturating_sub(self.first));
        if self.first + self.losses.len() != steps + 1 {
            println!(
                "losses              begin anew after step {steps}: the file lacks some before it"
            );
            (self.first, self.losses) = (steps + 1, Vec::new());
        }
        Ok(())
    }

    /// Adds the loss on held-out data after the trainer's last step, and returns it.
    ///
    /// # Errors
    /// Those of candle.
    pub fn validated(&mut self, trainer: &Trainer, loss: &Tensor) -> Result<f64> {
        let loss = loss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        self.validation.push((trainer.step(), loss));
        Ok(loss)
    }

    /// Writes `losses.csv` and, where there are any, `validation.csv`, and [draws](Losses::draw) them.
    ///
    /// # Errors
    /// [`Error::File`] if a file can't be written.
    pub fn write(&self) -> Result<()> {
        let steps = (self.first..).zip(self.losses.iter().copied());
        write(&self.folder.join("losses.csv"), steps)?;
        if !self.validation.is_empty() {
            let steps = self.validation.iter().copied();
            write(&self.folder.join("validation.csv"), steps)?;
        }
        self.draw()
    }

    /// Draws `losses.png`: each step's loss (grey), their running mean (blue), and those on held-out data (vermilion).
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be written.
    pub fn draw(&self) -> Result<()> {
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
        let title = format!("{last} steps, last mean {mean:.4}");
        let points = |losses: &[f64]| -> Vec<[f64; 2]> {
            let points = (self.first..).zip(losses);
            points
                .map(|(step, loss)| [step as f64, loss.min(highest)])
                .collect()
        };
        let steps = Axis::linear(self.first as f64..last.max(self.first + 1) as f64);
        let heights = Axis::linear(0.0..highest);
        plot::panels(&self.folder.join("losses.png"), 1, 1, 480, |panels| {
            let (steps, heights) = (steps.named("step"), heights.named("loss"));
            let panel = Panel::with_axes(&panels[0], &title, steps, heights)?;
            panel.line(points(&self.losses), &LIGHT)?;
            panel.stroke(points(&smooth), 1.6, &BLUE)?;
            let mut names = vec![("each step", LIGHT), ("running mean", BLUE)];
            if !self.validation.is_empty() {
                let held_out = self.validation.iter();
                let held_out = held_out.map(|(step, loss)| [*step as f64, loss.min(highest)]);
                panel.stroke(held_out, 1.6, &VERMILION)?;
                names.push(("held-out data", VERMILION));
            }
            panel.legend(Corner::BottomLeft, &names)
        })
    }
}

impl<O> Observer<Trainer<O>> for Losses {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        self.losses.push(trainer.report().loss);
        // By a `Validation` of this name, which was told of the step before.
        let score = trainer.recorded("validation");
        let score = score.filter(|(step, _)| *step == trainer.report().step);
        self.validation.extend(score);
        Ok(ControlFlow::Continue(()))
    }
}

/// The lines `step,loss` of a file; none if there is no file.
fn read(path: &Path) -> Result<Vec<(usize, f64)>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text.map_err(|e| Error::file(path, e))?,
    };
    let pair = |line: &str| -> Option<(usize, f64)> {
        let (step, loss) = line.split_once(',')?;
        Some((step.parse().ok()?, loss.parse().ok()?))
    };
    let wrong = |line: &str| Error::file(path, format!("a line {line:?}; expected step,loss"));
    let lines = text.lines().skip(1);
    lines
        .map(|line| pair(line).ok_or_else(|| wrong(line)))
        .collect()
}

fn write(path: &Path, pairs: impl Iterator<Item = (usize, f64)>) -> Result<()> {
    file::write_atomically(path, |f| {
        writeln!(f, "step,loss")?;
        pairs
            .into_iter()
            .try_for_each(|(step, loss)| writeln!(f, "{step},{loss}"))
    })
}
