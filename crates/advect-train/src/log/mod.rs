//! Logs of the numbers of a run, as files.

mod crc32c;
mod csv;
mod json_lines;
mod tensorboard;

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use advect_core::{Error, Observer, Result, file};

use crate::Trainer;
use crate::locked::Locked;
use csv::Csv;
use json_lines::JsonLines;
use tensorboard::TensorBoard;

/// The time between two syncs of a file.
const SYNC: Duration = Duration::from_secs(1);

/// A format of logs, which has a record for each row. The steps of the rows rise.
trait Format: Send {
    /// The beginning of a new file.
    fn begin(&self) -> Vec<u8>;

    /// Reads a log. A record that was cut off at the end is left out, if it begins as one.
    ///
    /// # Errors
    /// The fault of a file of another kind.
    fn read(&mut self, bytes: &[u8]) -> Result<Contents, String>;

    /// The whole file with room for a row, if that has to be made. It is to be [read](Format::read) where it has been written.
    fn widened(&self, _row: &Row, _bytes: &dyn Fn() -> Result<Vec<u8>>) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// The record of a row.
    fn encode(&self, row: &Row) -> Vec<u8>;
}

/// The numbers of a step, by name.
struct Row {
    step: usize,
    values: Vec<(String, f64)>,
}

/// The places of the records of a file.
struct Contents {
    /// The end of its beginning; 0 if that is not whole.
    begin: usize,
    /// The step and the end of each record.
    records: Vec<(usize, usize)>,
}

/// Whether bytes that may be cut off begin in this way.
fn begins_as(bytes: &[u8], start: &[u8]) -> bool {
    bytes.starts_with(start) || start.starts_with(bytes)
}

/// An observer that logs the numbers of a run: the loss, the norm of the gradient and the learning rate of each step that it
/// sees, and the numbers that observers have [recorded](Trainer::record) since its last row, at the step of the row.
///
/// A run that resumes goes on with its log: rows of steps that it makes again are removed first, as is a row that was cut off.
/// With the log among the observers [`CheckpointFolder::after`](crate::CheckpointFolder::after) which the run is saved, a
/// run that was killed and resumed has each row once. Rows are in the system's hands at once, and on the disk within about a
/// second of training.
///
/// | format | rows |
/// | --- | --- |
/// | [`csv`](MetricLog::csv) | lines of numbers under their names; a number that comes later gets a new column |
/// | [`json_lines`](MetricLog::json_lines) | objects such as `{"step":10,"loss":0.5}`, one a line; NaN and infinities are `null` |
/// | [`tensorboard`](MetricLog::tensorboard) | scalars in an event file of TensorBoard |
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::observer::{MetricLog, every};
/// use advect_train::{AdamW, AdamWConfig, Trainer};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0));
/// # let path = std::env::temp_dir().join(format!("advect-doc-log-{}.csv", std::process::id()));
/// let log = MetricLog::csv(&path)?;
/// let x = Tensor::ones((1, 1), DType::F64, &Device::Cpu)?;
/// let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sum_all()?);
/// trainer.run(20, loss, &mut every(10, log)?)?;
/// let text = std::fs::read_to_string(&path).unwrap();
/// let lines: Vec<&str> = text.lines().collect();
/// assert_eq!(lines[0], "step,loss,gradient_norm,learning_rate");
/// assert!(lines[1].starts_with("10,") && lines[2].starts_with("20,") && lines[2].ends_with(",0.001"));
/// # std::fs::remove_file(path).unwrap();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SummaryWriter")]
#[doc(alias = "CSVLogger")]
#[doc(alias = "tensorboard")]
#[doc(alias = "wandb")]
pub struct MetricLog {
    path: PathBuf,
    file: Locked,
    format: Box<dyn Format>,
    /// The step of the last row.
    last: Option<usize>,
    /// The step of the last row that was there when the file was opened or cut: numbers up to it are in the file.
    before: Option<usize>,
    /// The step at which each number was recorded that has been written since.
    written: BTreeMap<String, usize>,
    speeds: bool,
    synced: Instant,
}

impl MetricLog {
    /// Opens a log of comma-separated values, or creates it.
    ///
    /// # Errors
    /// [`Error::File`] if the file can't be opened for writing, is not such a log, or is written by another run.
    pub fn csv(path: impl AsRef<Path>) -> Result<Self> {
        MetricLog::open(path.as_ref(), Box::new(Csv::default()))
    }

    /// Opens a log of JSON objects, one a line, or creates it.
    ///
    /// # Errors
    /// As [`MetricLog::csv`].
    #[doc(alias = "jsonl")]
    pub fn json_lines(path: impl AsRef<Path>) -> Result<Self> {
        MetricLog::open(path.as_ref(), Box::new(JsonLines))
    }

