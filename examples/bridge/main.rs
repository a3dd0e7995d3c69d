//! Schrödinger bridges between eight Gaussians and two moons, by three ways, in a picture; and between Gaussians of
//! 5, 20 and 50 dimensions, where the bridge is known, in a table.
//!
//! `cargo run --release --example bridge`
//!
//! \[SF\]²M (Tong et al. 2024b) learns velocity and score on pairs of entropic plans between batches. DSBM (Shi et
//! al. 2023) learns the drifts of both directions in turn, each on pairs that the other one made. The exact bridge
//! between samples needs no training.

mod gaussians;
mod learning;
mod plane;

use std::path::PathBuf;

use advect::prelude::*;
use clap::Parser;

/// Learn Schrödinger bridges, and compare them with exact ones.
#[derive(Parser)]
struct Args {
    /// Training steps of each method, shared by its networks.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Samples of each end to learn from.
    #[arg(long, default_value_t = 10_000)]
    points: usize,
    /// Samples for the table; the picture has at most 1,000.
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// Dimensions of the table.
    #[arg(long, value_delimiter = ',', default_value = "5,20,50")]
    dimensions: Vec<usize>,
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
    plane::compare(&args, &key.named("plane"))?;
    println!();
    gaussians::print_title();
    for dim in &args.dimensions {
        gaussians::compare(*dim, &args, &key.named("gaussians").child(*dim as u64))?;
    }
    Ok(())
}
