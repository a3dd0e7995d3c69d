//! One data set, one network, many objectives: what each learns, in numbers and in pictures.
//!
//! `cargo run --release --example compare_objectives`
//!
//! Eight Gaussians on a circle, whose density is known. Each objective trains the same network from the same start on the
//! same pairs of noise and data; whatever it learns to predict is turned into the velocity of its probability-flow equation, which
//! Dopri5 integrates.

mod learned;
mod objectives;

use std::path::PathBuf;
use std::time::Instant;

use advect::core::normal::log_normal;
use advect::metrics::{path_energy, wasserstein2};
use advect::paths::closed_form::Covariance;
use advect::prelude::*;
use advect::solvers::divergence::{Exact, Flow};
use advect_examples::plot::{BLUE, Canvas, ORANGE, Panel, panels, rows};
use clap::Parser;

use learned::Learned;
use objectives::Workshop;

/// All objectives, in the order of the table.
const OBJECTIVES: [&str; 17] = [
    "rectified flow",
    "SD3 times",
    "2-rectified",
    "I-CFM, σ 0.1",
    "OT-CFM",
    "SB-CFM, σ 0.5",
    "interpolant",
    "cosine FM",
    "v, min-SNR",
    "score SDE, VP",
    "ScoreFlow",
    "implicit score",
    "DDPM",
    "DDPM's bound",
    "NCSN",
    "EDM",
    "likelihood",
];

/// Compare what objectives learn.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 10_000)]
    steps: usize,
    /// Samples in a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Test points.
    #[arg(long, default_value_t = 4000)]
    samples: usize,
    /// Only objectives whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
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
    let law = eight_gaussians(&device)?;
    let mut rng = Generator::from(key.named("test"));
    let mut draw = || law.sample(args.samples, DType::F32, &device, &mut rng);
    let (test, fresh) = (draw()?, draw()?);
    let noise = rng.normal_like(&test)?;

    let workshop = Workshop {
        law: law.clone(),
        steps: args.steps,
        batch: args.batch,
        key,
        device: device.clone(),
    };
    println!("objective           W2    nats   energy   evaluations   training");
    let mut learned: Vec<(&str, Learned)> = Vec::new();
    let mut pictures: Vec<(&str, Tensor)> = Vec::new();
    for name in OBJECTIVES {
        if !name.contains(&args.only) {
            continue;
        }
        let started = Instant::now();
        let flow = workshop.learn(name, &learned)?;
        let seconds = started.elapsed().as_secs_f64();
        let samples = report(name, &flow, &noise, &test, seconds)?;
        pictures.push((name, samples));
        learned.push((name, flow));
    }
    let floor = wasserstein2(&fresh, &test)?;
    let log_density = law.score(&Cosine).log_density(&Time::Shared(1.0), &test)?;
    let entropy = -log_density.mean_all()?.to_scalar::<f32>()?;
    println!("{:<16}{floor:>6.3}{entropy:>8.3}", "the truth");
    pictures.push(("the truth", fresh));
    let picture = args.out.join("compare_objectives.png");
    draw_all(&picture, &pictures)?;
    println!("picture     {}", picture.display());
    Ok(())
}

/// Eight Gaussians on a circle, of standard deviation 0.1 each and 0.8 together.
fn eight_gaussians(device: &Device) -> Result<GaussianMixture> {
    let angle = |k: usize| std::f64::consts::TAU * k as f64 / 8.0;
    let means: Vec<f64> = (0..8)
        .flat_map(|k| [1.12 * angle(k).cos(), 1.12 * angle(k).sin()])
        .collect();
    let means = Tensor::from_vec(means, (8, 2), device)?;
    GaussianMixture::new(&[0.125; 8], &means, vec![Covariance::isotropic(0.01)?])
}

/// Draws samples, and prints a row of the table.
fn report(
    name: &str,
    flow: &Learned,
    noise: &Tensor,
    test: &Tensor,
    seconds: f64,
) -> Result<Tensor> {
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5)?);
    let start = (noise * flow.source)?;
    let way = solver
        .integration(flow, &start, 0.0, flow.end)
        .save(Save::Every(1))
        .run()?;
    let samples = way.end()?;
    let distance = wasserstein2(&samples, test)?;
    let energy = path_energy(&way.times, &way.states)?;

    let back = Flow::new(flow, Exact).transport(&solver, test, flow.end, 0.0)?;
    let base = log_normal(&back.x, flow.source * flow.source)?;
    let log_density = (base - back.log_density_change)?.mean_all()?;
    let nats = -f64::from(log_density.to_scalar::<f32>()?);
    let evaluations = way.statistics.evaluations;
    println!("{name:<16}{distance:>6.3}{nats:>8.3}{energy:>9.2}{evaluations:>14}{seconds:>9.1} s");
    Ok(samples)
}

/// A panel of samples for each objective.
fn draw_all(path: &std::path::Path, pictures: &[(&str, Tensor)]) -> Result<()> {
    let columns = pictures.len().min(6);
    let draw = |(name, samples): &(&str, Tensor), area: &Canvas<'_>| {
        let panel = Panel::new(area, name, -1.7..1.7, -1.7..1.7)?;
        let colour = if *name == "the truth" { &ORANGE } else { &BLUE };
        panel.dots(&rows(samples)?, 1, colour)
    };
    panels(
        path,
        pictures.len().div_ceil(columns),
        columns,
        220,
        |panels| (pictures.iter().zip(panels)).try_for_each(|(picture, area)| draw(picture, area)),
    )
}
