//! READMEs are those of the documentation.

use std::fs;
use std::path::Path;

use readmes::{all, readme};

#[test]
fn readmes_are_up_to_date() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (path, text) in all(&workspace).unwrap() {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} differs from the crate's documentation: run `cargo run -p readmes`",
            path.display()
        );
    }
}

#[test]
fn links_to_items_and_hidden_lines_are_left_out() {
    let source = "//! A [`Field`] on [0, 1], a [path](crate::path), a [paper](https://example.org).\n//!\n//! ```\n//! # hidden\n//! shown([1]);\n//! ```\n\nmod field;\n";
    assert_eq!(
        readme("advect", source),
        "# advect\n\nA `Field` on [0, 1], a path, a [paper](https://example.org).\n\n```rust\nshown([1]);\n```\n"
    );
}
