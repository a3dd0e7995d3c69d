//! The examples, run small: they finish, write what they say, and give the same bits with one thread and
//! with two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recipe;

use std::fs;
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
fn short_examples_print_their_tables() {
    for (name, last) in [("custom_loss", "fresh data"), ("candle_network", "samples")] {
        let output = Command::new(example(name)).arg("20").output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(last), "{text}");
    }
}

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
    assert_eq!(count, 5);
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

#[test]
fn neural_odes_are_fitted_by_each_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("neural_ode", 2, &["--steps", "40"], folder.path());
    assert!(folder.path().join("neural_ode.png").exists());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors: Vec<&str> = (text.lines().skip(1).take(3))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    // The same steps, the same gradients: unrolled and checkpointed agree to the last digit printed.
    assert_eq!(errors.len(), 3);
    assert_eq!(errors[0], errors[1]);
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

/// Fifty steps bring the rates of a stiff system from factors of 3, 3 and 2 to less than 1.5, down a valley in which the rates
/// grow together and the loss hardly changes.
#[test]
fn rates_are_found_through_an_implicit_solver() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("stiff", 2, &["--steps", "50"], folder.path());
    assert!(folder.path().join("stiff.png").exists());
    let lines = figures(&output);
    for (line, rate) in lines[1..4].iter().zip([0.04, 3e7, 1e4]) {
        let fitted: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!((1.0 / 1.5..1.5).contains(&(fitted / rate)), "{line}");
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
fn launches_are_fitted_through_bounces() {
    let folder = tempfile::tempdir().unwrap();
    let output = run("bouncing", 2, &["--target", "25"], folder.path());
    assert!(folder.path().join("bouncing.png").exists());
    let lines = figures(&output);
    let place = |line: &String| {
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    assert!(lines.len() < 12, "{lines:?}");
    assert!(
        (place(lines.last().unwrap()) - 25.0).abs() < 2e-6,
        "{lines:?}"
    );
}

#[test]
fn pendulums_are_learned_by_two_networks() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(
        "pendulum",
        2,
        &["--steps", "30", "--time", "20"],
        folder.path(),
    );
    assert!(folder.path().join("pendulum.png").exists());
    let lines = figures(&output);
    assert!(
        lines[1].starts_with("Hamiltonian") && lines[2].starts_with("plain"),
        "{lines:?}"
    );
}

#[test]
fn densities_are_fitted_by_maximum_likelihood() {
    let folder = tempfile::tempdir().unwrap();
    for more in [&[][..], &["--hutchinson"]] {
        let arguments = [
            &["--steps", "20", "--batch", "64", "--samples", "100"],
            more,
        ]
        .concat();
        let output = run("cnf", 2, &arguments, folder.path());
        assert!(folder.path().join("cnf.png").exists());
        let told = figures(&output);
        let likelihood = told
            .iter()
            .find(|line| line.starts_with("likelihood"))
            .unwrap();
        let nats: f64 = likelihood
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        // A normal law of the data's spread has 2.2.
        assert!(nats < 3.0, "{likelihood}");
    }
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

#[test]
fn transport_in_the_plane_is_reproduced() {
    let sizes = [
        "--steps",
        "60",
        "--seeds",
        "2",
        "--points",
        "1000",
        "--samples",
        "200",
    ];
    let which = [
        "--problem",
        "normal-moons",
        "--method",
        "i-cfm",
        "--method",
        "rectified",
    ];
    let lines = printed("reproduce_2d", &[&sizes[..], &which[..]].concat());
    let cells = row(&lines, &["N → moons", "I-CFM"]);
    assert_eq!(
        (cells[3].as_str(), cells[6].as_str()),
        (".178 ± .014", ".891 ± .120")
    );
    // The source itself is 2.0 away.
    assert!(mean(&cells[2]) < 1.9, "{lines:?}");
}

#[test]
fn bridges_between_gaussians_are_reproduced() {
    let sizes = [
        "--steps",
        "20",
        "--seeds",
        "2",
        "--points",
        "600",
        "--samples",
        "500",
    ];
    let lines = printed(
        "reproduce_bridge",
        &[&sizes[..], &["--dimensions", "2"]].concat(),
    );
    let exact = mean(&row(&lines, &["samples of the law itself"])[1]);
    // Five parameters of 500 samples: a divergence of 5 / 1000.
    assert!((0.002..0.01).contains(&exact), "{lines:?}");
    // The exact drift has that of samples, and errors of its start.
    let drift = mean(&row(&lines, &["exact drift"])[1]);
    assert!((0.001..0.015).contains(&drift), "{lines:?}");
    for name in ["[SF]²M", "DSBM", "DSBM, backwards"] {
        assert!(mean(&row(&lines, &[name])[1]).is_finite(), "{lines:?}");
    }
    // The second table.
    let from = lines.iter().position(|line| line.contains("largest KS"));
    let distances = &lines[from.unwrap()..];
    // Along twelve directions, √(ln 480 / 1000).
    let critical = row(distances, &["5 % critical value"]);
    assert_eq!(critical[1], "0.0786");
    for name in ["samples of the law itself", "exact drift"] {
        assert!(mean(&row(distances, &[name])[1]) < 0.0786, "{lines:?}");
    }
}

#[test]
fn toy_densities_are_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "4",
        "--seeds",
        "1",
        "--batch",
        "32",
        "--samples",
        "200",
    ];
    let lines = figures(&run("reproduce_ffjord", 2, &arguments, folder.path()));
    // ln 32 for an area of 32; ln 8 + ln(2π e σ²) for eight Gaussians that hardly overlap.
    assert_eq!(row(&lines, &["checkerboard"])[2], "3.466");
    let entropy = 8f64.ln() + (std::f64::consts::TAU * std::f64::consts::E * 0.125).ln();
    assert!(
        (mean(&row(&lines, &["8gaussians"])[2]) - entropy).abs() < 0.03,
        "{lines:?}"
    );
    assert!(
        fs::read(folder.path().join("ffjord.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

#[test]
fn detest_is_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let lines = figures(&run(
        "reproduce_detest",
        2,
        &["--digits", "3"],
        folder.path(),
    ));
    let calls: Vec<f64> = row(&lines, &["1e-3", "Dopri5"])[2..]
        .iter()
        .map(|cell| mean(cell))
        .collect();
    assert_eq!(calls[..5].iter().sum::<f64>(), calls[5]);
    assert!(
        fs::read(folder.path().join("detest.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

/// Orders 1 and 2, as far as so few evaluations show them.
#[test]
fn errors_of_edm_are_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--evaluations",
        "128",
        "--seeds",
        "1",
        "--samples",
        "20",
        "--exact",
        "512",
    ];
    let lines = figures(&run("reproduce_edm", 2, &arguments, folder.path()));
    let orders = row(&lines, &["order of the last two"]);
    assert!((mean(&orders[1]) - 1.0).abs() < 0.4, "{lines:?}");
    assert!((mean(&orders[2]) - 2.0).abs() < 0.8, "{lines:?}");
    assert!(
        fs::read(folder.path().join("edm.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
}

/// A run that stops and resumes has the same bits as one that does not; so have one thread and two.
#[test]
fn images_resume_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let run = |threads, out: &str, more: &[&str]| {
        let arguments = [
            "--every",
            "4",
            "--channels",
            "16",
            "--batch",
            "8",
            "--samples",
            "20",
        ];
        let out = folder.path().join(out);
        let output = run("images", threads, &[&arguments[..], more].concat(), &out);
        let checkpoint = fs::read(out.join("images.safetensors")).unwrap();
        (figures(&output), checkpoint, out)
    };
    let (told, whole, out) = run(2, "whole", &["--steps", "8"]);
    assert!(told.iter().any(|line| line.starts_with("energy distance")));
    for picture in ["step_000004.png", "step_000008.png", "losses.png"] {
        assert!(
            fs::read(out.join(picture)).unwrap().starts_with(b"\x89PNG"),
            "{picture}"
        );
    }
    let losses = fs::read_to_string(out.join("losses.csv")).unwrap();
    assert_eq!(losses.lines().count(), 1 + 8);
    assert!(losses.starts_with("step,loss\n1,"));
    let (again, other, _) = run(1, "single", &["--steps", "8"]);
    assert!(
        whole == other && told[..2] == again[..2],
        "one thread, and two"
    );
    // Stopped between two pictures.
    run(2, "parts", &["--steps", "8", "--until", "3"]);
    let (resumed, parts, out) = run(2, "parts", &["--steps", "8", "--resume"]);
    assert!(parts == whole && resumed == told);
    assert_eq!(fs::read_to_string(out.join("losses.csv")).unwrap(), losses);
    // Without its curve a run goes on all the same, and the curve from there.
    run(2, "parts", &["--steps", "8", "--until", "3"]);
    fs::remove_file(out.join("losses.csv")).unwrap();
    let (_, parts, out) = run(2, "parts", &["--steps", "8", "--resume"]);
    assert!(parts == whole);
    let rest = fs::read_to_string(out.join("losses.csv")).unwrap();
    let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_string).collect() };
    assert_eq!(lines(&rest)[1..], lines(&losses)[4..]);
}

/// A table of one's own, from its file to likelihoods in its units.
#[test]
fn rows_of_a_table_are_learned() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "100", "--every", "50", "--samples", "30"];
    let told = figures(&run("table", 2, &arguments, folder.path()));
    let nats = told
        .iter()
        .find(|line| line.starts_with("held-out likelihood"));
    let nats: f64 = nats
        .unwrap()
        .split_whitespace()
        .nth(2)
        .unwrap()
        .parse()
        .unwrap();
    // Normal laws of the species have −14.0 on the rows that they are fitted to. Without the units it would be 11.7 more.
    assert!((-30.0..-13.0).contains(&nats), "{told:?}");
    let samples = fs::read_to_string(folder.path().join("samples.csv")).unwrap();
    assert_eq!(samples.lines().count(), 31);
    let columns = "bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,species";
    assert_eq!(samples.lines().next(), Some(columns));
    for picture in ["samples.png", "losses.png"] {
        let picture = fs::read(folder.path().join(picture)).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
}

/// Runs of `train` with these keys set.
fn train(out: &Path, set: &[&str], more: &[&str]) -> Output {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("table/penguins.csv");
    let table = format!("data.csv={:?}", table.to_str().unwrap());
    let mut keys = vec![
        "data.label=species",
        "data.missing=drop",
        "training.every=4",
    ];
    keys.extend(["data.without=[\"island\", \"sex\"]", "training.steps=12"]);
    if !set.iter().any(|key| key.starts_with("data.images")) {
        keys.push(&table);
    } else {
        keys.clear();
    }
    let keys = keys.iter().chain(set).flat_map(|key| ["--set", *key]);
    Command::new(example("train"))
        .args(keys)
        .args(more)
        .arg("--out")
        .arg(out)
        .output()
        .unwrap()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Keys that nobody knows, and runs that would be others, are refused at the start.
#[test]
fn configurations_are_checked_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for (key, told) in [
        ("training.stepz=3", "stepz"),
        ("colour=3", "colour"),
        ("data.label=kind", "kind"),
        ("training.coupling=best", "best"),
        ("training.steps=0", "training.steps"),
        ("data.held_out=1.5", "data.held_out"),
        ("seed", "KEY=VALUE"),
    ] {
        let message = error(&train(folder.path(), &[key], &[]));
        assert!(message.contains(told), "{key}: {message}");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

/// A run that stops and goes on has the same bits as one that does not.
#[test]
fn configured_runs_go_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let succeeded = |output: Output| {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{message}");
    };
    succeeded(train(&whole, &[], &[]));
    succeeded(train(&parts, &[], &["--until", "6"]));
    // Another run in the same folder is refused, and a run on other rows.
    assert!(error(&train(&parts, &[], &[])).contains("--resume"));
    assert!(error(&train(&parts, &["training.batch=32"], &["--resume"])).contains("batch"));
    succeeded(train(&parts, &[], &["--resume"]));
    let bytes = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    for name in [
        "checkpoints/step-000000012.safetensors",
        "losses.csv",
        "samples/step_000012.png",
    ] {
        assert!(bytes(&whole, name) == bytes(&parts, name), "{name}");
    }
    for name in [
        "config.toml",
        "losses.png",
        "validation.csv",
        "samples.csv",
        "samples.npy",
        "samples.png",
    ] {
        assert!(!bytes(&whole, name).is_empty(), "{name}");
    }
}

/// From a folder of pictures, in colour.
#[test]
fn images_are_learned_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    for class in ["a", "b"] {
        fs::create_dir_all(pictures.join(class)).unwrap();
        for i in 0..3 {
            let path = pictures.join(class).join(format!("{i}.png"));
            fs::copy(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/images/digits.png"),
                path,
            )
            .unwrap();
        }
    }
    fs::write(pictures.join("a/torn.png"), "no picture").unwrap();
    let pictures = pictures.to_str().unwrap();
    let arguments = [
        "--folder",
        pictures,
        "--size",
        "8",
        "--skip-damaged",
        "--flip",
    ];
    let more = ["--steps", "2", "--batch", "4", "--channels", "16"];
    let output = run(
        "images",
        2,
        &[&arguments[..], &more[..]].concat(),
        folder.path(),
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("[3, 8, 8], 2 classes"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("torn.png"));

    // By a configuration, too; without the torn one.
    fs::remove_file(Path::new(pictures).join("a/torn.png")).unwrap();
    let images = format!("data.images={pictures}");
    let set = [
        images.as_str(),
        "data.size=8",
        "training.steps=2",
        "training.batch=4",
        "network.channels=16",
    ];
    let out = folder.path().join("configured");
    let output = train(
        &out,
        &[&set[..], &["data.held_out=0.3", "samples.count=10"][..]].concat(),
        &[],
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(out.join("samples.png").exists() && out.join("samples.npy").exists());
}

#[test]
fn a_checkpoint_is_shown_with_the_network_that_it_fits() {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/advect-diffusers/tests/golden");
    let output = Command::new(example("inspect"))
        .arg(golden.join("pipeline"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "142 tensors, 18666 numbers",
        "  conv_in.weight [8, 2, 3, 3] f32",
        "  fits: UNet2d of advect-diffusers",
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn lattice_fields_are_sampled_in_three_ways() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "60", "--batch", "32", "--samples", "4000"];
    let output = run("phi4", 2, &arguments, folder.path());
    assert!(folder.path().join("phi4.png").exists());
    let lines = figures(&output);
    let hmc = lines.iter().find(|line| line.starts_with("HMC")).unwrap();
    // A chain of another program has 1.893 ± 0.007.
    let susceptibility = hmc.split_whitespace().nth(4).unwrap();
    let susceptibility = susceptibility.parse::<f64>().unwrap();
    assert!((1.6..2.2).contains(&susceptibility), "{lines:?}");
}

#[test]
fn sonnets_are_learned_by_two_models() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "40", "--batch", "8", "--length", "40"];
    let output = run("text", 2, &arguments, folder.path());
    let samples = fs::read_to_string(folder.path().join("text.txt")).unwrap();
    assert_eq!(samples.matches("When I ").count(), 6);
    let lines = figures(&output);
    for (name, most) in [
        ("pairs", 3.9),
        ("recurrent unit", 4.4),
        ("causal transformer", 4.4),
    ] {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let bits = line.split_whitespace().last().unwrap();
        assert!(bits.parse::<f64>().unwrap() < most, "{lines:?}");
    }
}

#[test]
fn two_peaks_are_fitted_by_both_divergences() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "200", "--batch", "128"];
    let output = run("two_peaks", 2, &arguments, folder.path());
    assert!(folder.path().join("two_peaks.png").exists());
    let lines = figures(&output);
    let divergence = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let rest = line[name.len()..].split_whitespace().next().unwrap();
        rest.parse::<f64>().unwrap()
    };
    // One Gaussian leaves 0.2 or more, whatever it is fitted by.
    assert!(divergence("Gaussian, forward KL") > 0.2, "{lines:?}");
    assert!(divergence("flow, forward KL") < 0.1, "{lines:?}");
    // It takes one of the peaks.
    assert!(divergence("Gaussian, reverse KL") > 2.0, "{lines:?}");
}

/// The number after a name in the lines.
fn number_after(lines: &[String], name: &str) -> f64 {
    let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
    let mut words = line[name.len()..].split_whitespace();
    words.find_map(|word| word.parse().ok()).unwrap()
}

#[test]
fn seven_models_learn_the_same_digits() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "16", "--width", "32", "--samples", "40"];
    let more = ["--held-out", "20", "--levels", "20"];
    let output = run(
        "history",
        1,
        &[&arguments[..], &more].concat(),
        folder.path(),
    );
    assert!(folder.path().join("history.png").exists());
    let lines = figures(&output);
    for name in [
        "Boltzmann",
        "VAE",
        "MADE",
        "coupling flow",
        "DDPM",
        "flow matching",
    ] {
        // Levels that are equally likely have 4.09 bits; models that are hardly trained may need far more.
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        let (name, _) = line.split_once(['=', '≤', '≈']).unwrap();
        let bits = number_after(&lines, name);
        assert!((1.0..1e5).contains(&bits), "{lines:?}");
    }
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("GAN") && line.contains("none"))
    );
}

