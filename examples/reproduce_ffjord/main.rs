//! Continuous normalizing flows on toy densities, after FFJORD (Grathwohl et al. 2019): negative log-likelihoods beside the data's entropy.
//!
//! `cargo run --release --example reproduce_ffjord`; `-- --steps 100 --seeds 1` takes less time. Writes `ffjord.png`: data, and densities that were learned.
//!
//! Protocol: maximum likelihood through the flow's ODE, with the divergence by one Rademacher probe a solve, as in the paper; batches of 256 fresh
//! points; the likelihood of 5,000 fresh points by Dopri5 at 1e-5 with the exact divergence. Five seeds, means ± standard deviations. Other than the
//! paper's: a perceptron of 3 × 64 with tanh for 600 steps (there three layers of 64 for 10,000 steps and Dopri5), by 10 steps of the classical method of order 4 in training, and weights
//! averaged. The paper shows pictures of these densities and gives no numbers; what it can be measured by is the entropy of the
//! data, the least that a model can have: of the eight Gaussians by their density, of the checkerboard the logarithm of its area.

use std::path::{Path, PathBuf};
use std::time::Instant;

use advect::core::normal::log_standard_normal;
use advect::data::toy::{Checkerboard, EightGaussians, Pinwheel, Toy, TwoMoons};
use advect::prelude::*;
use advect::solvers::divergence::{Exact, Flow, Probe};
use advect_examples::plot::{ORANGE, Palette, Panel, panels, rows};
use advect_examples::{MaximumLikelihoodFit, Spread, Table};
use clap::Parser;

/// Fit toy densities by maximum likelihood.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 600)]
    steps: usize,
    /// Samples in a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Seeds.
    #[arg(long, default_value_t = 5)]
    seeds: u64,
    /// Test points.
    #[arg(long, default_value_t = 5000)]
    samples: usize,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// A density, and its entropy in nats where it is known.
struct Density {
    name: &'static str,
    toy: Box<dyn Toy>,
    entropy: Option<f64>,
}

/// What was learned with one seed.
struct Learned {
    nats: f64,
    net: Mlp,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let mut table = Table::new(["density", "NLL, nats", "entropy", "training"]);
    let mut drawn = Vec::new();
    for density in densities()? {
        let started = Instant::now();
        let learned = (0..args.seeds).map(|seed| {
            let learned = learn(&density, &args, &Key::from_seed(seed).named(density.name))?;
            println!("{:<14}seed {seed}   {:.3} nats", density.name, learned.nats);
            Ok(learned)
        });
        let learned: Vec<Learned> = learned.collect::<Result<_>>()?;
        let seconds = started.elapsed().as_secs_f64() / args.seeds.max(1) as f64;
        let nats: Vec<f64> = learned.iter().map(|learned| learned.nats).collect();
        table.row([
            density.name.to_string(),
            format!("{:.3}", Spread::of(&nats)?),
            density
                .entropy
                .map_or(String::new(), |nats| format!("{nats:.3}")),
            format!("{seconds:.0} s"),
        ]);
        drawn.extend(learned.into_iter().next().map(|first| (density, first.net)));
    }
    println!("\n{} seeds, {} steps\n\n{table}", args.seeds, args.steps);
    let picture = args.out.join("ffjord.png");
    draw(&picture, &drawn)?;
    println!("picture {}", picture.display());
    Ok(())
}

/// The densities, at FFJORD's scales where it has them.
fn densities() -> Result<Vec<Density>> {
    let half = 0.5f64.sqrt();
    let gaussians = EightGaussians {
        radius: 4.0 * half,
        std: 0.5 * half,
    };
    let board = Checkerboard::default();
    let area = board.side.powi(2) * (board.squares * board.squares / 2) as f64;
    let density = |name, toy, entropy| Density { name, toy, entropy };
    let entropy = entropy(&gaussians)?;
    Ok(vec![
        density("8gaussians", Box::new(gaussians), Some(entropy)),
        density("checkerboard", Box::new(board), Some(area.ln())),
        density("pinwheel", Box::<Pinwheel>::default(), None),
        density("two moons", Box::<TwoMoons>::default(), None),
    ])
}

/// The mean of −ln p over 200,000 points, whose standard error is 0.002.
fn entropy(data: &EightGaussians) -> Result<f64> {
    let mut rng = Generator::from_seed(0);
    let points = rows(&data.sample(200_000, DType::F64, &Device::Cpu, &mut rng)?)?;
    let variance = data.std * data.std;
    let of_point = |[x, y]: &[f64; 2]| {
        let parts = (0..8).map(|k| {
            let (sin, cos) = (std::f64::consts::FRAC_PI_4 * f64::from(k)).sin_cos();
            let square = (x - data.radius * cos).powi(2) + (y - data.radius * sin).powi(2);
            (-0.5 * square / variance).exp() / (8.0 * std::f64::consts::TAU * variance)
        });
        -parts.sum::<f64>().ln()
    };
    Ok(points.iter().map(of_point).sum::<f64>() / points.len() as f64)
}

fn solver() -> Result<Solver<Dopri5, Adaptive>> {
    Ok(Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?))
}

/// Trains on a density, and measures the likelihood of fresh points.
fn learn(density: &Density, args: &Args, key: &Key) -> Result<Learned> {
    let fit = MaximumLikelihoodFit {
        steps: args.steps,
        batch: args.batch,
        probe: Some(Probe::Rademacher),
    };
    let net = fit.train(density.toy.as_ref(), key, &Device::Cpu)?;
    let mut rng = Generator::from(key.named("test"));
    let test = (density.toy).sample(args.samples, DType::F32, &Device::Cpu, &mut rng)?;
    let flow = Flow::new(net.clone(), Exact);
    let likelihood = flow.log_density(&solver()?, &test, log_standard_normal)?;
    let nats = -likelihood
        .mean_all()?
        .to_dtype(DType::F64)?
        .to_scalar::<f64>()?;
    Ok(Learned { nats, net })
}

/// A column for each density: the data above, what was learned below.
fn draw(path: &Path, drawn: &[(Density, Mlp)]) -> Result<()> {
    let cells = 120;
    panels(path, 2, drawn.len(), 280, |areas| {
        let (above, below) = areas.split_at(drawn.len());
        for ((above, below), (density, net)) in above.iter().zip(below).zip(drawn) {
            let mut rng = Generator::from_seed(1);
            let data = rows(
                &density
                    .toy
                    .sample(2000, DType::F32, &Device::Cpu, &mut rng)?,
            )?;
            let furthest = data.iter().flatten().fold(0f64, |a, x| a.max(x.abs()));
            let range = -1.15 * furthest..1.15 * furthest;
            let panel = Panel::new(above, density.name, range.clone(), range.clone())?;
            panel.dots(&data, 1, &ORANGE)?;
            let plane = [range.clone(), range.clone()];
            let centres = Panel::centres(plane.clone(), [cells; 2], DType::F32, &Device::Cpu)?;
            let flow = Flow::new(net.clone(), Exact);
            let values = flow.log_density(&solver()?, &centres, log_standard_normal)?;
            let values = values.exp()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            let panel = Panel::new(below, "learned", range.clone(), range)?;
            panel.heat(plane, cells, &values, Palette::Viridis)?;
        }
        Ok(())
    })
}
