//! The listings of a workspace: `docs/api/NAME.txt` for each library `crates/NAME`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{Error, Result, difference, listing};

/// What differs between the libraries of the workspace in a folder and the listings that are kept there: the name of
/// each file that differs, with what changed. A file without a library, or a library without a file, is one of
/// them.
///
/// # Errors
///
/// Those of [`listing`], and if a listing can't be read.
pub fn differences(workspace: &Path) -> Result<BTreeMap<String, String>> {
    let mut kept = kept(workspace)?;
    let mut differences = BTreeMap::new();
    for (file, now) in listings(workspace)? {
        let before = kept.remove(&file).unwrap_or_default();
        // Not the texts, as some checkouts end lines in another way.
        if before.lines().ne(now.lines()) {
            differences.insert(file, difference(&before, &now));
        }
    }
    differences.extend(
        kept.into_iter()
            .map(|(file, before)| (file, difference(&before, ""))),
    );
    Ok(differences)
}

/// Writes the listings of the libraries of the workspace in a folder, and removes those of libraries that are gone.
///
/// # Errors
///
/// Those of [`listing`], and if a listing can't be written.
pub fn update(workspace: &Path) -> Result<()> {
    let mut old = kept(workspace)?;
    let folder = folder(workspace);
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    for (file, now) in listings(workspace)? {
        old.remove(&file);
        let path = folder.join(file);
        fs::write(&path, now).map_err(Error::file(&path))?;
    }
    for file in old.keys() {
        let path = folder.join(file);
        fs::remove_file(&path).map_err(Error::file(&path))?;
    }
    Ok(())
}

fn folder(workspace: &Path) -> PathBuf {
    workspace.join("docs/api")
}

/// The listings as they are now, by their file's name.
fn listings(workspace: &Path) -> Result<BTreeMap<String, String>> {
    let mut listings = BTreeMap::new();
    for path in files(&workspace.join("crates"))? {
        let root = path.join("src/lib.rs");
        if let (Some(name), true) = (path.file_name(), root.is_file()) {
            let name = name.to_string_lossy();
            let listing = listing(&name.replace('-', "_"), &root)?;
            listings.insert(format!("{name}.txt"), listing);
        }
    }
    Ok(listings)
}

/// The listings as they were kept, by their file's name.
fn kept(workspace: &Path) -> Result<BTreeMap<String, String>> {
    let mut kept = BTreeMap::new();
    for path in files(&folder(workspace))? {
        if let Some(name) = path.file_name() {
            let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
            kept.insert(name.to_string_lossy().into_owned(), text);
        }
    }
    Ok(kept)
}

/// What is in a folder. One that is not there is empty.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file(folder))?,
    };
    let files = entries.map(|entry| Ok(entry.map_err(Error::file(folder))?.path()));
    files.collect()
}
