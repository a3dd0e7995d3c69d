//! The main job: a class-conditional flow from noise to handwritten digits, trained, stored, sampled,
//! measured and drawn.
//!
//! `cargo run --release --example digits`

mod picture;

use std::path::PathBuf;
use std::time::Instant;

use advect::prelude::*;
use advect_examples::report;
use clap::Parser;

/// Train a flow on handwritten digits, and draw new ones.
#[derive(Parser)]
struct Args {
    /// Training steps.
    #[arg(long, default_value_t = 8000)]
    steps: usize,
    /// Width of the three hidden layers.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Samples in a training batch.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Weight of classifier-free guidance: 1 is none, more makes digits plainer and less varied.
    #[arg(long, default_value_t = 1.0)]
    guidance: f64,
    /// Digits to generate for the table.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Folder for the picture and the checkpoint.
    #[arg(long, default_value = "out")]
    out: PathBuf,
    /// Go on from the checkpoint in the folder.
    #[arg(long)]
    resume: bool,
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::non_negative("guidance", args.guidance)?;
    if args.samples < 2 {
        return Err(Error::range("samples", args.samples, "at least 2"));
    }
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let checkpoint = args.out.join("digits.safetensors");
    let key = Key::from_seed(args.seed);
    let digits = Digits::load(DType::F32, &device)?;

    // The network, and what trains it.
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = Mlp::config(64)
        .hidden(&[args.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .classes(Digits::CLASSES)
        .build(&store.builder())?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            2e-3,
            100.min(args.steps / 2),
            args.steps,
        )?)
        .clip_norm(1.0)?
        // The average reaches back over about a fiftieth of the run.
        .ema(1.0 - 50.0 / args.steps.max(100) as f64)?
        // With others, a resumed run would see other batches than one that never stopped.
        .setting("seed", args.seed)
        .setting("batch", args.batch);
    if args.resume {
        trainer.resume(&checkpoint)?;
    }

    let started = Instant::now();
    // Late times matter most to the eye: there the last of the noise goes.
    let objective =
        flow_matching(Affine::new(CondOt::default())).times(LogitNormal::new(0.5, 1.0)?);
    let dropout = ConditionDropout::new(0.1)?;
    let batches = Batches::new(digits.len(), args.batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [images, labels] = batches.at(step, [&digits.images, &digits.labels])?;
        let labels = dropout.apply(&net, &images, &labels, rng)?;
        let noise = rng.normal_like(&images)?;
        objective.loss(&net.given(&labels), &noise, &images, rng)
    };
    // Little is lost if the run is stopped.
    let save = Checkpointing::every(1000, &checkpoint)?;
    trainer.run(args.steps, loss, &mut (Progress::new("digits"), save))?;
    let trained = started.elapsed();

    // From noise to digits, the classes in turn, with the average of the weights.
    let started = Instant::now();
    let twin = net.on(&trainer.averaged().frozen())?;
    let mut rng = Generator::from(key.named("samples"));
    let noise = rng.normal((args.samples, 1, 8, 8), DType::F32, &device)?;
    let labels: Vec<u32> = (0..args.samples as u32).map(|i| i % 10).collect();
    let labels = Tensor::new(labels, &device)?;
    let field = Guided::new(&twin, &labels, args.guidance)?;
    let solution =
        Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?).solve(&field, &noise, 0.0, 1.0)?;
    let images = report::quantize(&solution.end()?)?;
    let sampled = started.elapsed();

    println!(
        "training            {:>8.1} s, {} steps",
        trained.as_secs_f64(),
        args.steps
    );
    println!(
        "sampling            {:>8.1} s, {} digits, {} evaluations",
        sampled.as_secs_f64(),
        args.samples,
        solution.statistics.evaluations
    );
    report::print(&digits, &images, &labels, &mut rng)?;
    let picture = args.out.join("digits.png");
    picture::draw(&picture, &digits, &images)?;
    println!("picture             {}", picture.display());
    println!("checkpoint          {}", checkpoint.display());
    println!("data                {}", Digits::ATTRIBUTION);
    Ok(())
}
