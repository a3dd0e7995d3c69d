//! torchcfm's U-Net learns MNIST, or Fashion-MNIST, by OT-CFM with classes, and the table says how good its images are against the number of evaluations, with Fréchet
//! distance, KID, precision and recall by a small classifier.
//!
//! `cargo run --release --example mnist -- --data FOLDER`
//!
//! `torchcfm_mnist.py` trains the same network by torchcfm, and `--weights FILE` measures it by the same table.
//!
//! `--recipe cifar10` is torchcfm's published training on CIFAR-10, which is meant for a GPU.

mod cifar10;
mod sources;
mod table;

use std::path::PathBuf;
use std::time::Instant;

use advect::models::UNet;
use advect::prelude::*;
use advect::solvers::divergence::Probe;
use advect_examples::plot::grid;
use clap::Parser;

use sources::Source;
use table::SamplerName;

/// What is learned, and how.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Recipe {
    /// MNIST or Fashion-MNIST, in minutes on two cores.
    Mnist,
    /// torchcfm's for CIFAR-10, in days on a GPU.
    Cifar10,
}

/// Train torchcfm's network on MNIST, and measure its images.
#[derive(Parser)]
pub(crate) struct Args {
    /// What is learned, and how.
    #[arg(long, value_enum, default_value = "mnist")]
    recipe: Recipe,
    /// Folder with the files of MNIST, or of Fashion-MNIST, or of CIFAR-10 in its binary version.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Training steps: 600, and 400001 for CIFAR-10.
    #[arg(long)]
    steps: Option<usize>,
    /// Images in a training batch: 64, and 128 for CIFAR-10.
    #[arg(long)]
    batch: Option<usize>,
    /// Width of the network: torchcfm's 32, and 128 for CIFAR-10.
    #[arg(long)]
    channels: Option<usize>,
    /// The largest learning rate: 1e-3, and 2e-4 for CIFAR-10.
    #[arg(long)]
    rate: Option<f64>,
    /// Images for each row of the table, more than the 64 features: 400. For CIFAR-10 50000, and more than 2048 with `--inception`.
    #[arg(long)]
    samples: Option<usize>,
    /// Weights of Inception-v3, by whose features images of CIFAR-10 are compared: `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid.
    #[arg(long)]
    inception: Option<PathBuf>,
    /// Measure the network with these weights, as `torchcfm_mnist.py` saves them, instead of training one; for MNIST only.
    #[arg(long, conflicts_with_all = ["resume", "steps", "batch", "rate"])]
    weights: Option<PathBuf>,
    /// Evaluations of the network for each row of the table, for MNIST only.
    #[arg(long, value_delimiter = ',', default_value = "6,10,20")]
    evaluations: Vec<usize>,
    /// Samplers of the table, for MNIST only.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "euler,midpoint,dpm-solver,uni-pc,dopri5"
    )]
    samplers: Vec<SamplerName>,
    /// Test images whose likelihood is told, for MNIST only.
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
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    match args.recipe {
        Recipe::Mnist => digits(&args, device),
        Recipe::Cifar10 => match &args.weights {
            None => cifar10::run(&args, device),
            Some(file) => {
                let accepted = "none, as only networks for MNIST are measured by their weights";
                Err(Error::range("weights", file.display(), accepted))
            }
        },
    }
}

/// Learns MNIST, or Fashion-MNIST, and measures what was learned.
fn digits(args: &Args, device: Device) -> Result<()> {
    let samples = args.samples.unwrap_or(400);
    let key = Key::from_seed(args.seed);
    let source = Source::read(args.data.as_deref(), &device)?;
    if !(65..=source.test.len()).contains(&samples) {
        let accepted = format!("65 to {}, the number of test images", source.test.len());
        return Err(Error::range("samples", samples, accepted));
    }

    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = UNet::config(&[1, 28, 28])
        .channels(args.channels.unwrap_or(32))
        .blocks(1)
        .attention(&[16])
        .classes(10)
        .build(&store.builder())?;
    println!("network      {} parameters", store.element_count());
    // Bytes become numbers with uniform noise in their bins, so that there is a density.
    let dequantization = UniformDequantization::of_levels(256, -1.0, 1.0)?;
    let net = match &args.weights {
        Some(weights) => {
            store.load(Weights::new(weights))?;
            net.on(&store.frozen())?
        }
        None => train(args, &store, &net, &source, &dequantization, key)?,
    };

    let kinds = (&args.samplers[..], &args.evaluations[..]);
    let images = table::print(&net, &source, samples, kinds, key, &device)?;
    if args.likelihoods > 0 {
        let count = args.likelihoods;
        likelihood(&net, &source, &dequantization, count, key, &device)?;
    }
    let path = args.out.join("mnist.png");
    draw(&path, &images)?;
    println!("picture      {}", path.display());
    Ok(())
}

/// Trains the network of a store. Returns it with the average of its weights.
fn train(
    args: &Args,
    store: &ParameterStore,
    net: &UNet,
    source: &Source,
    dequantization: &UniformDequantization,
    key: Key,
) -> Result<UNet> {
    let steps = check::at_least_one("steps", args.steps.unwrap_or(600))?;
    let batch = args.batch.unwrap_or(64);
    let checkpoint = args.out.join("mnist.safetensors");
    let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            args.rate.unwrap_or(1e-3),
            100.min(steps / 2),
            steps,
        )?)
        .clip_norm(1.0)?
        .ema(1.0 - 20.0 / steps.max(100) as f64)?
        .setting("seed", args.seed)
        .setting("batch", batch)
        .setting("images", source.train.len());
    if args.resume {
        trainer.resume(&checkpoint)?;
    }
    let normal = Normalization::default();
    let objective = Coupled::new(ExactOt, rectified_flow());
    let batches = Batches::new(source.train.len(), batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [pixels, labels] = batches.at(step, [&source.train.pixels, &source.train.labels])?;
        let images = dequantization.apply(&normal.apply(&pixels, DType::F32)?, rng)?;
        let device = store.device();
        let (images, labels) = (images.to_device(device)?, labels.to_device(device)?);
        let noise = rng.normal_like(&images)?;
        objective.loss(&net.given(&labels), &noise, &images, rng)
    };
    let started = Instant::now();
    let save = Checkpointing::every(500, &checkpoint)?;
    trainer.run(steps, loss, &mut (Progress::new("mnist"), save))?;
    println!(
        "training     {:.1} s, {} steps, last loss {:.4}",
        started.elapsed().as_secs_f64(),
        trainer.step(),
        trainer.report().loss
    );
    println!("checkpoint   {}", checkpoint.display());
    net.on(&trainer.averaged().frozen())
}

/// Bits per dimension of test images given their classes, with the standard error of their mean.
fn likelihood(
    net: &UNet,
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
        "likelihood   {bits} given the classes, {} evaluations, {seconds:.1} s",
        found.evaluations
    );
    Ok(())
}

/// Draws ten rows of each class, in columns.
fn draw(path: &std::path::Path, images: &Tensor) -> Result<()> {
    let images = Normalization::default().apply(images, DType::F32)?;
    grid(path, &images.narrow(0, 0, images.dim(0)?.min(100))?, 10)
}
