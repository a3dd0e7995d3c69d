//! Cells at four times, seen once each: how well is a time predicted that was left out?
//!
//! `cargo run --release --example snapshots`
//!
//! One time is left out, fields are trained on curves through the others, and the cells of the time before are carried to the time that
//! was left out. The distance from the cells that were seen there is told beside two others: that of the cells of the time before, as they
//! are, and that between two halves of the cells that were seen. Two populations: one that branches, whose velocity is known, and
//! real cells that become muscle.

mod branching;
mod methods;
mod picture;

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::data::read_csv;
use advect::prelude::*;
use advect::trajectories::{Comparison, Snapshots};
use clap::Parser;

use branching::Branching;
use methods::{METHODS, carry, train};

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

/// Trains and compares all methods on one population, with each inner time left out in turn.
fn study(name: &str, all: &Snapshots, truth: Option<Branching>, args: &Args) -> Result<()> {
    println!("\n{name}");
    println!(
        "method          left out        W1              W2        velocity's error   training"
    );
    let mut carried = Vec::new();
    for k in 1..all.len() - 1 {
        let (kept, left_out) = all.without(k)?;
        let time = left_out.time();
        let mut rng = Generator::from_seed(1);
        let before = Comparison::new(all.at(k - 1).samples(), &left_out, &mut rng)?;
        for method in METHODS.iter().filter(|method| method.contains(&args.only)) {
            let (mut w1, mut w2, mut errors) = (Vec::new(), Vec::new(), Vec::new());
            let mut seconds = 0.0;
            for seed in 0..args.seeds {
                let started = Instant::now();
                let flow = train(method, &kept, args.steps, seed)?;
                seconds += started.elapsed().as_secs_f64() / args.seeds as f64;
                let predicted = carry(&*flow, all.at(k - 1), time)?;
                let found = Comparison::new(&predicted, &left_out, &mut rng)?.predicted;
                w1.push(found.wasserstein1);
                w2.push(found.wasserstein2);
                if let Some(truth) = &truth {
                    errors.push(truth.velocity_error(&*flow, &left_out)?);
                }
                if seed == 0 && k == 1 {
                    carried.push((*method, picture::curves(&*flow, all)?));
                }
            }
            let ((w1, e1), (w2, e2)) = (summary(&w1), summary(&w2));
            let error = match errors.is_empty() {
                true => "unknown".to_string(),
                false => format!("{:.3}", summary(&errors).0),
            };
            println!(
                "{method:<16}{time:>5}   {w1:>6.3} ± {e1:.3}  {w2:>6.3} ± {e2:.3}{error:>14}{seconds:>15.1} s"
            );
        }
        for (name, found) in [
            ("time before", before.predicted),
            ("two halves", before.floor),
        ] {
            let (w1, w2) = (found.wasserstein1, found.wasserstein2);
            println!("{name:<16}{time:>5}   {w1:>6.3}          {w2:>6.3}");
        }
    }
    let path = args.out.join(format!("snapshots_{name}.png"));
    picture::draw(&path, all, &carried)?;
    println!("picture     {}", path.display());
    Ok(())
}
