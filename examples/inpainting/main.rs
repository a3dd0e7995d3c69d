//! Handwritten digits of which a half, or a smaller image, is known: one network, and the rest by replacement, by
//! RePaint's resampling, by diffusion posterior sampling and by pseudoinverse guidance.
//!
//! `cargo run --release --example inpainting`

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::metrics::energy_distance;
use advect::prelude::*;
use advect::samplers::inverse::{Downsample, LinearOperator, Mask};
use clap::Parser;

/// Complete digits by one network.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 4000)]
    steps: usize,
    /// Width of the three hidden layers.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Digits that are kept from training, and completed.
    #[arg(long, default_value_t = 297)]
    held_out: usize,
    /// Levels of the samplers.
    #[arg(long, default_value_t = 100)]
    levels: usize,
    /// The step size ζ of diffusion posterior sampling.
    #[arg(long, default_value_t = 0.1)]
    zeta: f64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

/// The standard deviation of the noise that measurements are taken to have: pixels are rounded to levels 1/8 apart.
const NOISE: f64 = 0.04;

/// A measurement of the held-out digits, and what each method makes of it.
struct Problem {
    name: &'static str,
    operator: Box<dyn LinearOperator>,
    /// The pixels that are known, if that is all.
    mask: Option<Tensor>,
    measured: Tensor,
    completed: Vec<(&'static str, Tensor)>,
}

impl Problem {
    fn new(
        name: &'static str,
        operator: impl LinearOperator + 'static,
        mask: Option<Tensor>,
        digits: &Tensor,
    ) -> Result<Self> {
        Ok(Problem {
            name,
            measured: operator.apply(digits)?,
            operator: Box::new(operator),
            mask,
            completed: Vec::new(),
        })
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let digits = Digits::load(DType::F32, &Device::Cpu)?;
    let kept = digits.len().saturating_sub(args.held_out);
    check::at_least_one("digits to train on", kept)?;
    check::at_least_one("held_out", args.held_out)?;
    let mut rng = Generator::from(key.named("split"));
    let order = rng.permutation(digits.len(), &Device::Cpu)?;
    let shuffled = digits.images.index_select(&order, 0)?;
    let (train, test) = (
        shuffled.narrow(0, 0, kept)?,
        shuffled.narrow(0, kept, args.held_out)?,
    );

    let started = Instant::now();
    let net = learn(&args, &train)?;
    println!(
        "training     {:.1} s, {} steps",
        started.elapsed().as_secs_f64(),
        args.steps
    );
    let model = Model::new(&net, Prediction::Velocity, CondOt::default());

    let left: Vec<u8> = (0..8).map(|column| u8::from(column < 4)).collect();
    let left = Tensor::new(left, &Device::Cpu)?;
    let (half, means) = (Mask::new(&left)?, Downsample::by(2)?);
    let mut problems = [
        Problem::new("the left half is known", half, Some(left), &test)?,
        Problem::new("means of 2 × 2 pixels are known", means, None, &test)?,
    ];
    let started = Instant::now();
    let variance = largest_variance(&train)?;
    let grid = || UniformLogSnr::new(args.levels)?.range(0.02, 20.0);
    let source = NoiseSource::new(key.named("samples"), &[1, 8, 8], DType::F32, &Device::Cpu)?;
    let all = 0..args.held_out as u64;
    for problem in &mut problems {
        let (operator, y) = (&problem.operator, &problem.measured);
        let mut samplers: Vec<(&str, Box<dyn Sampler>)> = Vec::new();
        if let Some(mask) = &problem.mask {
            let replaced = Inpaint::new(Ancestral::new(), y, mask)?;
            let resampled = replaced.clone().resampling(10)?;
            samplers.push(("replacement", Box::new(replaced.on(grid()?))));
            samplers.push(("RePaint, 10 passes", Box::new(resampled.on(grid()?))));
        }
        let dps = LikelihoodStep::new(Ancestral::new(), Dps::new(operator, y, args.zeta)?);
        samplers.push(("DPS", Box::new(dps.on(grid()?))));
        let plain = Ancestral::new().on(grid()?);
        let guided = Pigdm::new(operator, y, NOISE)?.data_variance(variance)?;
        let guided = source.sample(&plain, &model.posterior(guided), all.clone())?;
        let mut completed = Vec::new();
        for (name, sampler) in samplers {
            completed.push((name, source.sample(&sampler, &model, all.clone())?));
        }
        completed.push(("ΠGDM", guided));
        completed.push((
            "no measurement",
            source.sample(&plain, &model, all.clone())?,
        ));
        problem.completed = completed;
    }
    println!("sampling     {:.1} s", started.elapsed().as_secs_f64());

    for problem in &problems {
        println!("{}", problem.name);
        println!(
            "{:<22}{:>12}{:>12}{:>12}",
            "", "measured", "the rest", "energy"
        );
        for (name, images) in &problem.completed {
            report(name, problem, images, &test, &train)?;
        }
        report("the digits themselves", problem, &test, &test, &train)?;
    }
    let path = args.out.join("inpainting.png");
    picture::draw(&path, &test, &problems)?;
    println!("picture      {}", path.display());
    println!("data         {}", Digits::ATTRIBUTION);
    Ok(())
}

/// Prints the root mean square of the difference from the measurement, and from the digits in the rest, and the energy
/// distance of whole images from the digits of the training.
fn report(
    name: &str,
    problem: &Problem,
    images: &Tensor,
    test: &Tensor,
    train: &Tensor,
) -> Result<()> {
    let root = |x: Tensor| -> Result<f64> {
        Ok(f64::from(x.sqr()?.mean_all()?.to_scalar::<f32>()?).sqrt())
    };
    let measured = (problem.operator.apply(images)? - &problem.measured)?;
    // Without what the measurement tells: A A⁺ = 1 for both operators.
    let difference = (images - test)?;
    let told = problem.operator.apply(&difference)?;
    let told = problem
        .operator
        .solve(&difference, &1.0.into(), 0.0, &told)?;
    let rest = (&difference - problem.operator.pull(&difference, &told)?)?;
    let (measured, rest, energy) = (
        root(measured)?,
        root(rest)?,
        energy_distance(images, train)?,
    );
    println!("{name:<22}{measured:>12.3}{rest:>12.3}{energy:>12.3}");
    Ok(())
}

/// The largest eigenvalue of the data's covariance, by the power method: with a smaller variance, guidance overshoots
/// where pixels go together.
fn largest_variance(images: &Tensor) -> Result<f64> {
    let rows = images.flatten_from(1)?;
    let rows = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
    let mut direction = Tensor::ones((rows.dim(1)?, 1), DType::F32, images.device())?;
    let mut variance = 0.0;
    for _ in 0..30 {
        let image =
            (rows.t()?.contiguous()?.matmul(&rows.matmul(&direction)?)? / rows.dim(0)? as f64)?;
        variance = image.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?.into();
        direction = (image / variance)?;
    }
    Ok(variance)
}

/// A network of the velocity on straight lines.
fn learn(args: &Args, images: &Tensor) -> Result<Mlp> {
    let key = Key::from_seed(args.seed);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu);
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
        let noise = rng.normal_like(&images)?;
        objective.loss(&net, &noise, &images, rng)
    };
    trainer.run(args.steps, loss, &mut Progress::new("training"))?;
    net.on(&trainer.averaged().frozen())
}
