//! Latent flow matching: an autoencoder learns a space of few numbers, and a flow learns the law of digits there (Rombach et al. 2022; Dao et al. 2023).
//!
//! `cargo run --release --example latent`
//!
//! The divergence of the autoencoder counts little, so that digits are kept well; the prior is then a bad law of the latent variables, and the flow a good one.

use std::path::PathBuf;
use std::time::Instant;

use advect::classics::vae::active_units;
use advect::metrics::{energy_distance, nearest_neighbour_two_sample};
use advect::nn::Builder;
use advect::prelude::*;
use advect_examples::named_rows;
use advect_examples::report::quantize;
use clap::Parser;

/// Train an autoencoder on digits, and a flow in its latent space.
#[derive(Parser)]
struct Args {
    /// Training steps of each.
    #[arg(long, default_value_t = 5000)]
    steps: usize,
    /// Width of the hidden layers.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Latent variables.
    #[arg(long, default_value_t = 12)]
    latent: usize,
    /// Weight of the autoencoder's divergence: 1 is the evidence bound.
    #[arg(long, default_value_t = 0.1)]
    beta: f64,
    /// Samples of each for the table.
    #[arg(long, default_value_t = 1000)]
    samples: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const PIXELS: usize = 64;
const BATCH: usize = 128;
/// Digits that are kept from training.
const HELD_OUT: usize = 497;

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::non_negative("beta", args.beta)?;
    if args.samples < 2 {
        return Err(Error::range("samples", args.samples, "at least 2"));
    }
    advect_examples::prepare_pictures(&args.out)?;
    let (key, device) = (Key::from_seed(args.seed), Device::Cpu);
    let digits = Digits::load(DType::F32, &device)?;
    let mut rng = Generator::from(key.named("split"));
    let order = rng.permutation(digits.len(), &device)?;
    let images = digits.images.flatten_from(1)?.index_select(&order, 0)?;
    let kept = digits.len() - HELD_OUT;
    let (train, test) = (
        images.narrow(0, 0, kept)?,
        images.narrow(0, kept, HELD_OUT)?,
    );

    // The autoencoder, of digits with noise in the bins of their levels.
    let dequantization = UniformDequantization::of_levels(17, -1.0, 1.0)?;
    let batches = Batches::new(kept, BATCH, key.named("batches"))?;
    let batch = |step: usize, rng: &mut Generator| {
        let [images] = batches.at(step, [&train])?;
        dequantization.apply(&images, rng)
    };
    let store = ParameterStore::new(key.named("autoencoder"), DType::F32, &device);
    let trained = autoencoder(&args, &store.builder())?;
    let loss = |step: usize, rng: &mut Generator| {
        let x = batch(step, rng)?;
        trained
            .evidence_bound(&x, &trained.noise(&x, rng)?)?
            .loss(args.beta)
    };
    let trainer = fit(&args, &store, "autoencoder", 1e-3, loss)?;
    let vae = autoencoder(&args, &trainer.averaged().frozen())?;

    // Latent variables of the training, with as much noise as the posterior has, in units of their deviations. Their variance is that of the means and the mean of
    // the posteriors'.
    let means = vae.posterior(&train)?;
    let within = means.log_variance().exp()?.mean_keepdim(0)?;
    let scale = (means.mean().var_keepdim(0)? + within)?.sqrt()?;
    let shift = means.mean().mean_keepdim(0)?;
    let store = ParameterStore::new(key.named("flow"), DType::F32, &device);
    let net = Mlp::config(args.latent)
        .hidden(&[args.width; 3])
        .time(TimeEmbedding::Fourier { frequencies: 6 })
        .build(&store.builder())?;
    let objective = rectified_flow();
    let loss = |step: usize, rng: &mut Generator| {
        let x = batch(step, rng)?;
        let z = vae.posterior(&x)?.sample(&vae.noise(&x, rng)?)?;
        let z = z.broadcast_sub(&shift)?.broadcast_div(&scale)?;
        objective.loss(&net, &rng.normal_like(&z)?, &z, rng)
    };
    let trainer = fit(&args, &store, "flow", 2e-3, loss)?;
    let net = net.on(&trainer.averaged().frozen())?;

