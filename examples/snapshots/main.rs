//! Cells at four times, seen once each: how well is a time predicted that was left out?
//!
//! `cargo run --release --example snapshots`
//!
//! One time is left out, fields are trained on curves through the others, and the cells of the time before are carried to the time that
//! was left out. The distance from the cells that were seen there is told beside two others: that of the cells of the time before, as they
//! are, and that between two halves of the cells that were seen. Two populations: one that branches, whose velocity is known, and
//! real cells that become muscle. Of the first, the error of cells is told that of their places beside those of the true way, over the length
//! of that. The energy is that of the drift on all ways from the first time to the last, `∫ E|b(t, x_t)|² dt`.

mod branching;
mod methods;
mod picture;
mod simulated;

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::core::shape;
use advect::data::read_csv;
use advect::prelude::*;
use advect::trajectories::objective::{Action, lagrangian_fn};
use advect::trajectories::{Comparison, Distances, Snapshots};
use clap::Parser;

use branching::Branching;
use methods::{METHODS, Process, train};

/// Predict a time that was left out.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Seeds, each of a training of its own.
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// The number of principal components of the real cells, from 2 to 10.
    #[arg(long, default_value_t = 5)]
    components: usize,
    /// Only methods whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Folder for the pictures.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// Mean and standard error over seeds.
fn summary(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0) / n).sqrt())
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("seeds", args.seeds as usize)?;
    advect_examples::prepare_pictures(&args.out)?;
    let mut rng = Generator::from_seed(0);
    let population = Branching.snapshots(200, &[0.0, 1.0, 2.0, 3.0], &mut rng)?;
    study("branching", &population, Some(Branching), &args)?;
    study("myoblasts", &myoblasts(args.components)?, None, &args)
}

/// The cells at times counted in days.
fn myoblasts(components: usize) -> Result<Snapshots> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots/myoblasts.csv");
    let (_, table) = read_csv(file)?;
    if !(2..=10).contains(&components) {
        return Err(Error::range(
            "components",
            components,
            "a number from 2 to 10",
        ));
    }
    let cells = Snapshots::from_table(&table.narrow(1, 0, components + 1)?.to_dtype(DType::F32)?)?;
    cells.at_times(&[0.0, 1.0, 2.0, 3.0])
}

/// The energy of the drift along states of the process.
fn energy(process: &Process, way: &picture::Way) -> Result<f64> {
    let action = Action::new(lagrangian_fn(|_, _, v| shape::sum_squares_per_sample(v)));
    let drift = field_fn(|t, x| Ok(process.drift.at(t, x)?.detach()));
    let energy = action.value(&drift, &way.times, &way.states)?;
    Ok(energy.to_dtype(DType::F64)?.to_scalar()?)
}

/// Trains and compares all methods on one population, with each inner time left out in turn.
fn study(name: &str, all: &Snapshots, truth: Option<Branching>, args: &Args) -> Result<()> {
    println!("\n{name}");
    println!(
        "method          left out        W1              W2              MMD²        energy       drift's error  cells'  training"
    );
    let mut carried = Vec::new();
    for k in 1..all.len() - 1 {
        let (kept, left_out) = all.without(k)?;
        let mut rng = Generator::from_seed(1);
        let from = all.at(k - 1);
        let before = Comparison::new(from.samples(), &left_out, &mut rng)?;
        for method in METHODS.iter().filter(|method| method.contains(&args.only)) {
            let mut found = Vec::new();
            for seed in 0..args.seeds {
                let started = Instant::now();
                let process = train(method, &kept, args.steps, seed)?;
                let seconds = started.elapsed().as_secs_f64();
                let key = Key::from_seed(seed).named("carry");
                let states = process.states(from, &[from.time(), left_out.time()], key)?;
                let distances = Comparison::new(&states[1], &left_out, &mut rng)?.predicted;
                let way = picture::curves(&process, all, key)?;
                let [of_drift, of_cells] = match &truth {
                    Some(truth) => [
                        truth.velocity_error(&*process.drift, &left_out)?,
                        truth.places_error(&states[1], from, left_out.time())?,
                    ],
                    None => [f64::NAN; 2],
                };
                found.push([
                    distances.wasserstein1,
                    distances.wasserstein2,
                    distances.mmd2,
                    energy(&process, &way)?,
                    of_drift,
                    of_cells,
                    seconds,
                ]);
                if seed == 0 && k == 1 {
                    carried.push((*method, way.states));
                }
            }
            let column = |i: usize| summary(&found.iter().map(|row| row[i]).collect::<Vec<_>>());
            let known = |i: usize| match column(i).0 {
                error if error.is_nan() => "-".to_string(),
                error => format!("{error:.3}"),
            };
            let [(w1, e1), (w2, e2), (mmd, e3), (energy, e4)] = [0, 1, 2, 3].map(column);
            let (time, drift, cells, seconds) = (left_out.time(), known(4), known(5), column(6).0);
            println!(
                "{method:<16}{time:>5}   {w1:>6.3} ± {e1:.3}  {w2:>6.3} ± {e2:.3}  {mmd:>6.3} ± {e3:.3}  {energy:>6.2} ± {e4:.2}  \
                 {drift:>10}{cells:>9}{seconds:>8.1} s"
            );
        }
        let (floor, spread) = (before.floor, before.floor_deviation);
        let time = left_out.time();
        for (name, found, spread) in [
            ("time before", before.predicted, None),
            ("two halves", floor, Some(spread)),
        ] {
            let number = |of: fn(&Distances) -> f64| match &spread {
                None => format!("{:>6.3}        ", of(&found)),
                Some(spread) => format!("{:>6.3} ± {:.3}", of(&found), of(spread)),
            };
            let [w1, w2, mmd] = [
                number(|d| d.wasserstein1),
                number(|d| d.wasserstein2),
                number(|d| d.mmd2),
            ];
            println!("{name:<16}{time:>5}   {w1}  {w2}  {mmd}");
        }
    }
    let path = args.out.join(format!("snapshots_{name}.png"));
    picture::draw(&path, all, &carried)?;
    println!("picture     {}", path.display());
    Ok(())
}
