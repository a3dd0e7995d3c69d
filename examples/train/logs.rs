//! The logs of a run.

use std::path::Path;

use advect::prelude::*;
use advect_examples::Losses;
use advect_examples::configuration::{LogFormat, Logs};

/// The log of each format, if it is asked for.
type All = (Option<MetricLog>, (Option<MetricLog>, Option<MetricLog>));

/// Opens logs in the run's folder, or goes on with them.
pub(crate) fn open(config: &Logs, folder: &Path) -> Result<All> {
    let log = |format: LogFormat| -> Result<Option<MetricLog>> {
        if !config.formats.contains(&format) {
            return Ok(None);
        }
        let log = match format {
            LogFormat::Csv => MetricLog::csv(folder.join("log.csv")),
            LogFormat::Jsonl => MetricLog::json_lines(folder.join("log.jsonl")),
            LogFormat::Tensorboard => MetricLog::tensorboard(folder.join("events")),
        }?;
        Ok(Some(match config.speeds {
            true => log.with_speeds(),
            false => log,
        }))
    };
    let others = (log(LogFormat::Jsonl)?, log(LogFormat::Tensorboard)?);
    Ok((log(LogFormat::Csv)?, others))
}

/// Draws `losses.png` of the log in CSV, if there is one.
pub(crate) fn draw(config: &Logs, folder: &Path) -> Result<()> {
    match config.formats.contains(&LogFormat::Csv) {
        true => Losses::of_log(&folder.join("log.csv"))?.draw(),
        false => Ok(()),
    }
}
