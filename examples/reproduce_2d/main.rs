//! The transport of laws in the plane, after Table 2 of Tong et al. 2024b: distances to the target and path energies of four methods, beside the
//! published figures.
//!
//! `cargo run --release --example reproduce_2d`; `-- --steps 5000` takes a quarter of the time, `--problem` and `--method` a part of the table.
//! `torchcfm_2d.py` beside this file has the same for torchcfm.
//!
//! Protocol: 10,000 points of each end; a perceptron of 3 × 64 with SELU, for (x, t); AdamW at 1e-3 with weight decay 1e-5; 20,000 steps of batches
//! of 512; the last weights; 100 steps of Euler's method from 1,000 fresh points; W₂ exact, against 1,000 fresh points of the target.
//! `NPE = |E ∫ |v|² dt − W₂²| / W₂²`, with W₂ between the fresh points of both ends. Five seeds, means ± standard deviations. σ = 0.1 for I-CFM and
//! OT-CFM, 1 for \[SF\]²M, whose ODE is integrated. Rectified flow is trained for the steps, then for as many on the pairs of its first flow.
//!
//! The laws are those of the authors' code (`problems.rs`), but for modes, which are in equal numbers here. "Floor" is W₂ between two fresh
//! samples of the target.

mod methods;
mod problems;
mod published;

use std::time::Instant;

use advect::metrics::{normalized_path_energy_error, path_energy, wasserstein2};
use advect::prelude::*;
use advect_examples::{Spread, Table};
use clap::{Parser, ValueEnum};

use methods::Method;
use problems::Problem;

/// Reproduce the table of transport in the plane.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// Seeds.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Training points of each end.
    #[arg(long, default_value_t = 10_000)]
    points: usize,
    /// Test points of each end.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// These problems only; may be repeated.
    #[arg(long, value_enum)]
    problem: Vec<Problem>,
    /// These methods only; may be repeated.
    #[arg(long, value_enum)]
    method: Vec<Method>,
}

/// The figures of one seed.
struct Run {
    problem: Problem,
    method: Method,
    distance: f64,
    energy: f64,
    floor: f64,
    seconds: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let problems = chosen(&args.problem);
    let methods = chosen(&args.method);
    let mut runs = Vec::new();
    for seed in 0..args.seeds {
        for &problem in &problems {
            for &method in &methods {
                let run = measure(problem, method, &args, &Key::from_seed(seed))?;
                println!(
                    "{:<20}{:<16}seed {seed}   W2 {:.3}   NPE {:.3}   training {:.1} s",
                    problem.name(),
                    method.name(),
                    run.distance,
                    run.energy,
                    run.seconds
                );
                runs.push(run);
            }
        }
    }
    println!("\n{} seeds, {} steps\n", args.seeds, args.steps);
    let mut table = Table::new([
        "problem",
        "method",
        "W₂",
        "published",
        "floor",
        "NPE",
        "published",
        "training",
    ]);
    for &problem in &problems {
        for &method in &methods {
            let of = |figure: fn(&Run) -> f64| {
                let of_cell = |run: &&Run| run.problem == problem && run.method == method;
                let values: Vec<f64> = runs.iter().filter(of_cell).map(figure).collect();
                Spread::of(&values)
            };
            let [distance, energy] = published::figures(method, problem);
            table.row([
                problem.name().to_string(),
                method.name().to_string(),
                format!("{:.3}", of(|run| run.distance)?),
                distance.to_string(),
                format!("{:.3}", of(|run| run.floor)?.mean),
                format!("{:.3}", of(|run| run.energy)?),
                energy.to_string(),
                format!("{:.0} s", of(|run| run.seconds)?.mean),
            ]);
        }
    }
    print!("{table}");
    Ok(())
}

/// Those that were asked for, or all.
fn chosen<T: ValueEnum + Copy>(asked: &[T]) -> Vec<T> {
    match asked {
        [] => T::value_variants().to_vec(),
        some => some.to_vec(),
    }
}

/// Trains a method, and measures where it takes fresh points.
fn measure(problem: Problem, method: Method, args: &Args, key: &Key) -> Result<Run> {
    let mut rng = Generator::from(key.named(problem.name()));
    let train = [
        problem.source(args.points, &mut rng)?,
        problem.target(args.points, &mut rng)?,
    ];
    let (start, end) = (
        problem.source(args.samples, &mut rng)?,
        problem.target(args.samples, &mut rng)?,
    );
    let fresh = problem.target(args.samples, &mut rng)?;
    let started = Instant::now();
    let velocity = method.train(train.each_ref(), args.steps, &key.named(method.name()))?;
    let seconds = started.elapsed().as_secs_f64();
    let flow = Solver::new(Euler, Fixed::steps(100)?)
        .integration(&velocity, &start, 0.0, 1.0)
        .save(Save::Every(1))
        .run()?;
    let energy = path_energy(&flow.times, &flow.states)?;
    Ok(Run {
        problem,
        method,
        distance: wasserstein2(&flow.end()?, &end)?,
        energy: normalized_path_energy_error(energy, wasserstein2(&start, &end)?)?,
        floor: wasserstein2(&fresh, &end)?,
        seconds,
    })
}
