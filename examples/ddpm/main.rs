//! DDPM as it is taught: a U-Net that predicts the noise of a thousand steps, pictures on their way from noise, the two variances of Ho et al. and the learned one, and the
//! bound of the likelihood term by term.
//!
//! `cargo run --release --example ddpm`
//!
//! One network serves all three variances: the noise is learned by the simple loss alone, and the variances by the bound, whose gradient does not reach the noise.

mod data;
mod report;

use std::path::PathBuf;
use std::time::Instant;

use advect::prelude::*;
use advect_examples::plot::grid;
use advect_examples::{Losses, fitting_unet};
use clap::Parser;

use data::Data;

/// Train DDPM on digits, and take its bound apart.
#[derive(Parser)]
pub(crate) struct Args {
    /// A folder with the files of MNIST; the digits of 8 × 8 pixels unless told.
    #[arg(long, value_name = "FOLDER")]
    mnist: Option<PathBuf>,
    /// Training steps.
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Steps T of the diffusion.
    #[arg(long, default_value_t = 1000)]
    levels: usize,
    /// Images in a training batch.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Width of the network.
    #[arg(long, default_value_t = 32)]
    channels: usize,
    /// Samples with each variance.
    #[arg(long, default_value_t = 100)]
    samples: usize,
    /// Test images whose bound is told.
    #[arg(long, default_value_t = 100)]
    likelihoods: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for pictures, the terms of the bound and the checkpoint.
    #[arg(long, default_value = "out/ddpm")]
    out: PathBuf,
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    if args.samples < 2 {
        return Err(Error::range("samples", args.samples, "at least 2"));
    }
    let device = advect_examples::device(&args.device)?;
    advect_examples::prepare_pictures(&args.out)?;
    let key = Key::from_seed(args.seed);
    let data = Data::read(args.mnist.as_deref(), key)?;
    let count = args.likelihoods.min(data.test.dim(0)?);
    check::at_least_one("likelihoods", count)?;

    // Ho et al. take a β that rises along a line; of fewer steps it would leave some of the data at the end.
    let schedule = match args.levels {
        1000 => DiscreteDiffusion::default(),
        levels => DiscreteDiffusion::cosine(levels)?,
    };
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let [channels, _, _] = data.dim;
    let net = fitting_unet(data.dim, args.channels, 0)
        .outputs(2 * channels)
        .build(&store.builder())?;
    println!("network      {} parameters", net.cost().parameters);
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(
            1e-3,
            100.min(args.steps / 2),
            args.steps,
        )?)
        .clip_norm(1.0)?
        .ema(1.0 - 20.0 / args.steps.max(100) as f64)?;
    let objective = HybridLoss::new(schedule.clone()).decoder(data.decoder()?);
    let batches = Batches::new(data.train.dim(0)?, args.batch, key.named("batches"))?;
    let loss = |step: usize, rng: &mut Generator| {
        let [pixels] = batches.at(step, [&data.train])?;
        let images = data.normalized(&pixels)?.to_device(&device)?;
        objective.loss(&net, &rng.normal_like(&images)?, &images, rng)
    };
    let started = Instant::now();
    let mut losses = Losses::new(&args.out);
    trainer.run(
        args.steps,
        loss,
        &mut (&mut losses, &mut Progress::new("ddpm")),
    )?;
    losses.write()?;
    trainer.save(args.out.join("ddpm.safetensors"))?;
    println!(
        "training     {:.1} s, {} steps",
        started.elapsed().as_secs_f64(),
        args.steps
    );

    let net = net.on(&trainer.averaged().frozen())?;
    let test = data
        .normalized(&data.test.narrow(0, 0, count)?)?
        .to_device(&device)?;
    report::bound(&net, &schedule, &data, &test, key, &args.out)?;
    let strip = report::samples(&net, &schedule, &data, args.samples, key, &device)?;
    let path = args.out.join("ddpm.png");
    grid(&path, &strip, report::PICTURES)?;
    println!("picture      {}", path.display());
    Ok(())
}
