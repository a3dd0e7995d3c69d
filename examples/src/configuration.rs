//! The configuration of a run: a file of TOML, with keys that are set on the command line.

use std::path::{Path, PathBuf};

use advect::core::file;
use advect::prelude::*;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// All keys, with their defaults. Others are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seed of everything random.
    pub seed: u64,
    /// cpu, cuda or cuda:N.
    pub device: String,
    /// Rows or pictures.
    pub data: Data,
    /// What learns them.
    pub network: Network,
    /// How it learns.
    pub training: Training,
    /// What is drawn of it.
    pub samples: Samples,
    /// The numbers of each step, as files.
    pub logs: Logs,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            seed: 0,
            device: "cpu".into(),
            data: Data::default(),
            network: Network::default(),
            training: Training::default(),
            samples: Samples::default(),
            logs: Logs::default(),
        }
    }
}

/// The data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// A file of comma-separated values.
    pub csv: Option<PathBuf>,
    /// A folder of pictures, or of folders of them, one for each class.
    pub images: Option<PathBuf>,
    /// The column with the classes of rows.
    pub label: Option<String>,
    /// The columns to learn; all unless told.
    pub columns: Option<Vec<String>>,
    /// Columns to leave out.
    pub without: Vec<String>,
    /// The character between cells.
    pub separator: char,
    /// What is done with missing values.
    pub missing: Missing,
    /// Height and width to which pictures are cut and scaled.
    pub size: Option<u32>,
    /// The fraction of rows or pictures for validation.
    pub held_out: f64,
}

impl Default for Data {
    fn default() -> Self {
        Data {
            csv: None,
            images: None,
            label: None,
            columns: None,
            without: Vec::new(),
            separator: ',',
            missing: Missing::Refuse,
            size: None,
            held_out: 0.1,
        }
    }
}

/// The treatment of missing values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// An error.
    Refuse,
    /// The row is left out.
    Drop,
    /// The mean of the column.
    Mean,
}

/// The network of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Width of the hidden layers, for tables.
    pub width: usize,
    /// Hidden layers, for tables.
    pub layers: usize,
    /// Width of the U-Net, a multiple of 16, for pictures.
    pub channels: usize,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            width: 128,
            layers: 3,
            channels: 32,
        }
    }
}

/// The training of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Training {
    /// Training steps.
    pub steps: usize,
    /// Samples in a batch.
    pub batch: usize,
    /// The largest learning rate.
    pub rate: f64,
    /// Decay of the average of the weights.
    pub ema: f64,
    /// The largest norm of gradients.
    pub clip: f64,
    /// How noise and data are paired.
    pub coupling: Coupled,
    /// The probability with which a label is left out.
    pub dropout: f64,
    /// What a loss that is not finite does.
    pub non_finite: NonFinite,
    /// Steps from one validation, checkpoint and picture to the next.
    pub every: usize,
    /// Steps without a better loss on held-out data, after which the run ends early; it never does unless told.
    pub patience: Option<usize>,
    /// Checkpoints that are kept, besides the best.
    pub keep: usize,
}

impl Default for Training {
    fn default() -> Self {
        Training {
            steps: 2000,
            batch: 64,
            rate: 2e-3,
            ema: 0.99,
            clip: 1.0,
            coupling: Coupled::Optimal,
            dropout: 0.1,
            non_finite: NonFinite::Stop,
            every: 200,
            patience: None,
            keep: 2,
        }
    }
}

/// How noise and data are paired.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Coupled {
    /// By optimal transport.
    Optimal,
    /// By chance.
    Independent,
}

/// What a loss or gradient that is not finite does: it ends the run, its step is skipped, or the rate is halved besides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NonFinite {
    /// The run ends.
    Stop,
    /// The step is skipped.
    Skip,
    /// The step is skipped, and the rate halved.
    Lower,
}

/// The samples of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Samples {
    /// Samples to draw.
    pub count: usize,
    /// Weight of classifier-free guidance: 1 is none.
    pub guidance: f64,
}

