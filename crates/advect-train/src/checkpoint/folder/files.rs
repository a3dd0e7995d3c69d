//! The files of a folder of checkpoints.

use std::fs;
use std::path::{Path, PathBuf};

use advect_core::{Error, Result};

/// The end of the names of all checkpoints.
const END: &str = ".safetensors";

/// The files of checkpoints in a folder, by name.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Files { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The steps of the checkpoints, from the first to the last.
    pub(super) fn steps(&self) -> Result<Vec<usize>> {
        let mut steps: Vec<usize> = (self.names()?.iter())
            .filter_map(|name| {
                let step = name
                    .strip_prefix("step-")?
                    .strip_suffix(END)?
                    .parse()
                    .ok()?;
                (self.of_step(step) == self.folder.join(name)).then_some(step)
            })
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The file of the best, whose name has the score as a decimal number that is read as the same one.
    pub(super) fn of_best(&self, step: usize, score: f64) -> PathBuf {
        self.folder
            .join(format!("best-step-{step}-score-{score:e}{END}"))
    }

    /// Removes what processes that died left of files that they were writing.
    pub(super) fn remove_partial(&self) -> Result<()> {
        let names = self.names()?.into_iter();
        let partial = names
            .filter(|name| name.contains(".safetensors.advect-") && name.ends_with(".partial"));
        partial
            .into_iter()
            .try_for_each(|name| self.remove(&self.folder.join(name)))
    }

    pub(super) fn of_step(&self, step: usize) -> PathBuf {
        self.folder.join(format!("step-{step:09}{END}"))
    }

    /// The scores of files that were the best when they were written: one, or two after a crash.
    pub(super) fn bests(&self) -> Result<Vec<(f64, PathBuf)>> {
        let scored = |name: &String| {
            let (_, score) = name.strip_prefix("best-step-")?.split_once("-score-")?;
            Some((
                score.strip_suffix(END)?.parse().ok()?,
                self.folder.join(name),
            ))
        };
        Ok(self.names()?.iter().filter_map(scored).collect())
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = |e: std::io::Error| Error::file(&self.folder, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            names.extend(entry.map_err(failed)?.file_name().into_string());
        }
        Ok(names)
    }

    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        fs::remove_file(path).map_err(|e| Error::file(path, e))
    }
}
