//! A U-Net that learns to make images: handwritten digits of 8 × 8 pixels, or those of a folder, of MNIST or of CIFAR-10.
//!
//! `cargo run --release --example images`, or `-- --mnist FOLDER`, `-- --cifar FOLDER`, `-- --folder FOLDER --size 32`

mod data;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use advect::data::flip_horizontally;
use advect::prelude::*;
use advect_examples::plot::grid;
use advect_examples::{Losses, fitting_unet, report};
use clap::Parser;

use data::Data;

/// Train a U-Net on images, and draw new ones.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    source: data::Source,
    /// Training steps.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Stop at this step, to resume later.
    #[arg(long)]
    until: Option<usize>,
    /// Width of the network, a multiple of 16.
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// Samples in a training batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// The largest learning rate.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Steps from one picture and checkpoint to the next.
    #[arg(long, default_value_t = 500)]
    every: usize,
    /// Mirror images at random.
    #[arg(long)]
    flip: bool,
    /// Images to generate for the table of digits.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for pictures, losses and the checkpoint.
    #[arg(long, default_value = "out/images")]
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
    check::at_least_one("every", args.every)?;
    if args.samples < 2 {
        return Err(Error::range("samples", args.samples, "at least 2"));
    }
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let checkpoint = args.out.join("images.safetensors");
    let key = Key::from_seed(args.seed);
    let data = Arc::new(Data::read(&args.source)?);

    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = fitting_unet(data.dim(), args.channels, data.classes).build(&store.builder())?;
    println!(
        "images              {:>8}, {:?}, {} classes",
        data.len(),
        data.dim(),
        data.classes
    );
    println!(
        "network             {:>8} parameters, {:.1} million operations an image",
        net.cost().parameters,
        net.cost().operations as f64 * 1e-6
    );
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            args.rate,
            100.min(args.steps / 2),
            args.steps,
        )?)
        .clip_norm(1.0)?
        .ema(1.0 - 20.0 / args.steps.max(100) as f64)?
        // With others, a resumed run would see other batches than one that never stopped.
        .setting("seed", args.seed)
        .setting("batch", args.batch)
        .setting("flip", args.flip)
        .setting("images", data.len());
    let mut losses = Losses::new(&args.out);
    if args.resume {
        trainer.resume(&checkpoint)?;
        losses.resume(trainer.step())?;
    }

    // Batches are made on a thread of their own, while the last one is learned from.
    let batches = Batches::new(data.len(), args.batch, key.named("batches"))?;
    let (flips, flip, source) = (key.named("flips"), args.flip, data.clone());
    let prefetched = Prefetched::new(2, move |step| {
        let [images, labels] = batches.at(step, [&source.images, &source.labels])?;
        let images = match flip {
            true => flip_horizontally(&images, 0.5, &mut flips.child(step as u64).into())?,
            false => images,
        };
        Ok((source.normalized(&images)?, labels))
    })?;
    let objective =
        flow_matching(Affine::new(CondOt::default())).times(LogitNormal::new(0.0, 1.0)?);
    let dropout = ConditionDropout::new(0.1)?;
    let loss = |step: usize, rng: &mut Generator| {
        let (images, labels) = prefetched.at(step)?;
        let (images, labels) = (images.to_device(&device)?, labels.to_device(&device)?);
        let labels = dropout.apply(&net, &images, &labels, rng)?;
        let noise = rng.normal_like(&images)?;
        objective.loss(&net.given(&labels), &noise, &images, rng)
    };

    // The same noise in every picture, so that one sees what is learned.
    let mut rng = Generator::from(key.named("samples"));
    let rows = data.classes.min(10);
    let [channels, height, width] = data.dim();
    let noise = rng.normal((10 * rows, channels, height, width), DType::F32, &device)?;
    let shown: Vec<u32> = (0..10 * rows as u32).map(|i| i / 10).collect();
    let shown = Tensor::new(shown, &device)?;
    let heun = Solver::new(Heun, Fixed::steps(10)?);

    let mut progress = Progress::new("images").length(args.steps);
    let mut training = Duration::ZERO;
    let last = args.until.unwrap_or(args.steps).min(args.steps);
    while trainer.step() < last {
        let started = Instant::now();
        let until = last.min((trainer.step() / args.every + 1) * args.every);
        let mut observer = (&mut losses, &mut progress);
        trainer.run(until, &loss, &mut observer)?;
        training += started.elapsed();
        let twin = net.on(&trainer.averaged().frozen())?;
        let images = heun.solve(&twin.given(&shown), &noise, 0.0, 1.0)?.end()?;
        grid(&args.out.join(format!("step_{until:06}.png")), &images, 10)?;
        losses.write()?;
        trainer.save(&checkpoint)?;
    }
    println!(
        "training            {:>8.1} s, {} steps",
        training.as_secs_f64(),
        trainer.step()
    );

    if let Some(digits) = &data.digits {
        let twin = net.on(&trainer.averaged().frozen())?;
        let noise = rng.normal((args.samples, 1, 8, 8), DType::F32, &device)?;
        let labels: Vec<u32> = (0..args.samples as u32).map(|i| i % 10).collect();
        let labels = Tensor::new(labels, &device)?;
        let started = Instant::now();
        let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3)?);
        let solution = solver.solve(&twin.given(&labels), &noise, 0.0, 1.0)?;
        println!(
            "sampling            {:>8.1} s, {} digits, {} evaluations",
            started.elapsed().as_secs_f64(),
            args.samples,
            solution.statistics.evaluations
        );
        let images = report::quantize(&solution.end()?)?;
        report::print(digits, &images, &labels, &mut rng)?;
        println!("data                {}", Digits::ATTRIBUTION);
    }
    println!("pictures            {}", args.out.display());
    println!("checkpoint          {}", checkpoint.display());
    Ok(())
}
