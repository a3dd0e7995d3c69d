//! Runs that are killed, in other processes: this program executes itself.
//!
//! A kill from outside meets the writing of a checkpoint by chance, and on a fast disk seldom. So some runs have a disk that ends them:
//! a limit on the sizes of files, at which the system kills the process in the middle of its write, after as many bytes as it was told. And
//! some ask themselves to end as soon as they see their own half-written file.
#![cfg(all(unix, feature = "signals"))]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{sleep, spawn, yield_now};
use std::time::{Duration, Instant};

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Result, Time, observer_fn};
use advect_models::Mlp;
use advect_nn::{Linear, ParameterStore};
use advect_train::decay::Warmup;
use advect_train::learning_rate::WarmupCosine;
use advect_train::observer::{MetricLog, Validation, every};
use advect_train::{AdamW, AdamWConfig, Checkpoint, CheckpointFolder, NonFinite, Signals, Trainer};
use candle_core::{DType, Tensor};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::raise;

/// The variables by which a process is told to train: the folder, and a step that takes ten minutes.
const FOLDER: &str = "ADVECT_TEST_FOLDER";
const STUCK: &str = "ADVECT_TEST_STUCK";
/// Asks a process to end by SIGTERM while it writes a checkpoint.
const ASKED: &str = "ADVECT_TEST_ASKED";
/// Leaves SIGHUP to a process as it was given to it.
const KEPT: &str = "ADVECT_TEST_KEPT";
/// The log of a process whose files can't grow beyond a block.
const LOG: &str = "ADVECT_TEST_LOG";
const ASKED_WITHIN: &str = "asked within a write";
const STEPS: usize = 240;

/// Trains in the folder that the variable names, in a process of its own.
#[test]
fn child() {
    if let Ok(place) = env::var(FOLDER) {
        heed();
        train(Path::new(&place));
    }
}

/// Ends that signals are ignored, as SIGINT is in what a script starts by `&`, and SIGHUP under `nohup`: a run would leave them ignored, and a shell
/// can't end it. A handler, whatever it does, is what Linux calls no longer ignored.
fn heed() {
    let hangup = env::var(KEPT).is_err().then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        flag::register(signal, Arc::default()).unwrap();
    }
}

fn train(place: &Path) {
    let stuck: Option<usize> = env::var(STUCK).ok().map(|step| step.parse().unwrap());
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let config = Mlp::config(2).hidden(&[128, 128]);
    let net = config.clone().build(&store.builder()).unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(1e-2, 20, STEPS).unwrap())
        .clip_norm(1.0)
        .unwrap()
        .ema(Warmup::new(0.99).unwrap())
        .unwrap()
        .batches(16, 10)
        .unwrap()
        .non_finite(NonFinite::Skip { limit: 3 })
        .unwrap();
    let averaged = config.build(&trainer.averaged().frozen()).unwrap();
    let error = |net: &Mlp, rng: &mut Generator| -> Result<Tensor> {
        let x = rng.normal((16, 2), DType::F32, device())?;
        Ok((net.at(&Time::Shared(0.5), &x)? - x.sin()?)?
            .sqr()?
            .mean_all()?)
    };
    let held_out = |_: &Trainer| {
        let loss = error(&averaged, &mut Generator::from_seed(7))?;
        Ok(f64::from(loss.to_scalar::<f32>()?))
    };
    let signals = Signals::install().unwrap();
    let folder = CheckpointFolder::open(place).unwrap().every(5).unwrap();
    let folder = folder.keeping(2).unwrap().best_of("validation");
    folder.resume(&mut trainer).unwrap();
    if env::var(ASKED).is_ok() {
        let place = place.to_path_buf();
        spawn(move || ask_within_a_write(&place));
    }
    let csv = MetricLog::csv(place.join("log.csv")).unwrap();
    let json = MetricLog::json_lines(place.join("log.jsonl")).unwrap();
    let events = MetricLog::tensorboard(place.join("events")).unwrap();
    let validation = Validation::new("validation", held_out).unwrap();
    let say = observer_fn(|trainer: &Trainer| println!("step {}", trainer.step()));
    let observers = (
        every(7, validation).unwrap(),
        ((csv, json), (every(3, events).unwrap(), (say, signals))),
    );
    let loss = |step: usize, rng: &mut Generator| {
        if stuck == Some(step) {
            println!("stuck");
            sleep(Duration::from_secs(600));
        }
        let factor = if step % 50 == 17 { f64::NAN } else { 1.0 };
        Ok((error(&net, rng)? * factor)?)
    };
    trainer
        .run(STEPS, loss, &mut folder.after(observers))
        .unwrap();
    signals.exit_if_received();
}

