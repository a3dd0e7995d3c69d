//! The figures of the book's chapters that no other example draws.
//!
//! `cargo run --release --example book`

mod adjoint;
mod flows;
mod hutchinson;
mod interpolants;
mod matching;
mod score;

use std::path::PathBuf;

use advect::prelude::*;
use clap::Parser;

/// Draw the figures of the book.
#[derive(Parser)]
struct Args {
    /// Folder for the pictures.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let figures = [
        ("flows", flows::draw as fn(&std::path::Path) -> Result<()>),
        ("hutchinson", hutchinson::draw),
        ("adjoint", adjoint::draw),
        ("matching", matching::draw),
        ("interpolants", interpolants::draw),
        ("score", score::draw),
    ];
    for (name, draw) in figures {
        let path = args.out.join(format!("book_{name}.png"));
        draw(&path)?;
        println!("picture {}", path.display());
    }
    Ok(())
}

/// The data of the chapters: two Gaussians of unequal weights.
fn two_peaks() -> Result<GaussianMixture> {
    let means = Tensor::new(&[[-2.0, 0.0], [2.0, 1.0]], &Device::Cpu)?;
    GaussianMixture::new(&[0.3, 0.7], &means, vec![Covariance::isotropic(0.25)?; 2])
}
