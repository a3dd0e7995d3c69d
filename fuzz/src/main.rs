//! Mutated files for every reader of Advect, which must neither panic, nor hang, nor take more memory than is said in `target.rs`.
//!
//! `cargo run --release -- --inputs 100000 --seed 0 [TARGET …]`; `-- --replay FILE TARGET` reads one file again.

mod mutation;
mod random;
mod seeds;
mod target;

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use mutation::mutate;
use random::Random;
use target::{TARGETS, Target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
/// The number of inputs that were begun, for the thread that looks for hangs.
static BEGUN: AtomicU64 = AtomicU64::new(0);
/// Whether a reader is at work.
static READING: AtomicBool = AtomicBool::new(false);
/// An input that takes longer hangs.
const HANG: Duration = Duration::from_secs(20);
/// Files that were answered in a new way are mutated further, as many as this at most.
const POOL: usize = 4096;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut inputs, mut seed, mut names, mut replay) = (10_000u64, 0u64, Vec::new(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        match argument.as_str() {
            "--inputs" => inputs = value().parse().expect("--inputs NUMBER"),
            "--seed" => seed = value().parse().expect("--seed NUMBER"),
            "--replay" => replay = Some(PathBuf::from(value())),
            name => names.push(name.to_string()),
        }
    }
    for name in &names {
        assert!(TARGETS.iter().any(|t| t.name == name), "no target {name}");
    }
    let chosen = |target: &&Target| names.is_empty() || names.iter().any(|n| n == target.name);
    let targets: Vec<&Target> = TARGETS.iter().filter(chosen).collect();
    // In memory, where the machine has such a folder.
    let memory = Path::new("/dev/shm");
    let folder = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    let folder = folder.expect("a temporary folder");
    if let Some(file) = replay {
        let bytes = fs::read(&file).expect("a file to replay");
        for target in targets {
            let outcome = input(target, folder.path(), &bytes);
            println!("{}: {outcome:?}", target.name);
        }
        return ExitCode::SUCCESS;
    }
    // Panics are told with the file that caused them.
    std::panic::set_hook(Box::new(|panic| {
        if !READING.load(Ordering::Relaxed) {
            eprintln!("{panic}");
        }
    }));
    watch(folder.path().to_path_buf());
    let mut failures = 0;
    for target in targets {
        failures += fuzz(target, folder.path(), inputs, seed);
    }
    match failures {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// What came of an input.
#[derive(Debug, Clone)]
enum Outcome {
    Read,
    /// An error, without its numbers.
    Refused(String),
    Panicked(String),
    /// So many bytes of memory were taken.
    Greedy(usize),
}

/// Reads one file.
fn input(target: &Target, folder: &Path, bytes: &[u8]) -> Outcome {
    BEGUN.fetch_add(1, Ordering::Relaxed);
    let bytes = &(target.wrap)(bytes);
    let path = folder.join(target.name).join(target.file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).expect("a file that can be written");
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    READING.store(true, Ordering::Relaxed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        (target.read)(&path).map_err(|error| error.to_string())
    }));
    READING.store(false, Ordering::Relaxed);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    match result {
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string()));
            Outcome::Panicked(text.unwrap_or_default())
        }
        _ if taken > target.memory + 256 * bytes.len() => Outcome::Greedy(taken),
        Ok(Ok(())) => Outcome::Read,
        Ok(Err(text)) => {
            let text = text.replace(folder.to_string_lossy().as_ref(), "");
            let plain = text.chars().filter(|c| !c.is_ascii_digit());
            Outcome::Refused(plain.take(120).collect())
        }
    }
}

/// Reads so many mutated files, and returns the number of different failures.
fn fuzz(target: &Target, folder: &Path, inputs: u64, seed: u64) -> usize {
    let started = Instant::now();
    let mut random = Random(
        seed ^ target
            .name
            .bytes()
            .fold(7u64, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b))),
    );
    let mut pool = (target.seeds)();
    let originals = pool.len();
    let (mut answers, mut failures) = (HashSet::new(), HashSet::new());
    let (mut read, mut most) = (0u64, 0usize);
    for _ in 0..inputs {
        // Half of the time from the files of the beginning.
        let from = match random.below(2) {
            0 => random.below(originals),
            _ => random.below(pool.len()),
        };
        let mut bytes = pool[from].clone();
        let other = random.below(pool.len());
        mutate(&mut bytes, &pool[other], &mut random);
        let outcome = input(target, folder, &bytes);
        most = most.max(MEMORY.peak_usage());
        match outcome {
            Outcome::Read => read += 1,
            Outcome::Refused(answer) => {
                if answers.len() < POOL && answers.insert(answer) {
                    pool.push(bytes);
                }
            }
            failure => {
                let (mut name, told) = match failure {
                    Outcome::Panicked(text) => (text.clone(), format!("a panic, {text}")),
                    Outcome::Greedy(bytes) => (String::new(), format!("{bytes} bytes of memory")),
                    _ => continue,
                };
                name.retain(|c| !c.is_ascii_digit());
                if failures.len() < 20 && failures.insert(name) {
                    let kept = format!("failures/{}-{seed}-{}", target.name, failures.len());
                    let _ = fs::create_dir_all("failures");
                    let _ = fs::write(&kept, &bytes);
                    println!("{}: {told}, kept in {kept}", target.name);
                }
            }
        }
    }
    println!(
        "{:<16} {inputs:>9} inputs, {read:>8} read, {:>4} kinds of errors, {} failures, peak {:.1} MB, {:.0} s",
        target.name,
        answers.len(),
        failures.len(),
        most as f64 * 1e-6,
        started.elapsed().as_secs_f64()
    );
    failures.len()
}

/// Ends the process when an input hangs, and leaves its file where it is.
fn watch(folder: PathBuf) {
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let begun = BEGUN.load(Ordering::Relaxed);
            if begun != last {
                (last, since) = (begun, Instant::now());
            } else if since.elapsed() > HANG {
                let (seconds, folder) = (HANG.as_secs(), folder.display());
                println!("input {begun} hangs: it is read for {seconds} s; it is in {folder}");
                exit(2);
            }
        }
    });
}
