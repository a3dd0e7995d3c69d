//! Weights in several files, with an index: `{"weight_map": {"name": "file", …}}`.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use advect_core::file;
use serde_json::Value;

use crate::store::listing::listed;

/// An index of weights in several files.
pub(super) struct Shards {
    /// The names in each file.
    files: BTreeMap<PathBuf, Vec<String>>,
}

impl Shards {
    /// Reads an index. Files are beside it.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let bytes = file::read(path).map_err(|e| e.to_string())?;
        let index: Value =
            serde_json::from_slice(&bytes).map_err(|e| format!("this is not JSON: {e}"))?;
        let Some(map) = index.get("weight_map").and_then(Value::as_object) else {
            return Err("this is not an index of weights: it has no object \"weight_map\"".into());
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut files: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
        for (name, file) in map {
            let plain = |file: &&str| {
                let mut parts = Path::new(file).components();
                matches!(
                    (parts.next(), parts.next()),
                    (Some(Component::Normal(_)), None)
                )
            };
            let Some(file) = file.as_str().filter(plain) else {
                return Err(format!(
                    "weight_map: {name}: got {file}, expected the name of a file beside the index"
                ));
            };
            files
                .entry(folder.join(file))
                .or_default()
                .push(name.clone());
        }
        match files.is_empty() {
            true => Err("weight_map: got no names, expected at least one".into()),
            false => Ok(Shards { files }),
        }
    }

    /// What the index selects of each file.
    pub(super) fn collect<T>(
        &self,
        read: impl Fn(&Path) -> Result<Vec<(String, T)>, String>,
    ) -> Result<Vec<(String, T)>, String> {
        let mut all = Vec::new();
        for (file, names) in &self.files {
            let shown = file.file_name().unwrap_or_default().to_string_lossy();
            let things = read(file).map_err(|e| format!("{shown}: {e}"))?;
            let mut things: BTreeMap<String, T> = things.into_iter().collect();
            let mut missing = Vec::new();
            for name in names {
                match things.remove(name) {
                    Some(thing) => all.push((name.clone(), thing)),
                    None => missing.push(name),
                }
            }
            if !missing.is_empty() {
                return Err(format!(
                    "{shown} lacks tensors that the index lists: {}",
                    listed(&missing)
                ));
            }
        }
        Ok(all)
    }
}
