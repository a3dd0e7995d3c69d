//! Images measured as papers measure them: torchcfm's U-Net learns MNIST, or Fashion-MNIST, by OT-CFM with classes, and the table says how good its
//! images are against the number of evaluations.
//!
//! `cargo run --release --example mnist -- --data FOLDER`

mod sources;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use advect::prelude::*;
use advect::solvers::divergence::Probe;
use advect_examples::plot::grid;
use clap::Parser;

use sources::Source;

/// Train torchcfm's network on MNIST, and measure its images.
#[derive(Parser)]
struct Args {
    /// Folder with the files of MNIST, or of Fashion-MNIST.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Training steps.
    #[arg(long, default_value_t = 1000)]
    steps: usize,
    /// Images in a training batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Width of the network; torchcfm's has 32.
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// The largest learning rate.
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// Images for each row of the table, more than the 64 features.
    #[arg(long, default_value_t = 400)]
    samples: usize,
    /// Evaluations of the network.
    #[arg(long, value_delimiter = ',', default_value = "6,10,20")]
    evaluations: Vec<usize>,
    /// Test images whose likelihood is told.
    #[arg(long, default_value_t = 100)]
    likelihoods: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture and the checkpoint.
    #[arg(long, default_value = "out/mnist")]
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
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let checkpoint = args.out.join("mnist.safetensors");
    let key = Key::from_seed(args.seed);
    let source = Source::read(args.data.as_deref(), &device)?;
    if !(65..=source.test.len()).contains(&args.samples) {
        let accepted = format!("65 to {}, the number of test images", source.test.len());
        return Err(Error::range("samples", args.samples, accepted));
    }

    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = UNet::config(&[1, 28, 28])
        .channels(args.channels)
        .blocks(1)
        .attention(&[16])
        .classes(10)
        .build(&store.builder())?;
    println!("network      {} parameters", store.element_count());
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            args.rate,
            100.min(args.steps / 2),
            args.steps,
        )?)
        .clip_norm(1.0)?
        .ema(1.0 - 20.0 / args.steps.max(100) as f64)?
        .setting("seed", args.seed)
        .setting("batch", args.batch)
        .setting("images", source.train.len());
    if args.resume {
        trainer.resume(&checkpoint)?;
    }
    // Bytes become numbers with uniform noise in their bins, so that there is a density.
    let dequantization = UniformDequantization::of_levels(256, -1.0, 1.0)?;
    let normal = Normalization::default();
    let objective = Coupled::new(ExactOt, rectified_flow());
    let batches = Batches::new(source.train.len(), args.batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [pixels, labels] = batches.at(step, [&source.train.pixels, &source.train.labels])?;
        let images = dequantization.apply(&normal.apply(&pixels, DType::F32)?, rng)?;
        let (images, labels) = (images.to_device(&device)?, labels.to_device(&device)?);
        let noise = rng.normal_like(&images)?;
        objective.loss(&net.given(&labels), &noise, &images, rng)
    };
    let started = Instant::now();
    let save = Checkpointing::every(500, &checkpoint)?;
    trainer.run(args.steps, loss, &mut (Progress::new("mnist"), save))?;
    let (seconds, steps) = (started.elapsed().as_secs_f64(), trainer.step());
    println!(
        "training     {seconds:.1} s, {steps} steps, last loss {:.4}",
        trainer.report().loss
    );

    let twin = net.on(&trainer.averaged().frozen())?;
    let images = table::print(
        &twin,
        &source,
        args.samples,
        &args.evaluations,
        key,
        &device,
    )?;
    if args.likelihoods > 0 {
        likelihood(
            &twin,
            &source,
            &dequantization,
            args.likelihoods,
            key,
            &device,
        )?;
    }
    let path = args.out.join("mnist.png");
    draw(&path, &images)?;
    println!("picture      {}", path.display());
    println!("checkpoint   {}", checkpoint.display());
    Ok(())
}

/// Bits per dimension of test images, with the standard error of their mean.
fn likelihood(
    net: &advect::models::UNet,
    source: &Source,
    dequantization: &UniformDequantization,
    count: usize,
    key: Key,
    device: &Device,
) -> Result<()> {
    let started = Instant::now();
    let count = count.min(source.test.len());
    let images =
        Normalization::default().apply(&source.test.pixels.narrow(0, 0, count)?, DType::F32)?;
    let mut rng = Generator::from(key.named("dequantization"));
    let images = dequantization.apply(&images, &mut rng)?.to_device(device)?;
    let labels = source.test.labels.narrow(0, 0, count)?.to_device(device)?;
    let model = Model::new(net.given(&labels), Prediction::Velocity, CondOt::default());
    let likelihood =
        Likelihood::new(model).hutchinson(Probe::Rademacher, 1, key.named("probes"))?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3)?);
    let found = likelihood.log_density(&solver, &images)?;
    let bits = dequantization.bits_per_dimension(&found)?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "likelihood   {bits}, {} evaluations, {seconds:.1} s",
        found.evaluations
    );
    Ok(())
}

/// Draws ten rows of each class, in columns.
fn draw(path: &std::path::Path, images: &Tensor) -> Result<()> {
    let images = Normalization::default().apply(images, DType::F32)?;
    grid(path, &images.narrow(0, 0, images.dim(0)?.min(100))?, 10)
}
