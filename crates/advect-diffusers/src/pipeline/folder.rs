//! The folder of a pipeline.

use std::path::{Path, PathBuf};

use advect_core::{Error, Result};

use crate::Config;

/// The parts that hold the network, by name.
const NETWORKS: [&str; 2] = ["unet", "transformer"];

/// A folder with a network and a scheduler: each in a folder of its own, or both beside `model_index.json`, as in early files.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: &Path) -> Result<Self> {
        match path.is_dir() {
            true => Ok(Folder(path.to_path_buf())),
            false => Err(Error::file(
                path,
                "this is not a folder: a pipeline has model_index.json, unet/ or transformer/, and scheduler/",
            )),
        }
    }

    /// The folder of a part, if there is one.
    pub(super) fn part(&self, name: &str) -> Option<PathBuf> {
        let path = self.0.join(name);
        path.is_dir().then_some(path)
    }

    /// The folder of a part that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<PathBuf> {
        let lacks = || Error::file(&self.0, format!("this folder lacks {name}/"));
        self.part(name).ok_or_else(lacks)
    }

    /// The folder of the network.
    pub(super) fn network(&self) -> Result<PathBuf> {
        let found = NETWORKS.iter().find_map(|name| self.part(name));
        let path = found.unwrap_or_else(|| self.0.clone());
        match path.join("config.json").is_file() {
            true => Ok(path),
            false => {
                let accepted =
                    "a network: unet/config.json, transformer/config.json or config.json";
                Err(Error::file(
                    &self.0,
                    format!("this folder lacks {accepted}"),
                ))
            }
        }
    }

    /// The configuration of the scheduler.
    pub(super) fn scheduler(&self) -> Result<Config> {
        let path = self.part("scheduler").unwrap_or_else(|| self.0.clone());
        Config::read(path.join("scheduler_config.json"))
    }
}
