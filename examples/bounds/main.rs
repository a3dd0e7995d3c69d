//! Bits per dimension of digits: of the probability flow, without bias by four probes of its divergence; of the reverse SDE, by its bound; with uniform noise within the
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
//! solver; and a density trained together with its noise by the bound. Learned noise begins as uniform noise, so that it starts where the inequality is an
//! equation, and the third row begins at the first one's weights and sees the same batches and random numbers. Differences are those of the same digits with the same
//! random numbers, and have a standard error of their own, which is far below those of the rows.

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
    #[arg(long, default_value_t = 1500)]
    steps: usize,
    /// Training steps of the noise on the flow's likelihood, which go through a solver.
    #[arg(long, default_value_t = 300)]
    noise_steps: usize,
    /// Digits that are not seen in training, and as many training digits, in the tables.
    #[arg(long, default_value_t = 297)]
    held_out: usize,
    /// Draws of the noise for each of them.
    #[arg(long, default_value_t = 1)]
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
/// What the network predicts: it need not copy noise to its output, whose errors would be in the divergence of the flow.
const PREDICTION: Prediction = Prediction::V;

type Diffusion = VariancePreserving;
type Noise = CouplingNoise<Mlp>;

/// A network on the variance-preserving path.
fn density(store: &ParameterStore) -> Result<Mlp> {
    Mlp::config(64)
        .hidden(&[256; 3])
        .time(TimeEmbedding::Fourier { frequencies: 8 })
        .build(&store.builder().pp("density"))
}

/// Noise within the levels, by two couplings. They do nothing at first, so that it is uniform.
fn couplings(store: &ParameterStore) -> Result<Noise> {
    let layer = |i: usize| {
        let config = Mlp::config(128).hidden(&[128]).time(TimeEmbedding::None);
        config.build(&store.builder().pp(format!("coupling{i}")))
    };
    let layers = vec![layer(0)?, layer(1)?];
    for (name, var) in store.parameters() {
        if name.starts_with("coupling") && name.contains("layers.1.") {
            var.set(&var.zeros_like()?)?;
        }
    }
    Ok(CouplingNoise::new(layers))
}

/// The couplings with averages of their weights.
fn averaged(noise: &Noise, trainer: &Trainer) -> Result<Noise> {
    let average = trainer.averaged().frozen();
    let layers = noise.layers().iter().enumerate();
    let layers = layers.map(|(i, net)| net.on(&average.pp(format!("coupling{i}"))));
    Ok(CouplingNoise::new(layers.collect::<Result<_>>()?))
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
    let noise = PREDICTION.field(net, Prediction::Noise, schedule);
    let losses = objective.losses(&noise, &rng.normal_like(y)?, y, rng)?;
    Ok((losses * (0.5 * (schedule.log_snr(END) - schedule.log_snr(0.0))))?)
}

fn trainer(store: &ParameterStore, steps: usize, rate: f64, key: Key) -> Result<Trainer> {
    let optimizer = AdamW::from_store(store, AdamWConfig::default())?;
    Trainer::new(store, optimizer, key.named("training").into())
        .learning_rate(WarmupCosine::new(rate, 50.min(steps / 2), steps)?)
        .clip_norm(100.0)?
        .ema(1.0 - 20.0 / steps.max(40) as f64)
}

/// Trains all that is in a store by the bound: a density, and its noise unless that is uniform. Its averages are the result.
fn train(
    store: &ParameterStore,
    net: &Mlp,
    noise: &dyn DequantizationNoise,
    images: &Tensor,
    args: &Args,
    key: Key,
) -> Result<Trainer> {
    let mut trainer = trainer(store, args.steps, 1e-3, key)?;
    let batches = Batches::new(images.dim(0)?, BATCH, key.named("batches"))?;
    let dequantization = VariationalDequantization::new(noise, WIDTH)?;
    let loss = |step: usize, rng: &mut Generator| {
        let [x] = batches.at(step, [images])?;
        let losses = dequantization.losses(&x, |y, rng| bound(net, y, rng), rng)?;
        Ok(losses.mean_all()?)
    };
    trainer.run(args.steps, loss, &mut Progress::new("density"))?;
    Ok(trainer)
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
    let trained = train(&first, &net, &UniformNoise, &seen, &args, key)?;
    let net = net.on(&trained.averaged().frozen().pp("density"))?;
    let second = store(key);
    let fitted = couplings(&second)?;
    let fitted = fit_noise(&net, &second, &fitted, &seen, &args, key.named("noise"))?;
    let third = store(key);
    let (both, joint) = (density(&third)?, couplings(&third)?);
    let trained = train(&third, &both, &joint, &seen, &args, key)?;
    let both = both.on(&trained.averaged().frozen().pp("density"))?;
    let joint = averaged(&joint, &trained)?;

    let rows: [(_, _, &dyn DequantizationNoise); 3] = [
        ("uniform noise", &net, &UniformNoise),
        ("noise trained on the flow", &net, &fitted),
        ("both trained by the bound", &both, &joint),
    ];
    let seen = seen.narrow(0, 0, held_out)?;
    for (kind, images) in [("training", &seen), ("unseen", &unseen)] {
        println!(
            "{held_out} {kind} digits, {} draws of noise each, bits per dimension",
            args.draws
        );
        let head = ("bound of the SDE", "flow", "bound less flow");
        println!("{:<42}{:>18}{:>18}{:>18}", "", head.0, head.1, head.2);
        let line = |name: &str, bound: &[f64], flow: &[f64]| {
            println!(
                "{name:<42}{:>18}{:>18}{:>18}",
                summary(bound),
                summary(flow),
                summary(&difference(bound, flow))
            );
        };
        let mut found = Vec::new();
        for (name, net, noise) in rows {
            let [bound, flow] = bits(net, noise, images, &args, key)?;
            line(name, &bound, &flow);
            found.push((bound, flow));
        }
        for ((name, ..), (bound, flow)) in rows.iter().zip(&found).skip(1) {
            let less = (
                difference(bound, &found[0].0),
                difference(flow, &found[0].1),
            );
            line(&format!("{name}, less uniform"), &less.0, &less.1);
        }
    }
    println!(
        "time                {:>8.1} s",
        started.elapsed().as_secs_f64()
    );
    println!("data                {}", Digits::ATTRIBUTION);
    Ok(())
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The mean with its standard error.
fn summary(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|d| (d - mean).powi(2)).sum();
    format!("{mean:.4} ± {:.4}", (squares / (n - 1.0) / n).sqrt())
}

/// The velocity of the flow of a network.
fn velocity(net: &Mlp) -> Converted<Mlp, Diffusion> {
    PREDICTION.field(net.clone(), Prediction::Velocity, Diffusion::default())
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
) -> Result<Noise> {
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
    averaged(noise, &trainer)
}

/// Bits of the SDE's bound and of the flow for each digit, means over draws of the noise. Random numbers are the same for any network and noise.
fn bits(
    net: &Mlp,
    noise: &dyn DequantizationNoise,
    images: &Tensor,
    args: &Args,
    key: Key,
) -> Result<[Vec<f64>; 2]> {
    let model = Model::new(net, PREDICTION, Diffusion::default());
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
    let counted = |found: &[Tensor]| -> Result<Vec<f64>> {
        let mean = Tensor::stack(found, 0)?.mean(0)?.detach();
        let convention = Convention::VariationalDequantization { width: WIDTH };
        Ok(BitsPerDimension::counted_by(convention, &mean, 64)?.bits)
    };
    Ok([counted(&bounds)?, counted(&flows)?])
}
