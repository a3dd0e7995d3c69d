//! Makes the README of each crate from its documentation, the `//!` lines of its `lib.rs`, so that both say the same
//! and the code in both is tested.
//!
//! Links to items become their names, because nobody resolves them outside of rustdoc; hidden lines of code are left out.

mod code;
mod links;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The path and the text of the README of every crate in `crates`, by name.
///
/// # Errors
/// If a folder or a file can't be read.
pub fn all(workspace: &Path) -> io::Result<Vec<(PathBuf, String)>> {
    let mut readmes = Vec::new();
    for entry in fs::read_dir(workspace.join("crates"))? {
        let folder = entry?.path();
        let source = fs::read_to_string(folder.join("src/lib.rs"))?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        readmes.push((folder.join("README.md"), readme(&name, &source)));
    }
    readmes.sort();
    Ok(readmes)
}

/// The README of a crate by its name and the source of its `lib.rs`.
pub fn readme(name: &str, source: &str) -> String {
    let documentation: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let mut text = format!("# {name}\n\n");
    for line in code::visible(&documentation) {
        text.push_str(&match line {
            code::Line::Code(line) => line.to_string(),
            // Below the title.
            code::Line::Prose(line) if line.starts_with('#') => format!("#{line}"),
            code::Line::Prose(line) => links::plain(line),
        });
        text.push('\n');
    }
    if name != "advect" {
        text.push_str("\nThis crate is a part of `advect`, which has all crates of the library in one dependency.\n");
    }
    text
}
