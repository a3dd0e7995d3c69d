//! The examples, run small: they finish, write what they say, and give the same bits with one thread and
//! with two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod classics;
mod digits;
mod equations;
mod mnist;
mod plane;
mod recipe;
mod reproductions;
mod training;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An example that `cargo test` has built, two folders above this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile
        .join("examples")
        .join(name)
        .with_extension(std::env::consts::EXE_EXTENSION)
}

fn run(name: &str, threads: usize, arguments: &[&str], out: &Path) -> Output {
    let output = Command::new(example(name))
        .args(arguments)
        .arg("--out")
        .arg(out)
        .env("RAYON_NUM_THREADS", threads.to_string())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The printed lines without those that tell times and paths.
fn figures(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = |line: &&str| {
        !["training", "sampling", "cost", "picture", "checkpoint"]
            .iter()
            .any(|w| line.starts_with(w))
    };
    text.lines().filter(told).map(str::to_string).collect()
}

#[test]
fn short_examples_print_their_tables() {
    for (name, last) in [("custom_loss", "fresh data"), ("candle_network", "samples")] {
        let output = Command::new(example(name)).arg("20").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(last), "{text}");
    }
}

#[test]
fn bad_devices_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(example("digits"))
        .args(["--device", "abacus", "--out"])
        .arg(folder.path())
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && message.contains("abacus"),
        "{message}"
    );
}

/// The cells of the row of a Markdown table that begins with these.
fn row(lines: &[String], begin: &[&str]) -> Vec<String> {
    let cells = |line: &String| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_string()).collect()
    };
    let rows: Vec<Vec<String>> = lines.iter().map(cells).collect();
    let found = rows
        .into_iter()
        .find(|row| row.starts_with(&begin.iter().map(|c| c.to_string()).collect::<Vec<_>>()));
    found.unwrap_or_else(|| panic!("{begin:?} in {lines:?}"))
}

/// The mean of a cell `mean ± deviation`.
fn mean(cell: &str) -> f64 {
    cell.split_whitespace().next().unwrap().parse().unwrap()
}

/// The printed lines of a program that takes no folder.
fn printed(name: &str, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(example(name))
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_string)
        .collect()
}

/// The number after a name in the lines.
fn number_after(lines: &[String], name: &str) -> f64 {
    let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
    let mut words = line[name.len()..].split_whitespace();
    words.find_map(|word| word.parse().ok()).unwrap()
}
