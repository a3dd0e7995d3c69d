//! The limits of the number of threads, which the CPU has whatever the device of tests is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use advect_core::{Generator, parallel};
use advect_ops::{Activation, linear};
use candle_core::{DType, Device};

/// Set where this file's test runs in a process of its own.
const WITHIN: &str = "ADVECT_TEST_OF_THREADS";

/// The threads that share work, and those of the process after work for all pools there are.
fn report() -> (usize, usize) {
    let x = Generator::from_seed(0).normal((512, 512), DType::F32, &Device::Cpu);
    let x = x.unwrap();
    linear(&x, &x, None, Activation::Silu).unwrap();
    x.matmul(&x).unwrap().exp().unwrap().sum_all().unwrap();
    let all = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    (parallel::threads(), all)
}

#[test]
fn the_environment_limits_threads() {
    if std::env::var(WITHIN).is_ok() {
        let (sharing, all) = report();
        println!("\nthreads: {sharing} {all}");
        return;
    }
    let within = |variables: &[(&str, &str)]| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "the_environment_limits_threads", "--nocapture"]);
        for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS", "CANDLE_CPU_MASK"] {
            command.env_remove(name);
        }
        let output = command
            .env(WITHIN, "1")
            .envs(variables.iter().copied())
            .output();
        let text = String::from_utf8(output.unwrap().stdout).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("threads: "));
        let mut numbers = line
            .unwrap()
            .split(' ')
            .map(|n| n.parse::<usize>().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    // The thread of the test and the one that waits for it; 0 where the system does not tell.
    let (sharing, all) = within(&[("RAYON_NUM_THREADS", "1")]);
    assert!(sharing == 1 && all <= 2, "{sharing} {all}");
    let (sharing, _) = within(&[("RAYON_NUM_THREADS", "3")]);
    assert_eq!(sharing, 3);
    // Of the kernels alone.
    let (sharing, _) = within(&[("RAYON_NUM_THREADS", "3"), ("CANDLE_NUM_THREADS", "2")]);
    assert_eq!(sharing, 2);
}
