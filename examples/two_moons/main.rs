//! Two flows from eight Gaussians (or a normal) to two moons, one with independent pairs, one with pairs
//! from exact optimal transport: straighter paths, hence better samples in few steps.
//!
//! `cargo run --release --example two_moons`
//!
//! The protocol follows Tong et al. 2024: 10,000 points a side, an MLP of 3 × 64 with SELU, AdamW at 1e-3
//! with weight decay 1e-5, batches of 512, σ = 0.1, 100 Euler steps. Other than there, the data hold their
//! modes in equal numbers, the moons' noise is Gaussian, and the weights are averaged (`--ema 0` turns
//! that off).

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::data::toy::{EightGaussians, Rng, Toy, TwoMoons, normal};
use advect::metrics::{normalized_path_energy_error, path_energy, wasserstein2};
use advect::prelude::*;
use clap::{Parser, ValueEnum};

/// Learn to carry points to two moons, with and without optimal transport.
#[derive(Parser)]
struct Args {
    /// Where the points start.
    #[arg(long, value_enum, default_value_t = Source::EightGaussians)]
    source: Source,
    /// Training steps.
    #[arg(long, default_value_t = 20_000)]
    steps: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Decay of the average of the weights that the points are carried with; 0 for the last weights, as in
    /// the paper, whose samples depend on the seed more than on anything else.
    #[arg(long, default_value_t = 0.999)]
    ema: f64,
    /// Test points a side.
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Source {
    EightGaussians,
    Normal,
}

/// A standard normal in the plane.
struct Normal;

impl Toy for Normal {
    fn check(&self) -> Result<()> {
        Ok(())
    }
    fn point(&self, _: usize, rng: Rng<'_>) -> [f64; 2] {
        [normal(rng), normal(rng)]
    }
}

/// What a trained flow did to the test points.
struct Outcome {
    name: &'static str,
    net: Mlp,
    flow: Solution,
}

const TRAINING_POINTS: usize = 10_000;
const BATCH: usize = 512;

fn main() -> Result<()> {
    let args = Args::parse();
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let source: &dyn Toy = match args.source {
        Source::EightGaussians => &EightGaussians::default(),
        Source::Normal => &Normal,
    };
    let mut rng = Generator::from(key.named("data"));
    let mut draw = |toy: &dyn Toy, n: usize| toy.sample(n, DType::F32, &device, &mut rng);
    let moons = TwoMoons::default();
    let train = [
        draw(source, TRAINING_POINTS)?,
        draw(&moons, TRAINING_POINTS)?,
    ];
    let test = [draw(source, args.samples)?, draw(&moons, args.samples)?];
    let best = wasserstein2(&test[0], &test[1])?;
    let floor = wasserstein2(&draw(&moons, args.samples)?, &test[1])?;

    println!("pairs         W2     path energy   error   training");
    let mut outcomes = Vec::new();
    let couplings: [(&'static str, &dyn Coupling); 2] =
        [("independent", &Independent), ("optimal", &ExactOt)];
    for (name, coupling) in couplings {
        let started = Instant::now();
        let net = fit(&train, coupling, &args, &key)?;
        let seconds = started.elapsed().as_secs_f64();
        let flow = Solver::new(Euler, Fixed::steps(100)?)
            .integration(&net, &test[0], 0.0, 1.0)
            .save(Save::Every(1))
            .run()?;
        let distance = wasserstein2(&flow.end()?, &test[1])?;
        let energy = path_energy(&flow.times, &flow.states)?;
        let error = normalized_path_energy_error(energy, best)?;
        println!("{name:<12}{distance:>6.3}{energy:>12.3}{error:>11.3}{seconds:>9.1} s");
        outcomes.push(Outcome { name, net, flow });
    }
    println!("ideal       {floor:>6.3}{:>12.3}{:>11.3}", best * best, 0.0);
    let picture = args.out.join("two_moons.png");
    picture::draw(&picture, &test, &outcomes)?;
    println!("picture     {}", picture.display());
    if let Some(outcome) = outcomes.last() {
        let animation = args.out.join("two_moons_flow.png");
        picture::animate(&animation, &test[1], &outcome.flow)?;
        println!("picture     {}", animation.display());
    }
    Ok(())
}

/// Trains a flow on batches paired by a coupling.
fn fit(data: &[Tensor; 2], coupling: &dyn Coupling, args: &Args, key: &Key) -> Result<Mlp> {
    let store = ParameterStore::new(key.named("parameters"), DType::F32, data[0].device());
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .activation(Activation::Selu)
        .build(&store.builder())?;
    let config = AdamWConfig {
        weight_decay: 1e-5,
        ..AdamWConfig::default()
    };
    let optimizer = AdamW::from_store(&store, config)?;
    let mut trainer =
        Trainer::new(&store, optimizer, key.named("training").into()).ema(args.ema)?;
    let objective = flow_matching(ConstantSigma::new(0.1)?);
    let sources = Batches::new(TRAINING_POINTS, BATCH, key.named("sources"))?;
    let targets = Batches::new(TRAINING_POINTS, BATCH, key.named("targets"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let ([x0], [x1]) = (sources.at(step, [&data[0]])?, targets.at(step, [&data[1]])?);
        let pairs = coupling.pair(&x0, &x1, rng)?;
        objective.loss(&net, &pairs.source(&x0)?, &pairs.target(&x1)?, rng)
    };
    trainer.run(args.steps, loss, &mut Progress::new("two moons"))?;
    net.on(&trainer.averaged().frozen())
}