impl Default for Samples {
    fn default() -> Self {
        Samples {
            count: 100,
            guidance: 1.0,
        }
    }
}

/// The logs of a run: loss, norm of the gradient, learning rate and held-out losses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Logs {
    /// The formats; the curve of the losses is drawn from CSV.
    pub formats: Vec<LogFormat>,
    /// Steps and samples a second as well, with which two runs don't have the same bytes.
    pub speeds: bool,
}

impl Default for Logs {
    fn default() -> Self {
        Logs {
            formats: vec![LogFormat::Csv],
            speeds: false,
        }
    }
}

/// A format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Comma-separated values, `log.csv`.
    Csv,
    /// JSON objects, one a line, `log.jsonl`.
    Jsonl,
    /// An event file of TensorBoard, in the folder `events`.
    Tensorboard,
}

impl Config {
    /// Reads a file, or the defaults without one, and sets keys: `training.steps=100`.
    ///
    /// # Errors
    /// [`Error::File`] for a file that can't be read, is no TOML or has unknown keys; [`Error::Range`] for what is no number in its range.
    pub fn read(path: Option<&Path>, set: &[String]) -> Result<Self> {
        let mut all = match path {
            Some(path) => {
                let text = String::from_utf8(file::read(path)?);
                let text = text.map_err(|_| Error::file(path, "this is not a text in UTF-8"))?;
                text.parse::<Table>().map_err(|e| Error::file(path, e))?
            }
            None => Table::new(),
        };
        for pair in set {
            let wrong = || Error::range("set", pair, "KEY=VALUE, as in training.steps=100");
            let (key, value) = pair.split_once('=').ok_or_else(wrong)?;
            // A value of TOML, or a text without its quotes.
            let one = format!("{key} = {value}").parse::<Table>();
            let one = one.or_else(|_| format!("{key} = {value:?}").parse());
            merge(&mut all, one.map_err(|_| wrong())?);
        }
        let config: Config = (all.try_into())
            .map_err(|e| Error::file(path.unwrap_or(Path::new("the configuration")), e))?;
        config.check()?;
        Ok(config)
    }

    /// Writes all keys.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = self.to_toml()?;
        file::write_atomically(path, |f| f.write_all(text.as_bytes()))
    }

    /// Returns all keys as TOML.
    ///
    /// # Errors
    /// [`Error::Range`] for a number that TOML doesn't hold.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::range("configuration", e, "numbers below 2^63"))
    }

    /// What can be known before the data are read.
    fn check(&self) -> Result<()> {
        check::at_least_one("training.steps", self.training.steps)?;
        check::at_least_one("training.batch", self.training.batch)?;
        check::at_least_one("training.every", self.training.every)?;
        check::at_least_one("training.patience", self.training.patience.unwrap_or(1))?;
        check::at_least_one("samples.count", self.samples.count)?;
        check::at_least_one("network.width", self.network.width)?;
        check::non_negative("samples.guidance", self.samples.guidance)?;
        let held_out = self.data.held_out;
        if !(held_out > 0.0 && held_out < 1.0) {
            return Err(Error::range(
                "data.held_out",
                held_out,
                "a number in (0, 1)",
            ));
        }
        if !self.data.separator.is_ascii() {
            let accepted = "a character of ASCII";
            return Err(Error::range(
                "data.separator",
                self.data.separator,
                accepted,
            ));
        }
        match (&self.data.csv, &self.data.images) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => Err(Error::range("data", "none", "data.csv or data.images")),
            _ => Err(Error::range(
                "data",
                "both",
                "data.csv or data.images, not both",
            )),
        }
    }
}

/// Sets the keys of `more`, and of the tables in it.
fn merge(all: &mut Table, more: Table) {
    for (key, value) in more {
        match (all.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => merge(inner, value),
            (_, value) => drop(all.insert(key, value)),
        }
    }
}
