//! Schrödinger bridges between eight Gaussians and two moons, by three ways, in a picture; `reproduce_bridge` has those between Gaussians, where the
//! bridge is known.
//!
//! `cargo run --release --example bridge`
//!
//! \[SF\]²M (Tong et al. 2024b) learns velocity and score on pairs of entropic plans between batches. DSBM (Shi et
//! al. 2023) learns the drifts of both directions in turn, each on pairs that the other one made. The exact bridge
//! between samples needs no training.

mod plane;

use std::path::PathBuf;

use advect::prelude::*;
use clap::Parser;

/// Learn Schrödinger bridges, and compare them with the exact one.
#[derive(Parser)]
struct Args {
    /// Training steps of each method, shared by its networks.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Samples of each end to learn from.
    #[arg(long, default_value_t = 10_000)]
    points: usize,
    /// Samples that are carried.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    plane::compare(&args, &key.named("plane"))
}