fn ask_within_a_write(place: &Path) {
    while !is_writing(place) {
        yield_now();
    }
    raise(SIGTERM).unwrap();
    if is_writing(place) {
        println!("{ASKED_WITHIN}");
    }
}

struct Run {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Run {
    /// Starts a process that trains, through a shell that runs `setup` first.
    fn start(place: &Path, setup: &str, variables: &[(&str, &str)]) -> Self {
        let command = format!("{setup} exec \"$0\" kills::child --exact --nocapture");
        let mut process = Command::new("sh")
            .args(["-c", &command])
            .arg(env::current_exe().unwrap())
            .env(FOLDER, place)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Run { process, lines }
    }

    /// Waits until it says something, and whether it does.
    fn says(&mut self, start: &str) -> bool {
        // The test harness writes on the same line.
        (self.lines.by_ref()).any(|line| line.unwrap().contains(start))
    }

    /// Waits until it has made some steps, and whether it does: false at its end.
    fn makes_steps(&mut self, count: usize) -> bool {
        (0..count).all(|_| self.says("step "))
    }

    fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.process.id());
        let sent = Command::new("sh").args(["-c", &command]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end: its status, and what it wrote on standard error.
    fn ends(mut self) -> (Option<i32>, String) {
        while self.lines.next().is_some() {}
        let output = self.process.wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text)
    }
}

/// The half-written checkpoint.
fn partial(place: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(place).unwrap();
    let mut paths = names.map(|entry| entry.unwrap().path());
    paths.find(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.contains(".safetensors.") && name.ends_with(".partial")
    })
}

fn is_writing(place: &Path) -> bool {
    partial(place).is_some()
}

/// A number below a bound (Marsaglia 2003).
fn random(state: &mut u64, bound: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % bound
}

/// Files by name, without the times in events.
fn results(place: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let last = format!("step-{STEPS:09}.safetensors");
    for entry in fs::read_dir(place).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == last || name.starts_with("best-") || name.starts_with("log.") {
            files.push((name.clone(), fs::read(place.join(name)).unwrap()));
        }
    }
    files.sort();
    let path = place.join("events/events.out.tfevents.0.advect");
    let (bytes, mut at) = (fs::read(path).unwrap(), 0);
    while at < bytes.len() {
        let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
        // After the length, its checksum, a tag and the time.
        let (begin, end) = (at + 12 + 9, at + 12 + length);
        files.push(("event".to_string(), bytes[begin..end].to_vec()));
        at = end + 4;
    }
    files
}

/// Logs rows to the file that the variable names, in a process of its own, until there is no room for one.
#[test]
fn logging_child() {
    let Ok(path) = env::var(LOG) else {
        return;
    };
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Linear::new(1, 1, &store.builder()).unwrap();
    let mut trainer = Trainer::adamw(&store, 1e-3, Key::from_seed(1)).unwrap();
    let x = Tensor::ones((1, 1), DType::F32, device()).unwrap();
    let loss = |_: usize, _: &mut Generator| Ok(net.forward(&x)?.sqr()?.sum_all()?);
    let mut log = MetricLog::csv(path).unwrap();
    let error = trainer.run(1000, loss, &mut log).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");
}

