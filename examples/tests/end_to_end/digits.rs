//! Digits: runs again with the same bits, samplers, objectives, bounds.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{example, figures, printed, run};

#[test]
fn digits_have_the_same_bits_with_one_and_two_threads() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "30",
        "--samples",
        "40",
        "--seed",
        "3",
        "--guidance",
        "1.5",
    ];
    let mut results = Vec::new();
    for threads in [1, 2] {
        let out = folder.path().join(threads.to_string());
        let output = run("digits", threads, &arguments, &out);
        assert!(
            fs::read(out.join("digits.png"))
                .unwrap()
                .starts_with(b"\x89PNG")
        );
        results.push((
            figures(&output),
            fs::read(out.join("digits.safetensors")).unwrap(),
        ));
    }
    assert!(
        results[0]
            .0
            .iter()
            .any(|line| line.starts_with("recognised"))
    );
    assert_eq!(results[0].0, results[1].0);
    assert!(results[0].1 == results[1].1, "the checkpoints differ");
}

#[test]
fn digits_go_on_from_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, other) = (folder.path().join("mine"), folder.path().join("other"));
    let checkpoint = |out: &Path| fs::read(out.join("digits.safetensors")).unwrap();
    run(
        "digits",
        2,
        &["--steps", "10", "--samples", "20", "--seed", "1"],
        &mine,
    );
    run(
        "digits",
        2,
        &["--steps", "10", "--samples", "20", "--seed", "0"],
        &other,
    );
    let stored = checkpoint(&mine);
    assert!(stored != checkpoint(&other));
    // Another seed or batch size would be another run.
    for (seed, batch, setting) in [("0", "128", "seed = 0"), ("1", "64", "batch = 64")] {
        let output = Command::new(example("digits"))
            .args(["--steps", "11", "--samples", "20", "--resume"])
            .args(["--seed", seed, "--batch", batch, "--out"])
            .arg(&mine)
            .output()
            .unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && message.contains(setting),
            "{message}"
        );
    }
    assert!(checkpoint(&mine) == stored);
    // One more step on from there.
    run(
        "digits",
        2,
        &[
            "--steps",
            "11",
            "--samples",
            "20",
            "--seed",
            "1",
            "--resume",
        ],
        &mine,
    );
    assert!(checkpoint(&mine) != stored);
}

#[test]
fn samplers_have_the_same_bits_with_one_and_two_threads() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "20",
        "--width",
        "32",
        "--samples",
        "30",
        "--held-out",
        "12",
    ];
    let run = |threads| figures(&run("samplers", threads, &arguments, folder.path()));
    let (one, two) = (run(1), run(2));
    assert!(one.iter().any(|line| line.starts_with("UniPC")), "{one:?}");
    assert_eq!(one, two);
    let picture = fs::read(folder.path().join("samplers.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn digits_are_completed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "20",
        "--width",
        "32",
        "--held-out",
        "12",
        "--levels",
        "10",
    ];
    let output = run("inpainting", 2, &arguments, folder.path());
    assert!(folder.path().join("inpainting.png").exists());
    let lines = figures(&output);
    let count = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
    assert_eq!(
        (count("replacement"), count("DPS"), count("ΠGDM")),
        (1, 2, 2),
        "{lines:?}"
    );
}

#[test]
fn objectives_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "20", "--batch", "32", "--samples", "50"];
    let output = run("compare_objectives", 2, &arguments, folder.path());
    let lines = figures(&output);
    // A title, seventeen objectives, and the truth.
    assert_eq!(lines.len(), 19, "{lines:?}");
    for line in &lines[1..18] {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let numbers = columns.iter().rev().skip(1);
        let finite = numbers
            .filter_map(|c| c.parse::<f64>().ok())
            .filter(|x| x.is_finite());
        assert!(finite.count() >= 4, "{line}");
    }
    let picture = fs::metadata(folder.path().join("compare_objectives.png")).unwrap();
    assert!(picture.len() > 10_000);
}

#[test]
fn the_bound_is_told_term_by_term() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "4",
        "--levels",
        "12",
        "--batch",
        "8",
        "--channels",
        "16",
    ];
    let more = ["--samples", "12", "--likelihoods", "8"];
    let output = run("ddpm", 1, &[&arguments[..], &more].concat(), folder.path());
    for picture in ["ddpm.png", "bound.png", "losses.png"] {
        assert!(folder.path().join(picture).exists());
    }
    let terms = fs::read_to_string(folder.path().join("bound.csv")).unwrap();
    // A title, and steps 2 to 12.
    assert_eq!(terms.lines().count(), 12);
    let lines = figures(&output);
    let rows = |name: &str| lines.iter().filter(|line| line.starts_with(name)).count();
    // Of the bound, and of the samples.
    assert_eq!(
        (rows("β "), rows("β̃ "), rows("learned")),
        (2, 2, 2),
        "{lines:?}"
    );
}

/// The bound and the flow, which are computed in different ways, agree on a density that is smooth after so few steps, and noise that began as uniform noise is still near it.
/// The differences are a hundredth at most at other seeds, too, and bits are 4.6; levels of half the width would be worth one bit.
#[test]
fn bits_are_bounded() {
    let sizes = ["--steps", "40", "--noise-steps", "2", "--held-out", "40"];
    let lines = printed("bounds", &sizes);
    // Of a line, the means of the bound, of the flow and of their difference.
    let cells = |line: &String| -> [f64; 3] {
        let words: Vec<f64> = line[42..]
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        [words[0], words[2], words[4]]
    };
    // Of training digits, then of unseen ones.
    let found = |name: &str| -> Vec<[f64; 3]> {
        let lines = lines.iter().filter(|line| line.starts_with(name));
        lines.map(cells).collect()
    };
    let rows = found("uniform noise");
    assert_eq!(rows.len(), 2);
    for [bound, flow, difference] in rows {
        // Counted by levels of half the width, they would be one more.
        assert!((4.0..5.2).contains(&bound), "{lines:?}");
        assert!((4.0..5.2).contains(&flow), "{lines:?}");
        assert!(difference.abs() < 0.06, "{lines:?}");
    }
    for name in ["noise trained on the flow", "both trained by the bound"] {
        let less = found(&format!("{name}, less uniform"));
        assert_eq!(less.len(), 2);
        for [bound, flow, _] in less {
            assert!(bound.abs() < 0.02 && flow.abs() < 0.02, "{lines:?}");
        }
    }
}
