//! torchcfm's recipe for CIFAR-10.

use std::path::Path;
use std::time::Instant;

use advect::data::flip_horizontally;
use advect::data::images::{Split, cifar10};
use advect::features::Preprocessing;
use advect::metrics::FeatureStatistics;
use advect::models::UNet;
use advect::prelude::*;
use advect_examples::plot::grid;
use advect_examples::{Cifar10Recipe, Losses};

use crate::Args;

/// Images that are drawn at a time, as by torchcfm's `compute_fid`.
const PIECE: usize = 1024;
/// Features of Inception-v3.
const FEATURES: usize = 2048;
/// Steps from one checkpoint to the next.
const EVERY: usize = 20_000;

/// Trains by the recipe, draws images by the averaged network, and compares them with those of the training.
pub(crate) fn run(args: &Args, device: Device) -> Result<()> {
    let published = Cifar10Recipe::default();
    let recipe = Cifar10Recipe {
        channels: args.channels.unwrap_or(published.channels),
        steps: args.steps.unwrap_or(published.steps),
        batch: args.batch.unwrap_or(published.batch),
        rate: args.rate.unwrap_or(published.rate),
        samples: args.samples.unwrap_or(published.samples),
        ..published
    };
    println!("recipe       {recipe:?}");
    // Before days of training, what could be missing after them.
    let inception = match &args.inception {
        Some(_) if recipe.samples <= FEATURES => {
            let accepted = format!("more than the {FEATURES} features of Inception-v3");
            return Err(Error::range("samples", recipe.samples, accepted));
        }
        Some(weights) => {
            let inception = InceptionV3::load(weights, &device)?;
            Some(inception.preprocessing(Preprocessing::TorchFidelity))
        }
        None => None,
    };
    let folder = args
        .data
        .as_deref()
        .unwrap_or(Path::new("data/cifar-10-batches-bin"));
    let images = cifar10(folder, Split::Train)?.pixels;
    let key = Key::from_seed(args.seed);
    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = recipe.network().build(&store.builder())?;
    println!("network      {} parameters", store.element_count());
    println!(
        "data         {}, {} images",
        folder.display(),
        images.dim(0)?
    );
    let checkpoint = args.out.join("cifar10.safetensors");
    let mut trainer = recipe
        .trainer(&store, key.named("training").into())?
        .setting("seed", args.seed)
        .setting("batch", recipe.batch);
    let mut losses = Losses::new(&args.out);
    if args.resume {
        trainer.resume(&checkpoint)?;
        losses.resume(trainer.step())?;
    }
    let batches = Batches::new(images.dim(0)?, recipe.batch, key.named("batches"))?;
    let (flips, kept) = (key.named("flips"), images.clone());
    let prefetched = Prefetched::new(2, move |step| {
        let [pixels] = batches.at(step, [&kept])?;
        let mut rng = Generator::from(flips.child(step as u64));
        let pixels = flip_horizontally(&pixels, 0.5, &mut rng)?;
        Normalization::default().apply(&pixels, DType::F32)
    })?;
    let objective = recipe.objective();
    let loss = |step: usize, rng: &mut Generator| {
        let images = prefetched.at(step)?.to_device(&device)?;
        let noise = rng.normal_like(&images)?;
        objective.loss(&net.dropping(rng.split()), &noise, &images, rng)
    };
    let started = Instant::now();
    let save = Checkpointing::every(EVERY, &checkpoint)?;
    let mut progress = Progress::new("cifar10");
    trainer.run(
        recipe.steps,
        loss,
        &mut (&mut losses, (&mut progress, save)),
    )?;
    losses.write()?;
    println!(
        "training     {:.1} s, {} steps",
        started.elapsed().as_secs_f64(),
        trainer.step()
    );

    let twin = net.on(&trainer.averaged().frozen())?;
    let noise = NoiseSource::new(key.named("samples"), &[3, 32, 32], DType::F32, &device)?;
    let shown = drawn(&twin, &recipe, &noise, 0..recipe.samples.min(100) as u64)?;
    grid(
        &args.out.join("cifar10.png"),
        &Normalization::default().apply(&shown, DType::F32)?,
        10,
    )?;
    match &inception {
        Some(inception) => distance(&twin, &recipe, &noise, &images, inception, &device)?,
        None => println!("Fréchet distance: needs the weights of Inception-v3 (--inception FILE)"),
    }
    println!("picture      {}", args.out.join("cifar10.png").display());
    println!("checkpoint   {}", checkpoint.display());
    Ok(())
}

/// Samples as bytes.
fn drawn(
    net: &UNet,
    recipe: &Cifar10Recipe,
    noise: &NoiseSource,
    numbers: std::ops::Range<u64>,
) -> Result<Tensor> {
    let solver = Solver::new(Dopri5, Adaptive::new(recipe.tolerance, recipe.tolerance)?);
    let x = solver.solve(net, &noise.noise(numbers)?, 0.0, 1.0)?.end()?;
    Normalization::default().bytes(&x)
}

/// Prints the Fréchet distance between samples and the images of the training, as clean-fid has it in the mode `legacy_tensorflow`.
fn distance(
    net: &UNet,
    recipe: &Cifar10Recipe,
    noise: &NoiseSource,
    images: &Tensor,
    inception: &InceptionV3,
    device: &Device,
) -> Result<()> {
    let mut real = FeatureStatistics::new(FEATURES)?;
    let count = images.dim(0)?;
    for first in (0..count).step_by(PIECE) {
        let piece = images.narrow(0, first, PIECE.min(count - first))?;
        real.add(&inception.features(&piece.to_device(device)?)?)?;
    }
    let mut made = FeatureStatistics::new(FEATURES)?;
    for first in (0..recipe.samples).step_by(PIECE) {
        let last = (first + PIECE).min(recipe.samples);
        let piece = drawn(net, recipe, noise, first as u64..last as u64)?;
        made.add(&inception.features(&piece)?)?;
    }
    let distance = made.moments()?.frechet_distance(&real.moments()?)?;
    println!(
        "Fréchet distance of {} images: {distance:.3}",
        recipe.samples
    );
    Ok(())
}
