//! A library with an item of every kind has the listing that was written for it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use public_api::{Error, difference, listing};

#[test]
fn every_kind_of_item() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    let listing = listing("fixture", &folder.join("lib.rs")).unwrap();
    let expected = std::fs::read_to_string(folder.join("expected.txt")).unwrap();
    let difference = difference(&expected, &listing);
    assert!(difference.is_empty(), "{difference}");
    assert_eq!(listing, expected, "the order");
}

/// Writes a library of one file, and lists it.
fn listing_of(name: &str, text: &str) -> Result<String, Error> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let root = folder.join("lib.rs");
    std::fs::write(&root, text).unwrap();
    listing("one", &root)
}

#[test]
fn what_can_not_be_listed() {
    let missing = listing_of("missing", "mod absent;");
    assert!(matches!(missing, Err(Error::Module { module, .. }) if module == "one::absent"));
    let syntax = listing_of("syntax", "pub fn");
    assert!(matches!(syntax, Err(Error::Syntax { .. })));
    let kind = listing_of("kind", "extern \"C\" { pub fn f(); }");
    assert!(matches!(kind, Err(Error::Kind { .. })));
}

/// Where a type comes from is part of the signature, how it was imported is not.
#[test]
fn imports() {
    let function = "pub fn f(x: &Tensor) {}";
    let one = listing_of("one_import", &format!("use a::Tensor; {function}")).unwrap();
    let other = listing_of("other_import", &format!("use b::Tensor; {function}")).unwrap();
    assert_eq!(difference(&one, &other).lines().count(), 2);

    let path = "use a as c; pub fn f(x: &c::Tensor) {}";
    assert_eq!(listing_of("path", path).unwrap(), one);
}
