//! Rates of a stiff chemical system, found from observations through an implicit solver.
//!
//! `cargo run --release --example stiff`
//!
//! Robertson's three reactions have rates between 0.04 and 3·10⁷, and their slowest part takes 10⁵ times as long as their
//! quickest. The logarithms of the rates are parameters; the loss compares the solution with noisy observations at times
//! from 10⁻² to 10⁴, and its gradient is that of the numerical solution, by the implicit function theorem in each step.
//!
//! Along one direction, of rates that grow together, the loss hardly changes: after 200 steps of Adam the rates are still up to
//! 28 % too large.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use advect::candle_nn::Init;
use advect::prelude::*;
use advect_examples::plot::{Axis, BLUE, Corner, GREY, ORANGE, Panel, panels};
use clap::Parser;

/// Learn the rates of chemical reactions from noisy observations.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 200)]
    steps: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Standard deviation of the observations' noise.
    #[arg(long, default_value_t = 0.01)]
    noise: f64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const RATES: [f64; 3] = [0.04, 3e7, 1e4];
/// Where the fit starts.
const GUESS: [f64; 3] = [0.12, 1e7, 2e4];
/// The second substance is rare.
const SCALES: [f64; 3] = [1.0, 2e4, 1.0];
const OBSERVATIONS: usize = 25;

/// The reactions A → B, 2 B → B + C, B + C → A + C, as slopes of (A, B, C). Their rates are `e^θ` times some others.
fn reactions(theta: Tensor, others: [f64; 3]) -> impl Field + Send + Sync {
    field_fn(move |_, x: &Tensor| {
        let rates = (theta.exp()? * Tensor::new(&others, x.device())?)?;
        let rate = |i: usize| rates.narrow(0, i, 1);
        let (a, b, c) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?, x.narrow(1, 2, 1)?);
        let decay = a.broadcast_mul(&rate(0)?)?;
        let growth = b.sqr()?.broadcast_mul(&rate(1)?)?;
        let back = (b * c)?.broadcast_mul(&rate(2)?)?;
        let slopes = [(&back - &decay)?, ((decay - &growth)? - back)?, growth];
        Ok(Tensor::cat(&slopes, 1)?)
    })
}

/// At 0, and at equal distances on a logarithmic axis.
fn times() -> Vec<f64> {
    let observed = |i: usize| 10f64.powf(-2.0 + 6.0 * i as f64 / (OBSERVATIONS - 1) as f64);
    std::iter::once(0.0)
        .chain((0..OBSERVATIONS).map(observed))
        .collect()
}

/// The observed states of a solution, scaled, `(observations, 3)`.
fn observed(solution: &Solution) -> Result<Tensor> {
    solution.end()?;
    let states = Tensor::cat(&solution.states[1..], 0)?;
    Ok(states.broadcast_mul(&Tensor::new(&SCALES, states.device())?)?)
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let device = Device::Cpu;
    let start = Tensor::new(&[[1f64, 0.0, 0.0]], &device)?;
    let times = times();
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-10)?);
    let gradient = Checkpointed::new(solver, 1000)?;

    let solve = |field: &Arc<_>, parameters: &[Tensor]| -> Result<Tensor> {
        observed(&gradient.solve(field, parameters, &start, &times)?)
    };
    let zero = Tensor::zeros(3, DType::F64, &device)?;
    let truth = solve(&Arc::new(reactions(zero, RATES)), &[])?;
    let noise = Generator::from(key.named("noise")).normal_like(&truth)?;
    let data = (&truth + (noise * args.noise)?)?;

    let store = ParameterStore::new(key.named("parameters"), DType::F64, &device);
    let theta = store
        .builder()
        .get_with_hints(3, "theta", Init::Const(0.0))?;
    let field = Arc::new(reactions(theta.clone(), GUESS));
    let optimizer = Adam::from_store(&store, AdamConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(0.1, 0, args.steps)?);
    let misfit = |states: &Tensor| -> Result<Tensor> { Ok((states - &data)?.sqr()?.mean_all()?) };
    for _ in 0..args.steps {
        trainer.update(&misfit(&solve(&field, &store.tensors())?)?)?;
    }
    let fitted = solve(&field, &[])?.detach();

    println!("rate of           true      guess     fitted");
    let found = theta.detach().exp()?.to_vec1::<f64>()?;
    for (i, name) in ["A → B", "2 B → B + C", "B + C → A + C"].iter().enumerate() {
        let (rate, guess) = (RATES[i], GUESS[i]);
        println!(
            "{name:<14}{rate:>8.1e}{guess:>11.1e}{:>11.3e}",
            guess * found[i]
        );
    }
    let error = |states: &Tensor| Ok::<_, Error>(misfit(states)?.to_scalar::<f64>()?.sqrt());
    println!(
        "error           {:.4}, of the truth {:.4}",
        error(&fitted)?,
        error(&truth)?
    );
    let picture = args.out.join("stiff.png");
    draw(&picture, &times[1..], [&data, &truth, &fitted])?;
    println!("picture         {}", picture.display());
    Ok(())
}

/// The observations, the truth and the fit against the logarithm of time.
fn draw(path: &Path, times: &[f64], [data, truth, fitted]: [&Tensor; 3]) -> Result<()> {
    panels(path, 1, 3, 420, |areas| {
        for (i, (area, name)) in areas.iter().zip(["A", "20000 B", "C"]).enumerate() {
            let x = Axis::log(0.006..2e4).named("time");
            let panel = Panel::with_axes(area, name, x, Axis::linear(-0.05..1.1))?;
            let points = |x: &Tensor| -> Result<Vec<[f64; 2]>> {
                let column = x.narrow(1, i, 1)?.flatten_all()?.to_vec1::<f64>()?;
                Ok(times
                    .iter()
                    .copied()
                    .zip(column)
                    .map(|(t, x)| [t, x])
                    .collect())
            };
            panel.dots(&points(data)?, 3, &GREY)?;
            panel.stroke(points(truth)?, 1.6, &ORANGE)?;
            panel.stroke(points(fitted)?, 1.6, &BLUE)?;
            let names = [("observed", GREY), ("true", ORANGE), ("fitted", BLUE)];
            panel.legend(
                [Corner::BottomLeft, Corner::TopRight, Corner::TopLeft][i],
                &names,
            )?;
        }
        Ok(())
    })
}