    // From noise to latent variables, and from these to digits.
    let started = Instant::now();
    let noise = rng.normal((args.samples, args.latent), DType::F32, &device)?;
    let solution = Solver::new(Dopri5, Adaptive::new(1e-4, 1e-4)?).solve(&net, &noise, 0.0, 1.0)?;
    let z = solution
        .end()?
        .broadcast_mul(&scale)?
        .broadcast_add(&shift)?;
    let flowed = quantize(&vae.decode(&z)?)?;
    println!(
        "sampling            {:.2} s, {} evaluations of the flow, 1 of the decoder",
        started.elapsed().as_secs_f64(),
        solution.statistics.evaluations
    );
    let prior = quantize(&vae.decode(&noise)?)?;
    let decoded = quantize(&vae.decode(vae.posterior(&test)?.mean())?)?;

    let error = (&decoded - &test)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
    println!(
        "decoded             root mean square error {:.3} of unseen digits from −1 to 1",
        error.sqrt()
    );
    let active = active_units(means.mean(), 0.01)?;
    let active = active.iter().filter(|active| **active).count();
    println!(
        "latent variables    {active} of {} are used; deviation of the noise {:.3}",
        args.latent,
        vae.likelihood().variance()?.sqrt()
    );
    println!("{:<20}{:>16}{:>14}", "", "energy distance", "two-sample");
    for (name, images) in [
        ("prior", &prior),
        ("latent flow", &flowed),
        ("unseen digits again", &decoded),
        ("training digits", &train),
    ] {
        // Decoded digits lie beside those that they were made of: the test would say nothing.
        let told = if name == "unseen digits again" {
            "–".to_string()
        } else {
            let count = images.dim(0)?.min(HELD_OUT);
            let (images, test) = (images.narrow(0, 0, count)?, test.narrow(0, 0, count)?);
            format!("{:.3}", nearest_neighbour_two_sample(&images, &test)?)
        };
        println!(
            "{name:<20}{:>16.4}{told:>14}",
            energy_distance(images, &test)?
        );
    }
    let path = args.out.join("latent.png");
    let rows = [
        ("unseen digits", &test),
        ("decoded", &decoded),
        ("of the prior", &prior),
        ("of the flow", &flowed),
    ];
    named_rows(&path, &rows, 8, 16)?;
    println!("picture             {}", path.display());
    println!("data                {}", Digits::ATTRIBUTION);
    Ok(())
}

/// An encoder or a decoder.
type Map = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// An autoencoder with Gaussian pixels of one learned variance.
fn autoencoder(
    args: &Args,
    builder: &Builder,
) -> Result<VariationalAutoencoder<Map, Map, GaussianLikelihood>> {
    let net = |from: usize, to: usize, name: &str| {
        let net = Mlp::config(from).outputs(to).hidden(&[args.width; 2]);
        net.time(TimeEmbedding::None).build(&builder.pp(name))
    };
    let encoder: Map = Box::new(untimed(net(PIXELS, 2 * args.latent, "encoder")?));
    let decoder: Map = Box::new(untimed(net(args.latent, PIXELS, "decoder")?));
    let likelihood = GaussianLikelihood::learned(builder)?;
    VariationalAutoencoder::new(args.latent, encoder, decoder, likelihood)
}

/// Trains by AdamW with an average of the parameters.
fn fit(
    args: &Args,
    store: &ParameterStore,
    name: &str,
    rate: f64,
    loss: impl FnMut(usize, &mut Generator) -> Result<Tensor>,
) -> Result<Trainer<AdamW>> {
    let started = Instant::now();
    let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
    let rng = Key::from_seed(args.seed).named(name).named("training");
    let mut trainer = Trainer::new(store, optimizer, rng.into())
        .learning_rate(WarmupCosine::new(
            rate,
            100.min(args.steps / 2),
            args.steps,
        )?)
        .clip_norm(1.0)?
        .ema(1.0 - 50.0 / args.steps.max(100) as f64)?;
    trainer.run(args.steps, loss, &mut Progress::new(name))?;
    println!(
        "training            {:.1} s, {name}, {} parameters",
        started.elapsed().as_secs_f64(),
        store.element_count()
    );
    Ok(trainer)
}
