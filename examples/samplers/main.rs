//! One network, eight samplers: the same noise drawn with at most 5, 10, 20 and 50 evaluations, and the likelihood of digits that
//! were not trained on.
//!
//! `cargo run --release --example samplers`

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::metrics::energy_distance;
use advect::prelude::*;
use advect::solvers::divergence::Probe;
use clap::Parser;

/// Compare samplers on one network.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 6000)]
    steps: usize,
    /// Width of the three hidden layers.
    #[arg(long, default_value_t = 384)]
    width: usize,
    /// Samples of each for the table.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Digits that are kept from training; their likelihood is told.
    #[arg(long, default_value_t = 297)]
    held_out: usize,
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

/// Evaluations of the network.
const BUDGETS: [usize; 4] = [5, 10, 20, 50];

/// Samplers that make at most so many evaluations.
fn samplers(budget: usize) -> Result<Vec<(&'static str, Box<dyn Sampler>)>> {
    // From σ/α = 80 to levels that hide in those of the pixels, and to the data.
    let karras = |steps| Karras::new(steps)?.range(0.02, 80.0);
    let log_snr = |steps| UniformLogSnr::new(steps)?.range(0.02, 80.0);
    let sde = ReverseSde::new(NoiseLevel::new(1.0)?).on(UniformTime::new(budget)?);
    // Heun's method evaluates twice in every step but the last.
    let heun = Edm::heun().on(karras(budget.div_ceil(2))?);
    Ok(vec![
        ("IADB", Box::new(iadb(budget)?)),
        ("reverse SDE", Box::new(sde.last_step(LastStep::Mean))),
        ("DDPM", Box::new(Ancestral::new().on(karras(budget)?))),
        ("DDIM", Box::new(Ddim::new().on(karras(budget)?))),
        ("EDM, Heun", Box::new(heun)),
        (
            "DPM-Solver++ 2M",
            Box::new(DpmSolver::order(2)?.on(log_snr(budget)?)),
        ),
        (
            "SDE-DPM-Solver++",
            Box::new(DpmSolver::order(2)?.stochastic(1.0)?.on(log_snr(budget)?)),
        ),
        ("UniPC", Box::new(UniPc::order(2)?.on(log_snr(budget)?))),
    ])
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let digits = Digits::load(DType::F32, &device)?;
    let kept = digits.len().saturating_sub(args.held_out);
    check::at_least_one("digits to train on", kept)?;
    check::at_least_one("held_out", args.held_out)?;
    let mut rng = Generator::from(key.named("split"));
    let shuffled = digits
        .images
        .index_select(&rng.permutation(digits.len(), &device)?, 0)?;
    let train = shuffled.narrow(0, 0, kept)?;
    let test = shuffled.narrow(0, kept, args.held_out)?;

    // A density of pixels asks for pixels without levels: 17 of them, from −1 to 1.
    let dequantization = UniformDequantization::of_levels(17, -1.0, 1.0)?;
    let started = Instant::now();
    let net = learn(&args, &train, &dequantization, &device)?;
    println!(
        "training     {:.1} s, {} steps",
        started.elapsed().as_secs_f64(),
        args.steps
    );
    let schedule = CondOt::default();
    let model = Model::new(&net, Prediction::Velocity, &schedule);

    println!("energy distance to the held-out digits, with at most so many evaluations");
    println!(
        "{:<18}{:>9}{:>9}{:>9}{:>9}",
        "", BUDGETS[0], BUDGETS[1], BUDGETS[2], BUDGETS[3]
    );
    let source = NoiseSource::new(key.named("samples"), &[1, 8, 8], DType::F32, &device)?;
    let mut rows: Vec<(&str, Vec<Tensor>)> = Vec::new();
    for budget in BUDGETS {
        for (k, (name, sampler)) in samplers(budget)?.iter().enumerate() {
            let mut progress = Progress::new(name);
            let all = 0..args.samples as u64;
            let images = source.sample_observed(sampler, &model, all, &mut progress)?;
            match rows.get_mut(k) {
                Some((_, row)) => row.push(images),
                None => rows.push((name, vec![images])),
            }
        }
    }
    for (name, row) in &rows {
        let distances: Result<Vec<f64>> = row.iter().map(|x| energy_distance(x, &test)).collect();
        let cells: String = distances?.iter().map(|d| format!("{d:>9.4}")).collect();
        println!("{name:<18}{cells}");
    }
    println!(
        "{:<18}{:>9.4}",
        "training digits",
        energy_distance(&train, &test)?
    );

    report_likelihood(&net, &test, &dequantization, key)?;
    let path = args.out.join("samplers.png");
    picture::draw(&path, &rows, &BUDGETS)?;
    println!("picture      {}", path.display());
    println!("data         {}", Digits::ATTRIBUTION);
    Ok(())
}

/// A network of the velocity on straight lines, trained on digits with uniform noise.
fn learn(
    args: &Args,
    images: &Tensor,
    dequantization: &UniformDequantization,
    device: &Device,
) -> Result<Mlp> {
    let key = Key::from_seed(args.seed);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, device);
    let net = Mlp::config(64)
        .hidden(&[args.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .build(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let rate = WarmupCosine::new(2e-3, 100.min(args.steps / 2), args.steps)?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(rate)
        .clip_norm(1.0)?
        .ema(1.0 - 50.0 / args.steps.max(100) as f64)?;
    let objective = rectified_flow();
    let batches = Batches::new(images.dim(0)?, 128, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [images] = batches.at(step, [images])?;
        let images = dequantization.apply(&images, rng)?;
        let noise = rng.normal_like(&images)?;
        objective.loss(&net, &noise, &images, rng)
    };
    trainer.run(args.steps, loss, &mut Progress::new("training"))?;
    net.on(&trainer.averaged().frozen())
}

/// Bits per dimension of digits, exactly and by estimates.
fn report_likelihood(
    net: &Mlp,
    images: &Tensor,
    dequantization: &UniformDequantization,
    key: Key,
) -> Result<()> {
    let schedule = CondOt::default();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?);
    let noisy = dequantization.apply(images, &mut Generator::from(key.named("dequantization")))?;
    let likelihood = Likelihood::new(Model::new(net, Prediction::Velocity, &schedule));
    let estimated = likelihood.hutchinson(Probe::Rademacher, 8, key.named("probes"))?;
    let ways = [("exact", likelihood), ("8 probes", estimated)];
    for (name, likelihood) in ways {
        let started = Instant::now();
        let found = likelihood.log_density(&solver, &noisy)?;
        let bits = dequantization.bits_per_dimension(&found)?;
        let seconds = started.elapsed().as_secs_f64();
        println!("likelihood   {bits}");
        let (count, evaluations) = (images.dim(0)?, found.evaluations);
        print!(
            "cost         {name}: {count} held-out digits, {evaluations} evaluations, {seconds:.1} s"
        );
        match &found.standard_error {
            Some(error) => {
                let error = error.mean_all()?.to_scalar::<f64>()?;
                println!("; standard error of each {error:.2} nats");
            }
            None => println!(),
        }
    }
    Ok(())
}
