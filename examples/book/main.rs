//! The figures of the book's chapters that no other example draws.
//!
//! `cargo run --release --example book`

mod adjoint;
mod flows;
mod hutchinson;
mod interpolants;
mod matching;

use std::path::PathBuf;

use advect::prelude::*;
use advect_examples::plot::Panel;
use clap::Parser;
use plotters::style::RGBColor;

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

/// A colour for a share from 0 to 1 of the greatest density: white, blue, nearly black.
fn shade(share: f64) -> RGBColor {
    let stops = [
        [255.0, 255.0, 255.0],
        [120.0, 170.0, 220.0],
        [20.0, 60.0, 130.0],
    ];
    let place = share.clamp(0.0, 1.0).sqrt() * 2.0;
    let low = (place as usize).min(1);
    let mix = |c: usize| {
        let part = place - low as f64;
        (stops[low][c] * (1.0 - part) + stops[low + 1][c] * part) as u8
    };
    RGBColor(mix(0), mix(1), mix(2))
}

/// Points at the centres of a grid of `count` by `count` cells over a square, row by row.
fn grid(count: usize, low: f64, high: f64) -> Vec<[f64; 2]> {
    let at = |i: usize| low + (high - low) * (i as f64 + 0.5) / count as f64;
    let cell = |n: usize| [at(n % count), at(n / count)];
    (0..count * count).map(cell).collect()
}

/// Fills the cells of a grid by their densities, relative to the greatest.
fn heat(panel: &Panel<'_>, cells: &[[f64; 2]], size: [f64; 2], densities: &[f64]) -> Result<()> {
    let most = densities.iter().fold(0.0f64, |a, &b| a.max(b));
    for ([x, y], density) in cells.iter().zip(densities) {
        let [w, h] = size.map(|s| 0.5 * s);
        panel.tile([[x - w, y - h], [x + w, y + h]], &shade(density / most))?;
    }
    Ok(())
}
