//! Bits per dimension of unseen digits: of the probability flow, exactly; of the reverse SDE, by its bound; with uniform noise within the
//! levels and with learned noise.
//!
//! `cargo run --release --example bounds`
//!
//! | inequality | promised |
//! | --- | --- |
//! | bound of the SDE ≥ bits of the SDE | always (Song et al. 2021b, theorem 3), but the bits of the SDE are not known |
//! | bound of the SDE ≥ bits of the flow | only for the exact score, where they are one law |
//! | bits with trained noise ≤ bits with uniform noise | for the best noise, on the training set, by the quantity that it was trained on: uniform noise is among the choices |
//!
//! So there are three rows: one density with uniform noise; the same density with noise that was trained on the flow's own likelihood, through the
//! solver; and a density trained together with its noise by the bound.

use std::sync::Arc;
use std::time::Instant;

use advect::objectives::dequantization::{CouplingNoise, DequantizationNoise, UniformNoise};
use advect::objectives::distance::SquaredNorm;
use advect::objectives::objective::VariationalDequantization;
use advect::objectives::time_sampler::UniformOverLogSnr;
use advect::paths::Converted;
use advect::prelude::*;
use advect::samplers::likelihood::Convention;
use advect::solvers::divergence::Probe;
use clap::Parser;

/// Bound and find the likelihood of handwritten digits.
#[derive(Parser)]
struct Args {
    /// Training steps of a density.
    #[arg(long, default_value_t = 6000)]
    steps: usize,
    /// Training steps of the noise on the flow's likelihood, which go through a solver.
    #[arg(long, default_value_t = 100)]
    noise_steps: usize,
    /// Unseen digits in the table.
    #[arg(long, default_value_t = 297)]
    held_out: usize,
    /// Draws of the noise for each of them.
    #[arg(long, default_value_t = 2)]
    draws: usize,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// The distance of the 17 levels from −1 to 1.
const WIDTH: f64 = 0.125;
/// Samples in a batch.
const BATCH: usize = 128;
/// The time at which the diffusion ends, a thousandth before the data: σ is 0.01 there.
const END: f64 = 1.0 - 1e-3;

type Diffusion = VariancePreserving;
type Noise = CouplingNoise<Mlp>;

/// A network that predicts noise, on the variance-preserving path.
fn density(store: &ParameterStore) -> Result<Mlp> {
    Mlp::config(64)
        .hidden(&[256; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .build(&store.builder().pp("density"))
}

/// Noise within the levels, by two couplings.
fn couplings(store: &ParameterStore) -> Result<Noise> {
    let layer = |i: usize| {
        let config = Mlp::config(128).hidden(&[128]).time(TimeEmbedding::None);
        config.build(&store.builder().pp(format!("layer{i}")))
    };
    Ok(CouplingNoise::new(vec![layer(0)?, layer(1)?]))
}

fn store(key: Key) -> ParameterStore {
    ParameterStore::new(key.named("parameters"), DType::F32, &Device::Cpu)
}

/// The part of the bound that depends on the network and on the data, in nats for each sample of y: `½ ∫ E|ε_θ − ε|² dλ`.
fn bound(net: &Mlp, y: &Tensor, rng: &mut Generator) -> Result<Tensor> {
    let schedule = Diffusion::default();
    let times = UniformOverLogSnr::new(schedule, 0.0, END)?;
    let objective = Regression::new(Affine::new(schedule), Prediction::Noise);
    let objective = objective.times(times).distance(SquaredNorm);
    let losses = objective.losses(net, &rng.normal_like(y)?, y, rng)?;
    Ok((losses * (0.5 * (schedule.log_snr(END) - schedule.log_snr(0.0))))?)
}

fn trainer(store: &ParameterStore, steps: usize, rate: f64, key: Key) -> Result<Trainer> {
    let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
    Trainer::new(store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(rate, 50.min(steps / 2), steps)?)
        .clip_norm(100.0)?
        .ema(1.0 - 20.0 / steps.max(40) as f64)
}

/// Trains all that is in a store by the bound: a density, and its noise unless that is uniform. Returns the density with the average of its weights.
fn train(
    store: &ParameterStore,
    net: &Mlp,
    noise: &dyn DequantizationNoise,
    images: &Tensor,
    args: &Args,
    key: Key,
) -> Result<Mlp> {
    let mut trainer = trainer(store, args.steps, 1e-3, key)?;
    let batches = Batches::new(images.dim(0)?, BATCH, key.named("batches"))?;
    let dequantization = VariationalDequantization::new(noise, WIDTH)?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x] = batches.at(step, [images])?;
        let losses = dequantization.losses(&x, |y, rng| bound(net, y, rng), rng)?;
        Ok(losses.mean_all()?)
    };
    trainer.run(args.steps, loss, &mut Progress::new("density"))?;
    net.on(&trainer.averaged().frozen().pp("density"))
}

fn main() -> Result<()> {
    let args = Args::parse();
    check::at_least_one("steps", args.steps)?;
    check::at_least_one("draws", args.draws)?;
    check::at_least_one("noise_steps", args.noise_steps)?;
    let started = Instant::now();
    let key = Key::from_seed(args.seed);
    let digits = Digits::load(DType::F32, &Device::Cpu)?;
    let order = Generator::from(key.named("split")).permutation(digits.len(), &Device::Cpu)?;
    let images = digits.images.index_select(&order, 0)?.reshape(((), 64))?;
    let held_out = args.held_out.clamp(2, digits.len() / 2);
    let (seen, unseen) = (
        images.narrow(0, held_out, digits.len() - held_out)?,
        images.narrow(0, 0, held_out)?,
    );

    let first = store(key);
    let net = density(&first)?;
    let net = train(&first, &net, &UniformNoise, &seen, &args, key)?;
    let second = store(key.named("noise"));
    let fitted = couplings(&second)?;
    fit_noise(&net, &second, &fitted, &seen, &args, key.named("noise"))?;
    let third = store(key.named("both"));
    let (both, joint) = (density(&third)?, couplings(&third)?);
    let both = train(&third, &both, &joint, &seen, &args, key)?;

    println!(
        "bits per dimension of {held_out} unseen digits, {} draws of noise each",
        args.draws
    );
    println!("{:<34}{:>20}{:>20}", "", "bound of the SDE", "flow");
    let mut lines = Vec::new();
    for (name, net, noise) in [
        (
            "uniform noise",
            &net,
            &UniformNoise as &dyn DequantizationNoise,
        ),
        ("noise trained on the flow", &net, &fitted),
        ("both trained by the bound", &both, &joint),
    ] {
        let [bound, flow] = bits(net, noise, &unseen, &args, key)?;
        let cell = |found: &BitsPerDimension| {
            format!(
                "{:.3} ± {:.3}",
                found.mean,
                found.standard_error.unwrap_or(f64::NAN)
            )
        };
        println!("{name:<34}{:>20}{:>20}", cell(&bound), cell(&flow));
        lines.push((name, bound, flow));
    }
    for (name, other) in [(lines[1].0, &lines[1]), (lines[2].0, &lines[2])] {
        let difference = |a: &BitsPerDimension, b: &BitsPerDimension| summary(&a.bits, &b.bits);
        let (bound, flow) = (
            difference(&other.1, &lines[0].1),
            difference(&other.2, &lines[0].2),
        );
        println!(
            "{:<34}{bound:>20}{flow:>20}",
            format!("{name}, less uniform")
        );
    }
    println!(
        "time                {:>8.1} s",
        started.elapsed().as_secs_f64()
    );
    println!("data                {}", Digits::ATTRIBUTION);
    Ok(())
}

/// The mean of differences with its standard error.
fn summary(a: &[f64], b: &[f64]) -> String {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    format!("{mean:.3} ± {:.3}", (squares / (n - 1.0) / n).sqrt())
}

/// The velocity of the flow of a network.
fn velocity(net: &Mlp) -> Converted<Mlp, Diffusion> {
    Prediction::Noise.field(net.clone(), Prediction::Velocity, Diffusion::default())
}

/// Trains noise on the likelihood of a flow that stays as it is, whose gradient goes through the solver and an estimate of the divergence that
/// is unbiased.
fn fit_noise(
    net: &Mlp,
    store: &ParameterStore,
    noise: &Noise,
    images: &Tensor,
    args: &Args,
    key: Key,
) -> Result<()> {
    let mut trainer = trainer(store, args.noise_steps, 3e-3, key)?;
    let batches = Batches::new(images.dim(0)?, BATCH / 2, key.named("batches"))?;
    let solver = Solver::new(Dopri5, Adaptive::new(1e-2, 1e-2)?);
    let likelihood = MaximumLikelihood::new(Unrolled::new(solver)).hutchinson(Probe::Rademacher);
    let likelihood = likelihood.between(END, 0.0)?;
    let field = Arc::new(velocity(net));
    let dequantization = VariationalDequantization::new(noise, WIDTH)?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x] = batches.at(step, [images])?;
        let base = advect::core::normal::log_standard_normal;
        let found = |y: &Tensor, rng: &mut Generator| likelihood.losses(&field, &[], y, base, rng);
        Ok(dequantization.losses(&x, found, rng)?.mean_all()?)
    };
    trainer.run(
        args.noise_steps,
        loss,
        &mut Progress::new("noise on the flow"),
    )?;
    Ok(())
}

