//! A continuous normalizing flow trained by maximum likelihood on two moons (FFJORD, Grathwohl et al. 2019), and its
//! density.
//!
//! `cargo run --release --example cnf`
//!
//! Each loss carries a batch from the data at t = 1 back to a normal law at t = 0, with its log-density beside it; the
//! gradient comes through the integration and the divergence.

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::core::normal::log_standard_normal;
use advect::data::toy::{Toy, TwoMoons};
use advect::prelude::*;
use advect::solvers::divergence::{Divergence, Exact, Flow, Probe};
use advect_examples::MaximumLikelihoodFit;
use advect_examples::plot::{BLUE, ORANGE, Palette, Panel, panels, rows};
use clap::Parser;

/// Fit a density to two moons.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 600)]
    steps: usize,
    /// Samples in a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Estimate the divergence by one random probe a solve, as FFJORD does, in place of the exact one.
    #[arg(long)]
    hutchinson: bool,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Test points.
    #[arg(long, default_value_t = 5000)]
    samples: usize,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let moons = TwoMoons {
        noise: 0.1,
        scale: 1.0,
        shift: 0.0,
    };

    let started = Instant::now();
    let fit = MaximumLikelihoodFit {
        steps: args.steps,
        batch: args.batch,
        probe: args.hutchinson.then_some(Probe::Rademacher),
    };
    let net = fit.train(&moons, &key, &device)?;
    println!("training     {:.1} s", started.elapsed().as_secs_f64());

    let mut rng = Generator::from(key.named("test"));
    let test = moons.sample(args.samples, DType::F32, &device, &mut rng)?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let flow = Flow::new(net.clone(), Exact);
    let log_density = flow.log_density(&solver, &test, log_standard_normal)?;
    let values = log_density.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
    let error = (variance / values.len() as f64).sqrt();
    println!(
        "likelihood   {:.3} ± {error:.3} nats a point, negative, on {} new points",
        -mean, args.samples
    );

    let noise = rng.normal_like(&test)?;
    let samples = solver.solve(&net, &noise, 0.0, 1.0)?.end()?;
    let picture = args.out.join("cnf.png");
    draw(&picture, &flow, &solver, &test, &samples)?;
    println!("picture      {}", picture.display());
    Ok(())
}

/// The density on a grid, the test points, and samples of the flow.
fn draw<D: Divergence>(
    path: &Path,
    flow: &Flow<Mlp, D>,
    solver: &Solver<Dopri5, Adaptive>,
    test: &Tensor,
    samples: &Tensor,
) -> Result<()> {
    let test = rows(test)?;
    let range = |axis: usize| {
        let values = test.iter().map(|p| p[axis]);
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        let middle = 0.5 * (low + high);
        (middle, 0.5 * (high - low))
    };
    let ((x, half), (y, tall)) = (range(0), range(1));
    let half = 1.25 * half.max(tall);
    let (x, y) = (x - half..x + half, y - half..y + half);
    let cells = 140;
    let plane = [x.clone(), y.clone()];
    let centres = Panel::centres(plane.clone(), [cells; 2], DType::F32, samples.device())?;
    let densities = flow
        .log_density(solver, &centres, log_standard_normal)?
        .exp()?
        .to_dtype(DType::F64)?
        .to_vec1::<f64>()?;
    panels(path, 1, 3, 420, |panels| {
        let panel = |i: usize, title: &str| Panel::new(&panels[i], title, x.clone(), y.clone());
        panel(0, "density")?.heat(plane, cells, &densities, Palette::Viridis)?;
        panel(1, "data")?.dots(&test, 1, &ORANGE)?;
        panel(2, "samples")?.dots(&rows(samples)?, 1, &BLUE)
    })
}
