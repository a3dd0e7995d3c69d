//! A continuous normalizing flow trained by maximum likelihood on two moons (FFJORD, Grathwohl et al. 2019), and its
//! density.
//!
//! `cargo run --release --example cnf`
//!
//! Each loss carries a batch from the data at t = 1 back to a normal law at t = 0, with its log-density beside it; the
//! gradient comes through the integration and the divergence.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use advect::core::normal::log_standard_normal;
use advect::data::toy::{Toy, TwoMoons};
use advect::prelude::*;
use advect::solvers::divergence::{Divergence, Exact, Flow, Hutchinson, Probe};
use advect_examples::plot::{BLUE, ORANGE, Panel, panels, rows};
use clap::Parser;
use plotters::style::RGBColor;

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
    let net = fit(&moons, &args, &key, &device)?;
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

/// Trains the field by maximum likelihood.
fn fit(moons: &TwoMoons, args: &Args, key: &Key, device: &Device) -> Result<Mlp> {
    let store = ParameterStore::new(key.named("parameters"), DType::F32, device);
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .activation(Activation::Tanh)
        .build(&store.builder())?;
    let parameters = store.tensors();
    let config = AdamWConfig {
        weight_decay: 0.0,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(5e-3, args.steps / 20, args.steps)?)
        .ema(0.99)?;
    let adjoint = Checkpointed::new(Solver::new(Rk4, Fixed::steps(10)?), 10)?;
    let loss = |_: usize, rng: &mut Generator| {
        let x = moons.sample(args.batch, DType::F32, device, rng)?;
        let divergence: Box<dyn Divergence + Send + Sync> = match args.hutchinson {
            true => Box::new(Hutchinson::new(Probe::Rademacher, 1, &x, rng)?),
            false => Box::new(Exact),
        };
        let flow = Arc::new(Flow::new(net.clone(), divergence));
        let back = flow.transport_by(&adjoint, &parameters, &x, 1.0, 0.0)?;
        let log_density = (log_standard_normal(&back.x)? - back.log_density_change)?;
        Ok(log_density.mean_all()?.neg()?)
    };
    trainer.run(args.steps, loss, &mut Progress::new("cnf"))?;
    net.on(&trainer.averaged().frozen())
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
    let side = 2.0 * half / cells as f64;
    let corner = |i: usize, j: usize| [x.start + side * i as f64, y.start + side * j as f64];
    let grid: Vec<[f64; 2]> = (0..cells * cells)
        .map(|k| corner(k % cells, k / cells))
        .collect();
    let centres: Vec<f32> = grid
        .iter()
        .flatten()
        .map(|v| (v + 0.5 * side) as f32)
        .collect();
    let centres = Tensor::from_vec(centres, (grid.len(), 2), samples.device())?;
    let values = flow
        .log_density(solver, &centres, log_standard_normal)?
        .exp()?
        .to_vec1::<f32>()?;
    let largest = values.iter().copied().fold(0.0, f32::max);
    panels(path, 1, 3, 420, |panels| {
        let panel = |i: usize, title: &str| Panel::new(&panels[i], title, x.clone(), y.clone());
        let density = panel(0, "density")?;
        for ([a, b], value) in grid.iter().zip(&values) {
            // White to blue.
            let shade = |channel: u8| {
                let dark = f32::from(channel) - 255.0;
                (255.0 + dark * (value / largest).sqrt()) as u8
            };
            let colour = RGBColor(shade(BLUE.0), shade(BLUE.1), shade(BLUE.2));
            density.tile([[*a, *b], [a + side, b + side]], &colour)?;
        }
        panel(1, "data")?.dots(&test, 1, &ORANGE)?;
        panel(2, "samples")?.dots(&rows(samples)?, 1, &BLUE)
    })
}