/// Bits of the SDE's bound and of the flow, each a mean over draws of the noise.
fn bits(
    net: &Mlp,
    noise: &dyn DequantizationNoise,
    images: &Tensor,
    args: &Args,
    key: Key,
) -> Result<[BitsPerDimension; 2]> {
    let model = Model::new(net, Prediction::Noise, Diffusion::default());
    let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3)?);
    let dequantization = VariationalDequantization::new(noise, WIDTH)?;
    let mut rng = Generator::from(key.named("draws"));
    let (mut bounds, mut flows) = (Vec::new(), Vec::new());
    for k in 0..args.draws {
        let drawn = dequantization.draw(images, &mut rng)?;
        let key = key.named(&format!("draw {k}"));
        let bound = LikelihoodBound::new(model, key)
            .within(0.0, END)?
            .log_density(&drawn.x)?;
        let flow = Likelihood::new(model).within(0.0, END)?;
        let flow = flow
            .hutchinson(Probe::Rademacher, 4, key)?
            .log_density(&solver, &drawn.x)?;
        let of = |nats: &Tensor| drawn.bound(&nats.to_dtype(DType::F32)?);
        bounds.push(of(&bound.nats)?);
        flows.push(of(&flow.nats)?);
    }
    let counted = |found: &[Tensor]| {
        let mean = Tensor::stack(found, 0)?.mean(0)?.detach();
        BitsPerDimension::counted_by(
            Convention::VariationalDequantization { width: WIDTH },
            &mean,
            64,
        )
    };
    Ok([counted(&bounds)?, counted(&flows)?])
}
