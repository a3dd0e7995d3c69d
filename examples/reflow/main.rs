//! Rectified flow from eight Gaussians to two moons, reflowed twice and distilled into a single step: how much straighter
//! the ways become, and what that is worth to one step of Euler's method.
//!
//! `cargo run --release --example reflow`
//!
//! After Liu, Gong and Liu 2023: the first flow is trained on independent pairs, each other one on the pairs that the flow before it
//! makes, from fresh source points. The straightness S is `E ∫ |v(t, Z_t) − (Z_1 − Z_0)|² dt`, the cost `E |Z_1 − Z_0|²`. Every
//! figure is a mean over seeds with its standard error.

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::data::toy::{EightGaussians, Toy, TwoMoons};
use advect::metrics::{SampleMean, field_straightness, transport_cost, wasserstein2};
use advect::objectives::objective::one_step_distillation;
use advect::prelude::*;
use clap::Parser;

/// Straighten a flow by reflow, and distil it.
#[derive(Parser)]
struct Args {
    /// Training steps of each network.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Flows, each trained on the pairs of the one before.
    #[arg(long, default_value_t = 3)]
    flows: usize,
    /// Pairs that a flow is trained on.
    #[arg(long, default_value_t = 20_000)]
    pairs: usize,
    /// Runs with seeds 0, 1, …
    #[arg(long, default_value_t = 3)]
    seeds: u64,
    /// Test points a side.
    #[arg(long, default_value_t = 800)]
    samples: usize,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// Pairs in a batch.
const BATCH: usize = 256;
/// Steps of Heun's method that count as many.
const MANY: usize = 50;

/// What became of the test points, by one seed.
struct Outcome {
    name: String,
    /// S, the cost, and W₂ to the data after one step and after many.
    figures: [Option<f64>; 4],
    /// The ways of the test points, and where one step of Euler's method takes them.
    ways: Vec<Tensor>,
    one_step: Tensor,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let started = Instant::now();
    let mut runs = Vec::new();
    let (mut costs, mut floors) = (Vec::new(), Vec::new());
    for seed in 0..args.seeds {
        let key = Key::from_seed(seed);
        let [source, data] = draw(args.samples, &key.named("test"))?;
        let [_, fresh] = draw(args.samples, &key.named("fresh"))?;
        costs.push(wasserstein2(&source, &data)?.powi(2));
        floors.push(wasserstein2(&fresh, &data)?);
        runs.push((run(&args, &key, &source, &data)?, source, data));
    }
    println!("flow          straightness            cost       W2, 1 step      W2, {MANY} steps");
    let rows = runs.first().map_or(0, |(outcomes, ..)| outcomes.len());
    for k in 0..rows {
        let figure = |i: usize, decimals: usize| -> Result<String> {
            let of_runs = runs.iter().map(|(outcomes, ..)| outcomes[k].figures[i]);
            let Some(values) = of_runs.collect::<Option<Vec<f64>>>() else {
                return Ok(String::new());
            };
            Ok(format!("{:.decimals$}", SampleMean::of(&values)?))
        };
        let name = &runs[0].0[k].name;
        let (s, cost) = (figure(0, 4)?, figure(1, 2)?);
        let (one, many) = (figure(2, 3)?, figure(3, 3)?);
        println!("{name:<10}{s:>16}{cost:>16}{one:>17}{many:>17}");
    }
    let (cost, floor) = (SampleMean::of(&costs)?, SampleMean::of(&floors)?);
    let (cost, floor) = (format!("{cost:.2}"), format!("{floor:.3}"));
    println!("{:<10}{:>16}{cost:>16}{floor:>17}{floor:>17}", "ideal", 0);
    println!("training    {:.1} s", started.elapsed().as_secs_f64());
    if let Some((outcomes, source, data)) = runs.first() {
        let picture = args.out.join("reflow.png");
        picture::draw(&picture, outcomes, source, data)?;
        println!("picture     {}", picture.display());
    }
    Ok(())
}

/// Points of the source and of the data.
fn draw(count: usize, key: &Key) -> Result<[Tensor; 2]> {
    let mut rng = Generator::from(*key);
    let mut sample = |toy: &dyn Toy| toy.sample(count, DType::F32, &Device::Cpu, &mut rng);
    Ok([
        sample(&EightGaussians::default())?,
        sample(&TwoMoons::default())?,
    ])
}

/// Trains all flows of a seed, and the distilled one.
fn run(args: &Args, key: &Key, source: &Tensor, data: &Tensor) -> Result<Vec<Outcome>> {
    let many = Solver::new(Heun, Fixed::steps(MANY)?);
    let mut pairs = draw(args.pairs, &key.named("pairs"))?;
    let mut outcomes = Vec::new();
    for k in 1..=args.flows {
        let name = format!("flow {k}");
        let net = fit(args, &key.named(&name), &pairs, rectified_flow())?;
        let way = many
            .integration(&net, source, 0.0, 1.0)
            .save(Save::Every(1))
            .run()?;
        let (end, one_step) = (way.end()?, euler(&net, source)?);
        let straightness = field_straightness(&net, &way.times, &way.states)?;
        let cost = transport_cost(source, &end, |way| way.iter().map(|w| w * w).sum())?;
        let distances = [wasserstein2(&one_step, data)?, wasserstein2(&end, data)?];
        outcomes.push(Outcome {
            name,
            figures: [straightness.mean, cost.mean, distances[0], distances[1]].map(Some),
            ways: way.states,
            one_step,
        });
        let [z0, _] = draw(args.pairs, &key.named(&format!("source {k}")))?;
        pairs = reflow(&net, &many, &z0, 2000)?.into();
    }
    let net = fit(
        args,
        &key.named("distilled"),
        &pairs,
        one_step_distillation(),
    )?;
    let one_step = euler(&net, source)?;
    outcomes.push(Outcome {
        name: "distilled".to_string(),
        figures: [None, None, Some(wasserstein2(&one_step, data)?), None],
        ways: vec![source.clone(), one_step.clone()],
        one_step,
    });
    Ok(outcomes)
}

/// One step of Euler's method, `x + v(0, x)`.
fn euler(net: &Mlp, x: &Tensor) -> Result<Tensor> {
    Ok((x + net.at(&Time::Shared(0.0), x)?)?)
}

/// Trains a network on pairs.
fn fit(args: &Args, key: &Key, [x0, x1]: &[Tensor; 2], objective: impl Objective) -> Result<Mlp> {
    let store = ParameterStore::new(key.named("parameters"), DType::F32, x0.device());
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .activation(Activation::Silu)
        .build(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let warmup = args.steps / 20;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(4e-3, warmup, args.steps)?)
        .ema(0.99)?;
    let batches = Batches::new(args.pairs, BATCH, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x0, x1] = batches.at(step, [x0, x1])?;
        objective.loss(&net, &x0, &x1, rng)
    };
    trainer.run(args.steps, loss, &mut Progress::new("reflow"))?;
    net.on(&trainer.averaged().frozen())
}
