//! A short history of generative models: seven of them learn the same handwritten digits, and one table says how well each does.
//!
//! `cargo run --release --example history`
//!
//! Digits have 17 levels of ink. Models of levels have a probability for each digit, models of numbers a density of digits with uniform noise in the levels' bins, whose bits are
//! a bound of those of the levels. Both are in bits per dimension, on digits that were kept from training.

mod adversarial;
mod autoencoder;
mod boltzmann;
mod coupling_flow;
mod diffusion;
mod flow;
mod masked_pixels;
mod table;
mod task;

use std::path::PathBuf;

use advect::prelude::*;
use clap::Parser;

use task::{Entry, Task};

/// Seven kinds of generative models on the same digits.
#[derive(Parser)]
pub(crate) struct Args {
    /// Training steps of the first models; MADE takes a quarter, the coupling flow an eighth, DDPM and flow matching twice as many.
    #[arg(long, default_value_t = 4000)]
    steps: usize,
    /// Width of the hidden layers of all networks.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Samples of each for the table.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Digits that are kept from training.
    #[arg(long, default_value_t = 497)]
    held_out: usize,
    /// Steps of DDPM's diffusion, and temperatures of annealed importance sampling.
    #[arg(long, default_value_t = 1000)]
    levels: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// A model's name, and what trains and samples it.
type Row = (&'static str, fn(&Task) -> Result<Entry>);

/// The models, in the order in which they came up.
const MODELS: [Row; 7] = [
    ("Boltzmann machine, 1986", boltzmann::run),
    ("VAE, 2013", autoencoder::run),
    ("GAN, 2014", adversarial::run),
    ("MADE, 2015", masked_pixels::run),
    ("coupling flow, 2016", coupling_flow::run),
    ("DDPM, 2020", diffusion::run),
    ("flow matching, 2022", flow::run),
];

fn main() -> Result<()> {
    let args = Args::parse();
    for (name, count) in [("samples", args.samples), ("held_out", args.held_out)] {
        if count < 2 {
            return Err(Error::range(name, count, "at least 2"));
        }
    }
    check::at_least_one("steps", args.steps)?;
    advect_examples::prepare_pictures(&args.out)?;
    let task = Task::new(&args)?;
    let mut rows = Vec::new();
    for (name, run) in MODELS {
        rows.push((name, run(&task)?));
    }
    table::print(&task, &rows)?;
    let path = args.out.join("history.png");
    table::draw(&path, &task, &rows)?;
    println!("picture   {}", path.display());
    println!("data      {}", Digits::ATTRIBUTION);
    Ok(())
}