#[test]
fn half_a_row_does_not_stay_in_a_log() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("log.csv");
    let limited = r#"trap "" XFSZ; ulimit -f 1; exec "$0" --exact kills::logging_child"#;
    let process = Command::new("sh")
        .args(["-c", limited])
        .arg(env::current_exe().unwrap())
        .env(LOG, &path)
        .output();
    let output = process.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() > 3 && text.ends_with('\n'), "{text}");
}

/// The results of a run that nobody disturbs.
fn undisturbed() -> &'static [(String, Vec<u8>)] {
    static RESULTS: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    RESULTS.get_or_init(run_undisturbed)
}

fn run_undisturbed() -> Vec<(String, Vec<u8>)> {
    let place = tempfile::tempdir().unwrap();
    let (status, text) = Run::start(place.path(), "", &[]).ends();
    assert_eq!(status, Some(0), "{text}");
    let results = results(place.path());
    let log = String::from_utf8(results[1].1.clone()).unwrap();
    let steps = log
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap());
    assert_eq!(
        steps.collect::<Vec<usize>>(),
        (1..=STEPS).collect::<Vec<_>>()
    );
    results
}

fn checkpoint_bytes(results: &[(String, Vec<u8>)]) -> u64 {
    let checkpoint = results.iter().find(|(name, _)| name.starts_with("step-"));
    checkpoint.unwrap().1.len() as u64
}

fn same(place: &Path, expected: &[(String, Vec<u8>)]) {
    let (status, text) = Run::start(place, "", &[]).ends();
    assert_eq!(status, Some(0), "{text}");
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    let found = results(place);
    assert_eq!(names(&found), names(expected));
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        assert!(found == expected, "{name} differs");
    }
    assert!(!is_writing(place), "partial files are left");
}

#[test]
fn killed_at_any_moment_a_run_ends_with_the_same_bytes() {
    let expected = undisturbed();
    assert_eq!(expected[1].0, "log.csv");
    let mut place = tempfile::tempdir().unwrap();
    // Beyond what the logs need, and below the size of a checkpoint, in blocks of 512 bytes.
    let blocks = (64, checkpoint_bytes(expected) / 512);
    let (mut state, mut kills, mut inside) = (0x9e37_79b9_7f4a_7c15, 0, 0);
    for _ in 0..100 {
        if kills == 20 {
            break;
        }
        if kills % 2 == 0 {
            // At a byte of the next checkpoint that is written.
            let blocks = blocks.0 + random(&mut state, blocks.1 - blocks.0);
            let disk = format!("ulimit -c 0; ulimit -f {blocks};");
            let (status, text) = Run::start(place.path(), &disk, &[]).ends();
            let written = partial(place.path()).map(|path| path.metadata().unwrap().len());
            if status == Some(0) {
                // It had come to its end before.
                place = tempfile::tempdir().unwrap();
                continue;
            }
            let within = written.is_some_and(|bytes| bytes <= 512 * blocks);
            assert!(status.is_none() && within, "{status:?}, {text}");
            inside += 1;
        } else {
            let mut run = Run::start(place.path(), "", &[]);
            if !run.makes_steps(1 + random(&mut state, 10) as usize) {
                // It came to its end: on a fast machine, or on one that stood still for a while.
                if kills >= 10 {
                    break;
                }
                place = tempfile::tempdir().unwrap();
                continue;
            }
            sleep(Duration::from_micros(random(&mut state, 1000)));
            run.process.kill().unwrap();
            run.process.wait().unwrap();
        }
        kills += 1;
    }
    assert!(inside >= 5, "{inside} kills within a write");
    assert!(kills >= 10, "{kills} kills");
    same(place.path(), expected);
}