    /// Opens the event file of TensorBoard in a folder, or creates both: `tensorboard --logdir FOLDER` shows it. Numbers are
    /// rounded to f32.
    ///
    /// # Errors
    /// As [`MetricLog::csv`].
    pub fn tensorboard(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
        let path = folder.join(tensorboard::NAME);
        MetricLog::open(&path, Box::new(TensorBoard))
    }

    /// Logs the speeds of the run as well: `steps_per_second`, and `samples_per_second` if the trainer knows the size of its
    /// batches. Without this, files in text have the same bytes each time that the same run is made.
    pub fn with_speeds(mut self) -> Self {
        self.speeds = true;
        self
    }

    fn open(path: &Path, format: Box<dyn Format>) -> Result<Self> {
        let mut log = MetricLog {
            path: path.to_path_buf(),
            file: locked(path)?,
            format,
            last: None,
            before: None,
            written: BTreeMap::new(),
            speeds: false,
            synced: Instant::now(),
        };
        log.cut(usize::MAX)?;
        Ok(log)
    }

    /// Removes what was cut off, and the rows from a step on.
    fn cut(&mut self, step: usize) -> Result<()> {
        let bytes = file::read(&self.path)?;
        let contents = self.format.read(&bytes).map_err(|e| self.wrong(e))?;
        let kept = contents.records.partition_point(|(other, _)| *other < step);
        let last = kept.checked_sub(1).map(|last| contents.records[last]);
        let end = last.map_or(contents.begin, |(_, end)| end);
        if end < bytes.len() {
            let shortened = self.file.set_len(end as u64);
            shortened.map_err(|e| self.wrong(e))?;
        }
        if end == 0 {
            self.append(&self.format.begin())?;
        }
        self.last = last.map(|(step, _)| step);
        self.before = self.last;
        self.written.retain(|_, at| Some(*at) <= self.last);
        Ok(())
    }

    /// Takes the numbers that no row has yet.
    fn new_records(&mut self, records: Vec<(String, (usize, f64))>) -> Vec<(String, f64)> {
        let mut new = Vec::new();
        for (name, (at, value)) in records {
            let known = self.written.get(&name).copied().or(self.before);
            if known.is_none_or(|known| at > known) {
                self.written.insert(name.clone(), at);
                new.push((name, value));
            }
        }
        new
    }

    fn write(&mut self, row: &Row) -> Result<()> {
        let path = self.path.clone();
        if let Some(bytes) = self.format.widened(row, &|| file::read(&path))? {
            file::write_atomically(&self.path, |f| f.write_all(&bytes))?;
            self.format.read(&bytes).map_err(|e| self.wrong(e))?;
            self.file = locked(&self.path)?;
        }
        self.append(&self.format.encode(row))?;
        self.last = Some(row.step);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let mut file: &File = &self.file;
        let end = file.seek(SeekFrom::End(0)).map_err(|e| self.wrong(e))?;
        if let Err(error) = file.write_all(bytes) {
            // Half a row, as on a full disk, would be the beginning of the next one.
            let _ = file.set_len(end);
            return Err(self.wrong(error));
        }
        if self.synced.elapsed() >= SYNC {
            self.file.sync_data().map_err(|e| self.wrong(e))?;
            self.synced = Instant::now();
        }
        Ok(())
    }

    fn wrong(&self, reason: impl std::fmt::Display) -> Error {
        Error::file(&self.path, reason)
    }
}

/// Opens a file for reading and writing, which no other process may have open in this way.
fn locked(path: &Path) -> Result<Locked> {
    if path.exists() {
        file::open(path)?; // A regular file.
    }
    let options = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    let file = options.map_err(|e| Error::file(path, e))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::file(path, "another run writes this log")),
        // Where there are no locks, there is no other harm.
        _ => Ok(Locked(file)),
    }
}

impl<O> Observer<Trainer<O>> for MetricLog {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        let report = trainer.report();
        if self.last.is_some_and(|last| report.step <= last) {
            self.cut(report.step)?;
        }
        let mut values = vec![
            ("loss".to_string(), report.loss),
            ("gradient_norm".to_string(), report.gradient_norm),
            ("learning_rate".to_string(), report.learning_rate),
        ];
        if self.speeds {
            let speeds = [
                ("steps_per_second", trainer.steps_per_second()),
                ("samples_per_second", trainer.samples_per_second()),
            ];
            let known = speeds
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_string(), value?)));
            values.extend(known);
        }
        values.extend(self.new_records(trainer.all_recorded()));
        self.write(&Row {
            step: report.step,
            values,
        })?;
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for MetricLog {
    fn drop(&mut self) {
        let _ = self.file.sync_data();
    }
}

impl std::fmt::Debug for MetricLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricLog")
            .field("path", &self.path)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
