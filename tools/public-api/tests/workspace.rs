//! The public interface is what it was decided to be.
#![allow(clippy::panic)]

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
