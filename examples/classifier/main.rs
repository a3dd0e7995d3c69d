//! Trains the small classifier whose weights `advect-features` ships: on MNIST, or on any data set of 28 × 28 grey pixels and ten classes in its
//! format.
//!
//! `cargo run --release --example classifier -- --data FOLDER`

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use advect::candle::safetensors;
use advect::candle_nn::ops::log_softmax;
use advect::data::images::{Images, Split, mnist};
use advect::prelude::*;
use clap::Parser;

/// Train the classifier of images of 28 × 28 pixels.
#[derive(Parser)]
struct Args {
    /// Folder with the files of MNIST, or of a data set in its format.
    #[arg(long)]
    data: PathBuf,
    /// Passes over the training images.
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Images in a training batch.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// The largest learning rate.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File for the weights, in 16 bits.
    #[arg(long, default_value = "out/classifier.safetensors")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = Device::Cpu;
    let key = Key::from_seed(args.seed);
    let train = mnist(&args.data, Split::Train)?;
    let test = mnist(&args.data, Split::Test)?;
    if let Some(folder) = args.out.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }

    let store = ParameterStore::new(key.named("parameters"), DType::F32, &device);
    let net = Classifier::new(&store.builder())?;
    let batches = Batches::new(train.len(), args.batch, key.named("batches"))?;
    let steps = args.epochs * batches.per_epoch();
    check::at_least_one("epochs", steps)?;
    let optimizer = AdamW::from_store(&store, AdamWConfig::default())?;
    let mut trainer = Trainer::new(&store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(args.rate, 100.min(steps / 2), steps)?)
        .clip_norm(1.0)?
        .ema(0.98)?;
    let classes = Tensor::arange(0u32, 10, &device)?.unsqueeze(0)?;
    let started = Instant::now();
    let loss = |step: usize, _: &mut Generator| {
        let [pixels, labels] = batches.at(step, [&train.pixels, &train.labels])?;
        let images = Normalization::default().apply(&pixels, DType::F32)?;
        let (_, logits) = net.forward(&images)?;
        let wanted = labels.unsqueeze(1)?.broadcast_eq(&classes)?;
        let wanted = wanted.to_dtype(DType::F32)?;
        // Cross-entropy: the mean of −ln p of the right classes.
        Ok((log_softmax(&logits, 1)? * wanted)?
            .sum(1)?
            .mean_all()?
            .neg()?)
    };
    trainer.run(steps, loss, &mut Progress::new("classifier"))?;
    println!(
        "training   {:.1} s, {steps} steps",
        started.elapsed().as_secs_f64()
    );

    // What is stored has 16 bits, and its accuracy is that of these.
    let average = trainer.averaged();
    let short: Result<HashMap<String, Tensor>> = (average.state().into_iter())
        .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F16)?)))
        .collect();
    let short = short?;
    safetensors::save(&short, &args.out)?;
    average.load(Weights::new(&args.out).cast(DType::F32))?;
    let stored = Classifier::new(&average.frozen())?;
    println!("train      {:.4}", accuracy(&stored, &train)?);
    println!("test       {:.4}", accuracy(&stored, &test)?);
    println!(
        "weights    {}, {} parameters",
        args.out.display(),
        store.element_count()
    );
    Ok(())
}

/// The share of images whose class is found.
fn accuracy(classifier: &Classifier, images: &Images) -> Result<f64> {
    let found = classifier.classes(&images.pixels)?;
    let labels = images.labels.to_vec1::<u32>()?;
    let right = labels.iter().zip(&found).filter(|(a, b)| a == b).count();
    Ok(right as f64 / labels.len() as f64)
}