#[test]
fn latent_variables_are_flowed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--steps", "20", "--width", "32", "--samples", "40"];
    let output = run("latent", 1, &arguments, folder.path());
    assert!(folder.path().join("latent.png").exists());
    let lines = figures(&output);
    assert!(
        lines.iter().any(|line| line.starts_with("latent flow")),
        "{lines:?}"
    );
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

/// The recipe for CIFAR-10 on a file of three images, with less of everything.
#[test]
fn the_recipe_for_cifar10_takes_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("images.bin");
    let bytes = (0..3u32).flat_map(|i| (0..3073u32).map(move |k| (i + k * (k > 0) as u32) as u8));
    fs::write(&data, bytes.collect::<Vec<u8>>()).unwrap();
    let data = data.to_str().unwrap();
    let arguments = [
        "--recipe", "cifar10", "--data", data, "--steps", "2", "--batch", "2",
    ];
    let more = ["--channels", "32", "--samples", "2"];
    let output = run("mnist", 1, &[&arguments[..], &more].concat(), folder.path());
    let lines = figures(&output);
    let recipe = lines
        .iter()
        .find(|line| line.starts_with("recipe"))
        .unwrap();
    for option in [
        "channels: 32",
        "dropout: 0.1",
        "rate: 0.0002",
        "warm_up: 5000",
        "decay: 0.9999",
    ] {
        assert!(recipe.contains(option), "{recipe}");
    }
    for file in ["cifar10.png", "cifar10.safetensors", "losses.csv"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}