#[test]
fn asked_to_end_a_run_saves_and_ends_with_the_same_bytes() {
    let expected = undisturbed();
    let mut place = tempfile::tempdir().unwrap();
    let (mut state, mut signals, mut inside) = (0x2545_f491_4f6c_dd1d, 0, 0);
    for _ in 0..100 {
        if signals == 20 {
            break;
        }
        let (mut name, mut status) = [("TERM", 143), ("INT", 130), ("HUP", 129)][signals % 3];
        let within = signals % 2 == 0;
        let mut run;
        if within {
            (name, status) = ("TERM", 143);
            run = Run::start(place.path(), "", &[(ASKED, "")]);
            inside += usize::from(run.says(ASKED_WITHIN));
        } else {
            run = Run::start(place.path(), "", &[]);
            if run.makes_steps(1 + random(&mut state, 8) as usize) {
                sleep(Duration::from_micros(random(&mut state, 1000)));
                run.signal(name);
            }
        }
        let (ended, text) = run.ends();
        if ended == Some(0) {
            // On a fast machine, or on one that stood still for a while.
            if signals >= 5 {
                break;
            }
            place = tempfile::tempdir().unwrap();
            continue;
        }
        assert_eq!(ended, Some(status), "{text}");
        assert!(text.contains(&format!("ended by SIG{name}")), "{text}");
        signals += 1;
    }
    assert!(signals >= 5, "{signals} signals");
    assert!(inside > 0, "no signal was within a write");
    same(place.path(), expected);
}

#[test]
fn a_second_signal_ends_at_once_and_ignored_ones_stay_ignored() {
    let place = tempfile::tempdir().unwrap();
    let mut run = Run::start(place.path(), "trap '' HUP;", &[(STUCK, "3"), (KEPT, "")]);
    assert!(run.says("stuck"));
    run.signal("HUP");
    run.signal("HUP");
    sleep(Duration::from_millis(50));
    run.signal("TERM");
    sleep(Duration::from_millis(100));
    assert!(run.process.try_wait().unwrap().is_none());
    let begun = Instant::now();
    run.signal("INT");
    assert_eq!(run.ends().0, Some(130));
    assert!(begun.elapsed() < Duration::from_secs(5));
}

/// The step of the newest checkpoint, which can be read.
fn newest(place: &Path) -> usize {
    let names = fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    // Neither the best nor a file that was being written.
    let newest = names
        .filter(|name| name.starts_with("step-") && name.ends_with(".safetensors"))
        .max();
    Checkpoint::load(place.join(newest.unwrap()), device())
        .unwrap()
        .step
}

#[test]
fn a_limit_of_sizes_leaves_the_last_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let mut run = Run::start(place.path(), "", &[]);
    assert!(run.makes_steps(12));
    run.process.kill().unwrap();
    run.process.wait().unwrap();
    // It may have been killed in the writing of the next one.
    let before = newest(place.path());
    // In blocks of 512 bytes, and without the signal that would end the process.
    let (status, text) = Run::start(place.path(), "trap '' XFSZ; ulimit -f 200;", &[]).ends();
    assert_eq!(status, Some(101), "{text}");
    assert!(
        text.contains("safetensors") && text.contains("File too large"),
        "{text}"
    );
    assert_eq!(newest(place.path()), before);
    assert!(!is_writing(place.path()), "partial files are left");
}

#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let place = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(place.path())
        .stderr(Stdio::null())
        .status();
    if !mount.is_ok_and(|status| status.success()) {
        return; // Only the superuser may, and not everywhere.
    }
    let (status, text) = Run::start(place.path(), "", &[]).ends();
    let whole = std::panic::catch_unwind(|| {
        assert!(!is_writing(place.path()), "partial files are left");
        newest(place.path())
    });
    let unmounted = Command::new("umount").arg(place.path()).status().unwrap();
    assert!(unmounted.success());
    assert_eq!(status, Some(101), "{text}");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(whole.unwrap() > 0);
}
