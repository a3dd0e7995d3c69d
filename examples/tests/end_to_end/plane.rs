//! Laws in the plane: pictures, bridges, reflow, paths in closed form.

use std::fs;
use std::path::Path;

use super::{figures, number_after, run};

#[test]
fn two_moons_draws_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let mut results = Vec::new();
    for threads in [1, 2] {
        let arguments = ["--steps", "20", "--samples", "200", "--source", "normal"];
        let output = run("two_moons", threads, &arguments, folder.path());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // All but the times at the end of the lines.
        let lines: Vec<String> = text
            .lines()
            .map(|l| l.split_whitespace().take(4).collect::<Vec<_>>().join(" "))
            .collect();
        assert!(
            lines.iter().any(|line| line.starts_with("optimal")),
            "{text}"
        );
        results.push(lines);
    }
    assert_eq!(results[0], results[1]);
    let animation = fs::read(folder.path().join("two_moons_flow.png")).unwrap();
    let frames = animation
        .windows(4)
        .filter(|chunk| chunk == b"fcTL")
        .count();
    assert_eq!(frames, 34);
    assert!(
        fs::read(folder.path().join("two_moons.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn figures_of_the_book_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let text = String::from_utf8(run("book", 2, &[], folder.path()).stdout).unwrap();
    let pictures = text
        .lines()
        .filter_map(|line| line.strip_prefix("picture "));
    let mut count = 0;
    for picture in pictures {
        assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));
        // The book shows a picture of this name.
        let name = Path::new(picture).file_name().unwrap();
        let shown = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/images");
        assert!(shown.join(name).exists(), "{picture}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// Modes that are far apart get the weights of the start from plain chains, and their own from annealed ones.
#[test]
fn annealed_chains_find_the_weights_of_modes() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--chains", "500", "--steps", "200"];
    let output = run("langevin", 2, &arguments, folder.path());
    assert!(folder.path().join("langevin.png").exists());
    let lines = figures(&output);
    let weight = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let rest = line[name.len()..].split_whitespace().next().unwrap();
        rest.parse::<f64>().unwrap()
    };
    // The standard error is 0.02.
    assert!((weight("annealed") - 0.2).abs() < 0.08, "{lines:?}");
    for name in ["plain", "Metropolis-adjusted"] {
        assert!((weight(name) - 0.5).abs() < 0.1, "{lines:?}");
    }
}

/// Forward processes lie on the densities of their paths, and what goes back comes close to the data.
#[test]
fn score_sdes_go_to_noise_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--samples", "2000", "--evaluations", "64"];
    let output = run("score_sde", 2, &arguments, folder.path());
    assert!(folder.path().join("score_sde.png").exists());
    let lines = figures(&output);
    for name in ["VP", "sub-VP", "VE"] {
        let line = lines
            .iter()
            .find(|line| line.split_whitespace().next() == Some(name));
        let distances = line.unwrap().split_whitespace().skip(1);
        for distance in distances.map(|figure| figure.parse::<f64>().unwrap()) {
            assert!(distance < 0.05, "{name}: {distance}");
        }
    }
}

/// A flow that is trained on its own pairs is straighter than before, even after few steps.
#[test]
fn reflow_straightens() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "200",
        "--flows",
        "2",
        "--pairs",
        "1000",
        "--seeds",
        "1",
        "--samples",
        "100",
    ];
    let output = run("reflow", 2, &arguments, folder.path());
    assert!(folder.path().join("reflow.png").exists());
    let lines = figures(&output);
    let straightness = |line: &String| {
        let column = line.split_whitespace().nth(2).unwrap();
        column.parse::<f64>().unwrap()
    };
    assert!(lines[3].starts_with("distilled") && lines[4].starts_with("ideal"));
    let (first, second) = (straightness(&lines[1]), straightness(&lines[2]));
    assert!(second < 0.5 * first, "{lines:?}");
}

/// Random pairs come near the flow with the root of the number of steps, Euler's steps with the number.
#[test]
fn blending_becomes_a_flow() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "64", "--samples", "500"];
    let output = run("blending", 2, &arguments, folder.path());
    assert!(folder.path().join("blending.png").exists());
    let lines = figures(&output);
    let columns: Vec<&str> = lines[5].split_whitespace().collect();
    let rate = |i: usize| columns[i].parse::<f64>().unwrap();
    assert_eq!(columns[0], "64");
    assert!(
        (rate(4) - 0.5).abs() < 0.15 && (rate(9) - 1.0).abs() < 0.3,
        "{lines:?}"
    );
}

#[test]
fn times_that_were_left_out_are_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "10", "--seeds", "1", "--components", "2"];
    let output = run("snapshots", 2, &arguments, folder.path());
    for name in ["branching", "myoblasts"] {
        let picture = folder.path().join(format!("snapshots_{name}.png"));
        assert!(picture.exists());
    }
    // A row for each of five methods and both inner times, beside the time before and the floor.
    let lines = figures(&output);
    let rows = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(
        (rows("OT-CFM"), rows("action"), rows("two halves")),
        (4, 4, 4)
    );
}

#[test]
fn bridges_are_learned_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "4", "--points", "600", "--samples", "100"];
    let lines = figures(&run("bridge", 2, &arguments, folder.path()));
    for name in ["DSBM", "[SF]²M, SDE"] {
        assert!(lines.iter().any(|line| line.starts_with(name)), "{lines:?}");
    }
    let picture = fs::read(folder.path().join("bridge.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));
}

#[test]
fn paths_are_compared_in_closed_form() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--samples", "10", "--tiles", "8"];
    let output = run("paths", 1, &arguments, folder.path());
    assert!(folder.path().join("paths.png").exists());
    let lines = figures(&output);
    for name in ["VP", "VE", "OT"] {
        assert!(number_after(&lines, name) > 0.0, "{lines:?}");
    }
}

#[test]
fn budgets_of_evaluations_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "32", "--width", "32", "--batch", "32"];
    let output = run(
        "nfe",
        1,
        &[&arguments[..], &["--samples", "40"]].concat(),
        folder.path(),
    );
    assert!(folder.path().join("nfe.png").exists());
    let lines = figures(&output);
    for solver in ["Euler", "midpoint", "RK4", "Dopri5"] {
        let rows = lines.iter().filter(|line| line.contains(solver)).count();
        assert_eq!(rows, 3, "{lines:?}");
    }
}
