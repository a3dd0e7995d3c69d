//! Runs that stop and go on, from tables, folders and configurations.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::{example, figures, run};

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

/// A whole program for a table is short.
#[test]
fn the_program_of_a_table_has_forty_lines() {
    let program = include_str!("../../table/main.rs");
    let main = program.split_once("fn main()").unwrap().1;
    let lines = main.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.len() <= 40, "{} lines", lines.len());
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
    // The log-likelihoods are beside their rows, and a loss is there for each step.
    let unseen = fs::read_to_string(folder.path().join("held-out.csv")).unwrap();
    let nats_of = |line: &str| line.split(',').nth(4).unwrap().parse::<f64>().unwrap();
    let each: Vec<f64> = unseen.lines().skip(1).map(nats_of).collect();
    assert!((each.iter().sum::<f64>() / each.len() as f64 - nats).abs() < 1e-3);
    let losses = fs::read_to_string(folder.path().join("losses.csv")).unwrap();
    assert_eq!(losses.lines().count(), 101);
    for picture in ["samples.png", "losses.png"] {
        let picture = fs::read(folder.path().join(picture)).unwrap();
        assert!(picture.starts_with(b"\x89PNG"));
    }
}

/// Runs of `train` with these keys set.
fn train(out: &Path, set: &[&str], more: &[&str]) -> Output {
    train_command(out, set, more).output().unwrap()
}

fn train_command(out: &Path, set: &[&str], more: &[&str]) -> Command {
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
    let mut command = Command::new(example("train"));
    command.args(keys).args(more).arg("--out").arg(out);
    command
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
        ("training.patience=0", "training.patience"),
        ("logs.colour=3", "colour"),
        ("logs.formats=[\"xml\"]", "xml"),
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
    let logs = &["--log", "csv", "--log", "jsonl"];
    succeeded(train(&whole, &[], logs));
    succeeded(train(&parts, &[], &[&logs[..], &["--until", "6"]].concat()));
    // Another run in the same folder is refused, and a run on other rows.
    assert!(error(&train(&parts, &[], &[])).contains("--resume"));
    for (key, told) in [
        ("training.batch=32", "batch"),
        ("training.rate=1e-5", "rate"),
        ("training.ema=0.5", "ema"),
        ("training.clip=0.5", "clip"),
        ("training.dropout=0.5", "dropout"),
        ("training.non_finite=skip", "non_finite"),
        ("training.coupling=independent", "coupling"),
    ] {
        assert!(error(&train(&parts, &[key], &["--resume"])).contains(told));
    }
    succeeded(train(&parts, &[], &["--resume"]));
    let bytes = |out: &Path, name: &str| fs::read(out.join(name)).unwrap();
    for name in [
        "checkpoints/step-000000012.safetensors",
        "log.csv",
        "log.jsonl",
        "samples/step_000012.png",
    ] {
        assert!(bytes(&whole, name) == bytes(&parts, name), "{name}");
    }
    for name in [
        "config.toml",
        "losses.png",
        "samples.csv",
        "samples.npy",
        "samples.png",
    ] {
        assert!(!bytes(&whole, name).is_empty(), "{name}");
    }
}

/// Nothing is learned at a rate that rounds to nothing, so the first loss on held-out data, after step 4, stays the best: 8 steps later the run
/// ends. Its logs have all steps, in each format.
#[test]
fn configured_runs_end_when_they_get_no_better() {
    let folder = tempfile::tempdir().unwrap();
    let set = ["training.rate=1e-30", "training.steps=100"];
    let flags = "--patience 8 --log csv --log jsonl --log tensorboard";
    let flags: Vec<&str> = flags.split(' ').collect();
    let output = train(folder.path(), &set, &flags);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(told.contains("8 steps after the best, step 4"), "{told}");
    let file = |name: &str| folder.path().join(name);
    let newest = fs::read_dir(file("checkpoints")).unwrap();
    let names = newest.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.max().unwrap(), "step-000000012.safetensors");

    let log = fs::read_to_string(file("log.csv")).unwrap();
    let rows: Vec<Vec<&str>> = log.lines().map(|line| line.split(',').collect()).collect();
    let columns = "step,loss,gradient_norm,learning_rate,validation,validation_best";
    assert_eq!(log.lines().next(), Some(columns));
    for (step, row) in rows.iter().enumerate().skip(1) {
        assert_eq!(row[0], step.to_string());
        assert!(row[1].parse::<f64>().unwrap().is_finite());
        assert_eq!(row[4].is_empty(), step % 4 != 0, "step {step}");
        assert_eq!(row[5].is_empty(), step != 4, "step {step}");
    }
    assert!(rows[4][4] == rows[8][4] && rows[4][4] == rows[12][4] && rows[4][4] == rows[4][5]);
    let objects = fs::read_to_string(file("log.jsonl")).unwrap();
    assert!(rows.len() == 13 && objects.lines().count() == 12);
    let validation = format!("\"validation\":{}", rows[12][4]);
    assert!(objects.lines().last().unwrap().contains(&validation));
    assert_eq!(fs::read_dir(file("events")).unwrap().count(), 1);
    let kept = fs::read_to_string(file("config.toml")).unwrap();
    assert!(kept.contains("patience = 8") && file("losses.png").exists());
}

/// A run that SIGTERM ends in the middle saves what it has, and goes on with the same bits.
#[cfg(unix)]
#[test]
fn configured_runs_end_by_a_signal() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    let long = ["training.steps=100000", "training.every=100000"];
    let mut running = train_command(&parts, &long, &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The line is printed just before the first step, when signals are caught already.
    let mut line = String::new();
    let mut told = BufReader::new(running.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let pid = running.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(running.wait().unwrap().code(), Some(128 + 15));
    let checkpoints = fs::read_dir(parts.join("checkpoints")).unwrap();
    let names = checkpoints.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let step = names.filter_map(|name| {
        let number = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
        number.parse::<usize>().ok()
    });
    let last = (step.max().unwrap() + 3).to_string();
    for (out, more) in [(&whole, &[][..]), (&parts, &["--resume"])] {
        let output = train(out, &long, &[&["--until", &last][..], more].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{message}");
    }
    let name = format!("checkpoints/step-{last:0>9}.safetensors");
    for name in [&name, "log.csv"] {
        let [a, b] = [&whole, &parts].map(|out| fs::read(out.join(name)).unwrap());
        assert!(a == b, "{name}");
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
