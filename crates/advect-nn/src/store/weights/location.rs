//! The file of weights in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::store::listing::listed;

/// The names that files of weights have in folders, before their endings.
const STEMS: [&str; 3] = ["diffusion_pytorch_model", "model", "pytorch_model"];
/// The endings, those that are preferred first.
const ENDINGS: [&str; 4] = [
    ".safetensors",
    ".safetensors.index.json",
    ".bin",
    ".bin.index.json",
];
/// The endings of weights under other names.
const OTHERS: [&str; 5] = [".safetensors", ".bin", ".pt", ".pth", ".ckpt"];

/// The file that a path means: itself, or that of a folder.
pub(super) fn located(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let usual = (ENDINGS.iter()).flat_map(|ending| {
        STEMS
            .iter()
            .map(move |stem| path.join(format!("{stem}{ending}")))
    });
    if let Some(file) = usual.into_iter().find(|file| file.is_file()) {
        return Ok(file);
    }
    let entries = fs::read_dir(path).map_err(|e| e.to_string())?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort_unstable();
    let is_weights = |name: &&String| OTHERS.iter().any(|ending| name.ends_with(ending));
    let found: Vec<&String> = names.iter().filter(is_weights).collect();
    match found[..] {
        [name] => Ok(path.join(name)),
        [] => Err(format!(
            "this is a folder without files of weights (such as {}.safetensors); it has {}",
            STEMS[0],
            listed(&names)
        )),
        _ => Err(format!(
            "this is a folder with several files of weights, of which one has to be named: {}",
            listed(&found)
        )),
    }
}
