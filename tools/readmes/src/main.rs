//! Writes the README of each crate.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let written = readmes::all(&workspace).and_then(|readmes| {
        (readmes.iter()).try_for_each(|(path, text)| std::fs::write(path, text))
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
