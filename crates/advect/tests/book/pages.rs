//! The pages themselves: what they link to and include is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder of the pages.
fn source() -> PathBuf {
    root().join("docs/src")
}

/// All pages below a folder.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension() {
            _ if path.is_dir() => found.extend(pages(&path)),
            Some(extension) if extension == "md" => found.push(path),
            _ => {}
        }
    }
    found
}

/// The parts of a text between two marks.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(move |part| part.split_once(close).map(|(inside, _)| inside))
}

/// The names by which the headings of a page are linked to, as mdBook makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| slug(line.trim_start_matches('#').trim()))
        .collect()
}

fn slug(heading: &str) -> String {
    let letters = heading.chars().filter_map(|c| match c {
        _ if c.is_alphanumeric() || c == '_' || c == '-' => {
            Some(c.to_lowercase().next().unwrap_or(c))
        }
        _ if c.is_whitespace() => Some('-'),
        _ => None,
    });
    letters.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let others = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let others = others.filter(|path| path.extension().is_some_and(|e| e == "md"));
    let mut all: Vec<_> = others.collect();
    assert!(all.len() >= 7, "those of the root: {all:?}");
    all.extend(pages(&root().join("examples")));
    all.push(root().join("fuzz/README.md"));
    for page in pages(&source()).into_iter().chain(all) {
        let text = fs::read_to_string(&page).unwrap();
        for target in between(&text, "](", ')') {
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = match file {
                "" => page.clone(),
                _ => page.with_file_name("").join(file),
            };
            assert!(path.exists(), "{}: no {target}", page.display());
            let known = anchor.is_empty() || anchors(&path).contains(anchor);
            assert!(known, "{}: no heading {target}", page.display());
        }
    }
}

#[test]
fn every_program_that_a_page_shows_is_there() {
    let mut shown = 0;
    for page in pages(&source()) {
        let text = fs::read_to_string(&page).unwrap();
        for target in between(&text, "{{#include ", '}') {
            let (file, anchor) = target.split_once(':').unwrap_or((target, ""));
            let code = fs::read_to_string(page.with_file_name("").join(file)).unwrap();
            if anchor.is_empty() {
                // The whole of it.
                continue;
            }
            for mark in ["ANCHOR", "ANCHOR_END"] {
                let line = format!("// {mark}: {anchor}");
                let found = code.lines().any(|l| l.trim() == line);
                assert!(found, "{}: no {line} in {file}", page.display());
            }
            shown += 1;
        }
    }
    assert!(shown > 80, "{shown}");
}

#[test]
fn every_page_is_in_the_summary() {
    let summary = fs::read_to_string(source().join("SUMMARY.md")).unwrap();
    for page in pages(&source()) {
        let name = page.strip_prefix(source()).unwrap().display().to_string();
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "{name}");
    }
}

/// The blocks of code and the formulas of a page, in order.
fn blocks(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let parts = text.split("```").skip(1).step_by(2);
    parts.map(str::to_owned).collect()
}

/// The files of a page's pictures, in order.
fn pictures(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let links = between(&text, "![", ')').filter_map(|link| link.rsplit_once('/'));
    links.map(|(_, file)| file.to_owned()).collect()
}

#[test]
fn translations_show_the_same_code_and_pictures() {
    for language in ["ja", "zh"] {
        let readme = format!("README.{language}.md");
        let translated = source().join(language);
        for (english, translation) in [
            (root().join("README.md"), root().join(readme)),
            (source().join("index.md"), translated.join("index.md")),
            (
                source().join("theory/flows.md"),
                translated.join("flows.md"),
            ),
            (source().join("symbols.md"), translated.join("symbols.md")),
        ] {
            assert!(!blocks(&english).is_empty(), "{}", english.display());
            let name = translation.display();
            assert!(blocks(&english) == blocks(&translation), "{name}");
            assert_eq!(pictures(&english), pictures(&translation), "{name}");
        }
    }
}
