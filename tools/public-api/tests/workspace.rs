//! The public interface is what it was decided to be.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::path::Path;

#[test]
fn listings_are_up_to_date() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let differences = match public_api::differences(&workspace) {
        Ok(differences) => differences,
        Err(error) => panic!("{error}"),
    };
    let texts = differences
        .iter()
        .map(|(file, text)| format!("docs/api/{file}\n{text}\n"));
    let texts: String = texts.collect();
    assert!(
        texts.is_empty(),
        "the public interface has changed:\n\n{texts}If it is meant to, `cargo run -p public-api` updates the listings."
    );
}

/// The crates whose tests are one program name each file of tests in it, as a file that is not named is not run.
#[test]
fn every_test_is_compiled() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    let mut checked = 0;
    for library in std::fs::read_dir(crates).unwrap() {
        let library = library.unwrap().path();
        let tests = library.join("tests");
        let Ok(root) = std::fs::read_to_string(tests.join("main.rs")) else {
            continue;
        };
        let manifest = std::fs::read_to_string(library.join("Cargo.toml")).unwrap();
        for entry in std::fs::read_dir(&tests).unwrap() {
            let path = entry.unwrap().path();
            let is_module = match path.is_dir() {
                true => path.join("mod.rs").exists() || path.join("main.rs").exists(),
                false => path.extension().is_some_and(|e| e == "rs"),
            };
            let name = path.file_stem().unwrap().to_str().unwrap();
            if is_module && name != "main" {
                let named = root.contains(&format!("mod {name};"))
                    || manifest.contains(&format!("name = \"{name}\""));
                assert!(named, "{} is no part of a test program", path.display());
                checked += 1;
            }
        }
    }
    assert!(checked > 80, "{checked} files");
}
