//! A neural ODE fitted to noisy observations of a spiral (Chen et al. 2018, section 5), by each of the three gradients.
//!
//! `cargo run --release --example neural_ode`
//!
//! The truth is `dx/dt = A x` with a spiral's matrix A. A network learns the slope from short stretches of the
//! observations: it starts at one, and is to meet those that follow. Then it runs the whole way from the start alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use advect::prelude::*;
use advect_examples::plot::{BLUE, Canvas, Corner, GREY, ORANGE, Panel, panels, rows};
use clap::Parser;
use peak_alloc::PeakAlloc;

/// Tells how much memory a gradient takes.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Learn a differential equation from noisy observations.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Standard deviation of the observations' noise.
    #[arg(long, default_value_t = 0.05)]
    noise: f64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
}

const OBSERVATIONS: usize = 400;
const END: f64 = 10.0;
/// Observations that a stretch has after its first.
const STRETCH: usize = 20;
const BATCH: usize = 64;

/// `A x` with `A = [[−0.1, 2], [−2, −0.1]]`, rows by columns.
fn spiral(_: &Time, x: &Tensor) -> Result<Tensor> {
    let a = Tensor::new(&[[-0.1f64, -2.0], [2.0, -0.1]], x.device())?;
    Ok(x.matmul(&a.to_dtype(x.dtype())?)?)
}

/// The observed and the true states, `(observations, 2)`.
struct Data {
    times: Vec<f64>,
    truth: Tensor,
    observed: Tensor,
}

/// What a fit came to.
struct Outcome {
    name: &'static str,
    way: Tensor,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let data = observe(&args, &device, key.named("noise").into())?;

    println!("gradient        error   loss       ms a step   MB a step");
    let solver = Solver::new(Rk4, Fixed::size(END / (OBSERVATIONS - 1) as f64)?);
    let adaptive = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let outcomes = [
        fit(
            "unrolled",
            &Unrolled::new(solver.clone()),
            &data,
            &args,
            &key,
        )?,
        fit(
            "checkpointed",
            &Checkpointed::new(solver, 5)?,
            &data,
            &args,
            &key,
        )?,
        fit("backsolve", &Backsolve::new(adaptive), &data, &args, &key)?,
    ];
    let picture = args.out.join("neural_ode.png");
    draw(&picture, &data, &outcomes)?;
    println!("picture         {}", picture.display());
    Ok(())
}

/// Observes the spiral.
fn observe(args: &Args, device: &Device, mut rng: Generator) -> Result<Data> {
    let start = Tensor::new(&[[2f32, 0.0]], device)?;
    let time = |i: usize| END * i as f64 / (OBSERVATIONS - 1) as f64;
    let times: Vec<f64> = (0..OBSERVATIONS).map(time).collect();
    let solver = Solver::new(Dopri8, Adaptive::new(1e-6, 1e-6)?);
    let solution = solver
        .integration(&field_fn(spiral), &start, 0.0, END)
        .save(Save::At(times.clone()))
        .run()?;
    let truth = Tensor::cat(&solution.states, 0)?;
    let noise = (rng.normal_like(&truth)? * args.noise)?;
    let observed = (&truth + noise)?;
    Ok(Data {
        times,
        truth,
        observed,
    })
}

/// Fits a network by one of the gradients, and tells how well, how fast and at what price.
fn fit(
    name: &'static str,
    gradient: &impl Adjoint,
    data: &Data,
    args: &Args,
    key: &Key,
) -> Result<Outcome> {
    let device = data.observed.device();
    let store = ParameterStore::new(key.named("parameters"), DType::F32, device);
    let net = Mlp::config(2)
        .hidden(&[64, 64])
        .activation(Activation::Tanh)
        .build(&store.builder())?;
    // The same slope at all times.
    let slope = |net: Mlp| field_fn(move |_, x| net.at(&Time::Shared(0.0), x));
    let field = Arc::new(slope(net.clone()));
    let parameters = store.tensors();
    let config = AdamWConfig {
        weight_decay: 0.0,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(3e-3, args.steps / 20, args.steps)?)
        .ema(0.99)?;
    let times = &data.times[..=STRETCH];
    let loss = |rng: &mut Generator| -> Result<Tensor> {
        let starts = rng.uniform(
            0.0..(OBSERVATIONS - STRETCH) as f64,
            BATCH,
            DType::F64,
            &Device::Cpu,
        )?;
        let starts = starts.to_dtype(DType::U32)?;
        let at = |k: usize| {
            let index = (&starts + k as f64)?
                .to_dtype(DType::U32)?
                .to_device(device)?;
            Ok::<_, Error>(data.observed.index_select(&index, 0)?)
        };
        let solution = gradient.solve(&field, &parameters, &at(0)?, times)?;
        solution.end()?;
        let target: Result<Vec<Tensor>> = (1..=STRETCH).map(at).collect();
        let predicted = Tensor::stack(&solution.states[1..], 0)?;
        Ok((predicted - Tensor::stack(&target?, 0)?)?
            .sqr()?
            .mean_all()?)
    };
    // One step alone, for its memory.
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    drop(loss(&mut key.named("measure").into())?.backward()?);
    let megabytes = (MEMORY.peak_usage() - before) as f64 / 1e6;

    let started = Instant::now();
    let mut last = 0.0;
    for _ in 0..args.steps {
        let value = loss(trainer.rng())?;
        last = f64::from(value.to_scalar::<f32>()?);
        trainer.update(&value)?;
    }
    let milliseconds = started.elapsed().as_secs_f64() * 1e3 / args.steps as f64;

    let fitted = slope(net.on(&trainer.averaged().frozen())?);
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
    let solution = solver
        .integration(&fitted, &data.truth.narrow(0, 0, 1)?, 0.0, END)
        .save(Save::At(data.times.clone()))
        .run()?;
    solution.end()?;
    let way = Tensor::cat(&solution.states, 0)?;
    let error = (&way - &data.truth)?
        .sqr()?
        .mean_all()?
        .to_scalar::<f32>()?
        .sqrt();
    println!("{name:<13}{error:>8.4}{last:>9.5}{milliseconds:>13.2}{megabytes:>12.2}");
    Ok(Outcome { name, way })
}

/// A panel for each fit: the observations, the true way, and the fitted one.
fn draw(path: &Path, data: &Data, outcomes: &[Outcome]) -> Result<()> {
    let draw = |outcome: &Outcome, panel: &Canvas<'_>| {
        let panel = Panel::new(panel, outcome.name, -2.4..2.4, -2.4..2.4)?;
        panel.dots(&rows(&data.observed)?, 2, &GREY)?;
        panel.stroke(rows(&data.truth)?, 1.6, &ORANGE)?;
        panel.stroke(rows(&outcome.way)?, 1.6, &BLUE)?;
        let names = [("observed", GREY), ("true", ORANGE), ("fitted", BLUE)];
        panel.legend(Corner::TopRight, &names)
    };
    panels(path, 1, outcomes.len(), 420, |panels| {
        (outcomes.iter().zip(panels)).try_for_each(|(outcome, panel)| draw(outcome, panel))
    })
}
