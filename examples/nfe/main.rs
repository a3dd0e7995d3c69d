//! Score matching and flow matching with one network and one budget: losses, quality against training steps, and errors against evaluations (Lipman et al. 2023, figures 4 to 7).
//!
//! `cargo run --release --example nfe`
//!
//! The network, its first weights, the batches, their noise and times are the same for all three; what they are trained on differs. The data is a checkerboard in the plane.

mod picture;
mod solvers;

use std::path::PathBuf;
use std::time::Instant;

use advect::data::toy::{Checkerboard, Toy};
use advect::metrics::{energy_distance, straightness};
use advect::prelude::*;
use clap::Parser;

use solvers::Errors;

/// Compare what a network is trained on by the evaluations that its samples take.
#[derive(Parser)]
pub(crate) struct Args {
    /// Training steps of each.
    #[arg(long, default_value_t = 8000)]
    steps: usize,
    /// Width of the three hidden layers.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Samples in a training batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Samples for distances and errors.
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The diffusion's velocity is infinite at 1.
const END: f64 = 1.0 - 1e-3;
/// Parts of the training after which the quality is told.
const PARTS: usize = 8;
/// Times at which trajectories are kept.
const KEPT: usize = 50;

/// What is told of a run.
struct Outcome {
    name: &'static str,
    losses: Vec<f64>,
    /// Training steps, and the energy distance after them.
    quality: Vec<(usize, f64)>,
    errors: Vec<Errors>,
    /// The flow of the noise.
    states: Vec<Tensor>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("batch", args.batch)?;
    for (name, count, least) in [("samples", args.samples, 2), ("steps", args.steps, PARTS)] {
        if count < least {
            return Err(Error::range(name, count, format!("at least {least}")));
        }
    }
    advect_examples::prepare_pictures(&args.out)?;
    let variance_preserving = VariancePreserving::default();
    let times = UniformWithin::new(0.0, END)?;
    let path = Affine::new(variance_preserving);
    let (noise, velocity) = (Prediction::Noise, Prediction::Velocity);
    let straight = CondOt::default();
    let outcomes = [
        learn(
            &args,
            "score matching, VP",
            // With equal weights in terms of the noise, σ² |s + x0/σ|².
            &Regression::new(path, noise).times(times),
            |net| Model::new(net, noise, variance_preserving),
        )?,
        learn(
            &args,
            "flow matching, VP",
            &flow_matching(path).times(times),
            |net| Model::new(net, velocity, variance_preserving),
        )?,
        learn(
            &args,
            "flow matching, OT",
            &flow_matching(Affine::new(straight)).times(times),
            |net| Model::new(net, velocity, straight),
        )?,
    ];
    solvers::print(&outcomes);
    let path = args.out.join("nfe.png");
    picture::draw(&path, &outcomes)?;
    println!("picture {}", path.display());
    Ok(())
}

/// Trains the network on an objective, and measures it.
fn learn<S: Schedule>(
    args: &Args,
    name: &'static str,
    objective: &impl Objective,
    model: impl Fn(Mlp) -> Model<Mlp, S>,
) -> Result<Outcome> {
    let (key, device) = (Key::from_seed(args.seed), Device::Cpu);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = Mlp::config(2)
        .hidden(&[args.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 6 })
        .build(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(2e-3, args.steps / 20, args.steps)?)
        .clip_norm(1.0)?
        .ema(1.0 - 50.0 / args.steps.max(100) as f64)?;
    let data = Checkerboard {
        side: 0.8,
        ..Checkerboard::default()
    };
    let loss = |_: usize, rng: &mut Generator| {
        let x = data.sample(args.batch, DType::F32, &device, rng)?;
        objective.loss(&net, &rng.normal_like(&x)?, &x, rng)
    };
    let mut rng = Generator::from(key.named("samples"));
    let noise = rng.normal((args.samples, 2), DType::F32, &device)?;
    let truth = data.sample(args.samples, DType::F32, &device, &mut rng)?;
    let (mut losses, mut quality) = (Vec::new(), Vec::new());
    let started = Instant::now();
    let mut progress = Progress::new(name).length(args.steps);
    for part in 1..=PARTS {
        let steps = args.steps * part / PARTS;
        let mut kept = observer_fn(|trainer: &Trainer| {
            losses.push(trainer.report().loss);
        });
        trainer.run(steps, loss, &mut (&mut kept, &mut progress))?;
        let model = model(net.on(&trainer.averaged().frozen())?);
        let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
        let x = solver.solve(&model.velocity(), &noise, 0.0, END)?.end()?;
        quality.push((steps, energy_distance(&x, &truth)?));
    }
    println!(
        "training {name:<20}{:>6.1} s",
        started.elapsed().as_secs_f64()
    );
    let model = model(net.on(&trainer.averaged().frozen())?);
    let velocity = model.velocity();
    let times: Vec<f64> = (0..=KEPT).map(|k| END * (k as f64 / KEPT as f64)).collect();
    let exact = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?.max_steps(100_000)?);
    let solution = (exact.integration(&velocity, &noise, 0.0, END))
        .save(Save::At(times))
        .run()?;
    let bend = straightness(&solution.times, &solution.states)?;
    println!("{name:<20}straightness {:.3}", bend.mean);
    let states = solution.states;
    let errors = solvers::errors(&velocity, &noise, &states[states.len() - 1])?;
    Ok(Outcome {
        name,
        losses,
        quality,
        errors,
        states,
    })
}
