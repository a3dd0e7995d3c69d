//! Small networks trained on a mixture of Gaussians by one objective after another come near the field that is known to
//! be the best.

use std::sync::Arc;

use crate::common::{Blurred, mean, mixture};
use advect_core::normal::log_standard_normal;
use advect_core::testing::device;
use advect_core::{Field, Generator, Key, Time, field_fn};
use advect_models::{Edm2UNet, Mlp, NoiseUncertainty};
use advect_nn::{Activation, ParameterStore, TimeEmbedding};
use advect_objectives::dequantization::{CouplingNoise, UniformNoise};
use advect_objectives::objective::*;
use advect_objectives::time_sampler::{TimeSampler, UniformWithin};
use advect_paths::closed_form::Law;
use advect_paths::path::gamma::{BrownianBridge, Parabola};
use advect_paths::path::{Affine, Interpolant, Path, SchrodingerBridge};
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned, Preconditioner};
use advect_paths::schedule::*;
use advect_paths::{LearnedVariances, Prediction};
use advect_solvers::Solver;
use advect_solvers::adjoint::Unrolled;
use advect_solvers::controller::Fixed;
use advect_solvers::divergence::Exact;
use advect_solvers::stepper::Rk4;
use advect_train::learning_rate::WarmupCosine;
use advect_train::{AdamW, AdamWConfig, Trainer};
use candle_core::{DType, Tensor};

const STEPS: usize = 400;

fn samples(n: usize, rng: &mut Generator) -> (Tensor, Tensor) {
    let x1 = mixture().sample(n, DType::F32, device(), rng).unwrap();
    (rng.normal_like(&x1).unwrap(), x1)
}

/// Trains a network, and returns the error of what it predicts at states of the path, relative to that one's size.
fn error_after(
    loss: impl Fn(&Mlp, &Tensor, &Tensor, &mut Generator) -> Tensor,
    field: impl Fn(&Mlp, &Time, &Tensor) -> Tensor,
    prediction: Prediction,
    schedule: &dyn Schedule,
) -> f64 {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .activation(Activation::Silu)
        .build(&store.builder())
        .unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(1e-2, 20, STEPS).unwrap())
        .ema(0.99)
        .unwrap();
    let loss = |_: usize, rng: &mut Generator| {
        let (x0, x1) = samples(512, rng);
        Ok(loss(&net, &x0, &x1, rng))
    };
    trainer.run(STEPS, loss, &mut ()).unwrap();

    let twin = net.on(&trainer.averaged().frozen()).unwrap();
    let mut rng = Generator::from_seed(2);
    let (mut wrong, mut size) = (0.0, 0.0);
    for log_snr in [-2.0, 0.0, 2.0] {
        let t = schedule.time_at_log_snr(log_snr);
        let (x0, x1) = samples(2000, &mut rng);
        let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
        let x = ((x1 * alpha).unwrap() + (x0 * sigma).unwrap()).unwrap();
        let law = mixture();
        let best = law.field(prediction, schedule);
        let expected = best.at(&Time::Shared(t), &x).unwrap();
        let ours = field(&twin, &Time::Shared(t), &x);
        wrong += mean(&(ours - &expected).unwrap().sqr().unwrap());
        size += mean(&expected.sqr().unwrap());
    }
    (wrong / size).sqrt()
}

fn check(
    name: &str,
    objective: &dyn Objective,
    prediction: Prediction,
    schedule: &dyn Schedule,
    tolerance: f64,
) {
    let error = error_after(
        |net, x0, x1, rng| objective.loss(net, x0, x1, rng).unwrap(),
        |net, t, x| net.at(t, x).unwrap(),
        prediction,
        schedule,
    );
    println!("{name}: {error:.3}");
    assert!(error < tolerance, "{name}: {error}");
}

#[test]
fn velocities() {
    let straight = CondOt::default();
    let velocity = Prediction::Velocity;
    check(
        "rectified flow",
        &rectified_flow(),
        velocity,
        &straight,
        0.35,
    );
    check(
        "logit-normal",
        &stable_diffusion_3(),
        velocity,
        &straight,
        0.3,
    );
    let path = Interpolant::new(Cosine, Parabola);
    let blurred = Blurred(Cosine, Parabola);
    check(
        "interpolant",
        &interpolant_velocity(path),
        velocity,
        &blurred,
        0.55,
    );
}

#[test]
fn scores_noises_and_v() {
    let vp = VariancePreserving::default();
    let times = UniformWithin::new(0.0, 0.99).unwrap();
    let objective = Regression::new(Affine::new(vp), Prediction::Noise).times(times);
    check("noise", &objective, Prediction::Noise, &vp, 0.25);
    let objective = score_matching(vp).times(times);
    check("score", &objective, Prediction::Score, &vp, 0.55);
    let steps = DiscreteDiffusion::default();
    check(
        "DDPM",
        &ddpm(steps.clone()),
        Prediction::Noise,
        &steps,
        0.25,
    );
    let objective = Regression::new(Affine::new(Cosine), Prediction::V);
    check("v", &objective, Prediction::V, &Cosine, 0.55);
}

#[test]
fn preconditioned_denoisers() {
    let levels = EdmSchedule::new(0.02, 20.0, 7.0).unwrap();
    let preconditioner = EdmPreconditioner::new(0.8).unwrap();
    let objective = edm(levels, 0.8).unwrap();
    let error = error_after(
        |net, x0, x1, rng| {
            let denoiser = Preconditioned::new(net, &preconditioner, &levels);
            objective.loss(&denoiser, x0, x1, rng).unwrap()
        },
        |net, t, x| {
            let denoiser = Preconditioned::new(net, &preconditioner, &levels);
            denoiser.at(t, x).unwrap()
        },
        Prediction::Data,
        &levels,
    );
    println!("EDM: {error:.3}");
    assert!(error < 0.2, "{error}");
}

#[test]
fn levels_and_bounds_of_the_likelihood() {
    // Scores of networks over −σ, so that their targets have one size.
    let (low, high) = (0.05, 5.0);
    let ve = VarianceExploding::new(low, high).unwrap();
    let vp = VariancePreserving::default();
    let score = |objective: &dyn Objective, schedule: &dyn Schedule| {
        error_after(
            |net, x0, x1, rng| {
                let score = Prediction::Noise.field(net, Prediction::Score, schedule);
                objective.loss(&score, x0, x1, rng).unwrap()
            },
            |net, t, x| {
                let score = Prediction::Noise.field(net, Prediction::Score, schedule);
                score.at(t, x).unwrap()
            },
            Prediction::Score,
            schedule,
        )
    };
    let ncsn_error = score(&ncsn(low, high, 40).unwrap(), &ve);
    let flow_error = score(&score_flow(vp, 0.0, 0.99).unwrap(), &vp);
    let steps = DiscreteDiffusion::linear(100, 1e-3, 0.15).unwrap();
    let bound = VariationalBound::new(steps.clone());
    let bound_error = error_after(
        |net, x0, x1, rng| bound.loss(net, x0, x1, rng).unwrap(),
        |net, t, x| net.at(t, x).unwrap(),
        Prediction::Noise,
        &steps,
    );
    println!("NCSN {ncsn_error:.3}, ScoreFlow {flow_error:.3}, bound {bound_error:.3}");
    assert!(
        ncsn_error < TOLERANCES[0] && flow_error < TOLERANCES[1] && bound_error < TOLERANCES[2]
    );
}

#[test]
fn scores_of_bridges_and_without_targets() {
    let blurred = Blurred(CondOt::default(), BrownianBridge::new(1.0).unwrap());
    let objective = ScoreAndFlow::new(SchrodingerBridge::new(1.0).unwrap())
        .times(UniformWithin::new(0.02, 0.98).unwrap());
    let both = error_after(
        |net, x0, x1, rng| {
            let still = field_fn(|_, x| Ok(x.zeros_like()?));
            let losses = objective.losses(&still, net, x0, x1, rng).unwrap();
            losses.score.mean_all().unwrap()
        },
        |net, t, x| net.at(t, x).unwrap(),
        Prediction::Score,
        &blurred,
    );
    let path = Affine::new(Cosine);
    let times = UniformWithin::new(0.05, 0.95).unwrap();
    let implicit = error_after(
        |net, x0, x1, rng| {
            let t = Time::per_sample(&times.sample(x0.dims()[0], rng).unwrap()).unwrap();
            let x = path.sample(&t, x0, x1, rng).unwrap().x;
            let score = Prediction::Noise.field(net, Prediction::Score, &Cosine);
            let losses = ImplicitScoreMatching::new(Exact)
                .losses(&score, &t, &x)
                .unwrap();
            let weights = t.coefficient(|t| Cosine.sigma(t).powi(2)).unwrap();
            weights.times(&losses).unwrap().mean_all().unwrap()
        },
        |net, t, x| net.at(t, x).unwrap(),
        Prediction::Noise,
        &Cosine,
    );
    println!("[SF]²M {both:.3}, implicit {implicit:.3}");
    assert!(both < TOLERANCES[3] && implicit < TOLERANCES[4]);
}

/// Of NCSN, ScoreFlow, the bound, [SF]²M's score, and implicit score matching.
const TOLERANCES: [f64; 5] = [0.35, 0.33, 0.24, 0.42, 0.2];

/// A network of noise and variances of N(0.5, 0.3²) data comes near the variances of `x_(k−1)` given `x_k`.
#[test]
fn variances_of_reverse_steps() {
    let store = ParameterStore::new(Key::from_seed(6), DType::F32, device());
    let config = Mlp::config(1).outputs(2).hidden(&[32; 2]);
    let net = config.build(&store.builder()).unwrap();
    let schedule = DiscreteDiffusion::linear(10, 0.05, 0.6).unwrap();
    let objective = HybridLoss::new(schedule.clone()).weight(1.0).unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let steps = 1500;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(7))
        .learning_rate(WarmupCosine::new(1e-2, 20, steps).unwrap());
    let loss = |_: usize, rng: &mut Generator| {
        let noise = rng.normal((256, 1), DType::F32, device())?;
        let data = (rng.normal_like(&noise)? * 0.3)?;
        objective.loss(&net, &noise, &(data + 0.5)?, rng)
    };
    trainer.run(steps, loss, &mut ()).unwrap();
    for k in 2..=10 {
        let before = schedule.alpha_bar(k - 1) * 0.09 + schedule.noise_variance(k - 1);
        let (beta, small) = (schedule.beta(k), schedule.posterior_variance(k));
        let best = before * beta / ((1.0 - beta) * before + beta);
        let x = Tensor::new(&[[0.5 * schedule.alpha_bar(k).sqrt() as f32]], device()).unwrap();
        let value = net.at(&Time::Shared(schedule.time(k)), &x).unwrap();
        let (_, variances) = LearnedVariances::split(&value, &x).unwrap();
        let log = variances
            .log_between(&small.ln().into(), &beta.ln().into())
            .unwrap();
        let ours = log.exp().unwrap().to_vec2::<f32>().unwrap()[0][0];
        println!("{k}: {small:.4} < {ours:.4} ({best:.4}) < {beta:.4}");
        assert!(
            (f64::from(ours) / best - 1.0).abs() < 0.12,
            "{k}: {ours} {best}"
        );
    }
}

/// Data on the levels −1, 0, 1 of two elements that like to be equal, under a density that is far from flat in their
/// bins. In order: the entropy of the data, its cross-entropy under the bins' probabilities, and the bounds by learned
/// and by uniform noise.
#[test]
fn noise_within_bins_is_better_learned_than_uniform() {
    let levels = [-1.0f64, 0.0, 1.0];
    let pairs: Vec<(f64, f64)> = levels
        .iter()
        .flat_map(|&a| levels.map(|b| (a, b)))
        .collect();
    let chance = |&(a, b): &(f64, f64)| if a == b { 0.25 } else { 0.25 / 6.0 };
    // log N(y; 0, S) with variances 0.3 and a covariance of 0.2.
    let constant = (2.0 * std::f64::consts::PI).ln() + 0.5 * 0.05f64.ln();
    let energy = |a: f64, b: f64| (0.3 * (a * a + b * b) - 0.4 * a * b) / 0.1;
    let negative_log_density = |y: &Tensor| -> advect_core::Result<Tensor> {
        let squares = (y.sqr()?.sum(1)? * 3.0)?;
        let product = ((y.narrow(1, 0, 1)? * y.narrow(1, 1, 1)?)?.squeeze(1)? * 4.0)?;
        Ok(((squares - product)? + constant)?)
    };
    let bin = |&(a, b): &(f64, f64)| {
        let place = |i: i32| (f64::from(i) + 0.5) / 60.0 - 0.5;
        let row = |i| (0..60).map(move |j| (-energy(a + place(i), b + place(j)) - constant).exp());
        (0..60).map(|i| row(i).sum::<f64>()).sum::<f64>() / 3600.0
    };
    let expected =
        |f: &dyn Fn(&(f64, f64)) -> f64| -> f64 { pairs.iter().map(|x| chance(x) * f(x)).sum() };
    let entropy = expected(&|x| -chance(x).ln());
    let cross = expected(&|x| -bin(x).ln());

    let store = ParameterStore::new(Key::from_seed(8), DType::F32, device());
    let layer = |i: usize| {
        let config = Mlp::config(4).hidden(&[24]).time(TimeEmbedding::None);
        config
            .build(&store.builder().pp(format!("layer{i}")))
            .unwrap()
    };
    let noise = CouplingNoise::new(vec![layer(0), layer(1)]);
    let learned = VariationalDequantization::new(&noise, 1.0).unwrap();
    let uniform = VariationalDequantization::new(UniformNoise, 1.0).unwrap();
    let data = |count: usize, rng: &mut Generator| {
        let draw = |u: f64| {
            let mut left = u;
            let found = pairs.iter().find(|x| {
                left -= chance(x);
                left < 0.0
            });
            found.unwrap_or(&pairs[8])
        };
        let draws = rng.values(&rand_distr::StandardUniform, count).unwrap();
        let rows: Vec<f32> = draws
            .into_iter()
            .flat_map(|u| [draw(u).0 as f32, draw(u).1 as f32])
            .collect();
        Tensor::from_vec(rows, (count, 2), device()).unwrap()
    };
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let steps = 800;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(9))
        .learning_rate(WarmupCosine::new(1e-2, 20, steps).unwrap());
    let loss = |_: usize, rng: &mut Generator| {
        let x = data(128, rng);
        let losses = learned.losses(&x, |y, _| negative_log_density(y), rng)?;
        Ok(losses.mean_all()?)
    };
    trainer.run(steps, loss, &mut ()).unwrap();

    let rng = &mut Generator::from_seed(10);
    let x = data(20_000, rng);
    let of_uniform = uniform
        .losses(&x, |y, _| negative_log_density(y), rng)
        .unwrap();
    let of_learned = learned
        .losses(&x, |y, _| negative_log_density(y), rng)
        .unwrap();
    let (variational, uniform) = (mean(&of_learned), mean(&of_uniform));
    println!("{entropy:.3} ≤ {cross:.3} ≤ {variational:.3} ≤ {uniform:.3}");
    assert!(entropy < cross && cross < variational + 0.02 && variational < uniform - 0.3);
    // Two couplings are near the density within the bins.
    assert!(
        variational - cross < 0.1 * (uniform - cross),
        "{variational} {cross}"
    );
}

#[test]
fn maximum_likelihood_comes_near_the_entropy() {
    let store = ParameterStore::new(Key::from_seed(3), DType::F32, device());
    let net = Mlp::config(2)
        .hidden(&[32; 2])
        .activation(Activation::Tanh)
        .build(&store.builder())
        .unwrap();
    let (net, parameters) = (Arc::new(net), store.tensors());
    let gradient = || Unrolled::new(Solver::new(Rk4, Fixed::steps(5).unwrap()));
    let objective = MaximumLikelihood::new(gradient());
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let steps = 150;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(4))
        .learning_rate(WarmupCosine::new(1e-2, 20, steps).unwrap());
    let loss = |_: usize, rng: &mut Generator| {
        let (_, x1) = samples(256, rng);
        let losses = objective.losses(&net, &parameters, &x1, log_standard_normal, rng)?;
        Ok(losses.mean_all()?)
    };
    trainer.run(steps, loss, &mut ()).unwrap();

    let mut rng = Generator::from_seed(5);
    let (_, x1) = samples(4000, &mut rng);
    let losses = objective.losses(&net, &parameters, &x1, log_standard_normal, &mut rng);
    let law = mixture();
    let truth = law
        .score(&Cosine)
        .log_density(&Time::Shared(1.0), &x1)
        .unwrap();
    // The Kullback–Leibler divergence of the flow's law from the data's, on the same samples.
    let divergence = mean(&losses.unwrap()) + mean(&truth);
    println!("likelihood {divergence:.3}");
    assert!((0.0..0.05).contains(&divergence), "{divergence}");
}

/// EDM2's training on images of noise and of stripes: the loss falls, the weights keep their size, and the uncertainty comes to say how
/// much the network still errs.
#[test]
fn a_magnitude_preserving_network_learns_with_its_uncertainty() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let config = Edm2UNet::config(1, 4).channels(8).multipliers(&[1]);
    let config = config.blocks(1).head_channels(8);
    let net = config.build(&store.builder().pp("unet")).unwrap();
    let uncertainty = NoiseUncertainty::new(16, &store.builder()).unwrap();
    let levels = EdmSchedule::default();
    let preconditioner = EdmPreconditioner::default();
    let u = |times: &[f64]| {
        let label = |&t: &f64| preconditioner.label(t, levels.sigma(t));
        let labels: Vec<f64> = times.iter().map(label).collect();
        uncertainty.at(&Time::per_sample(&labels)?)
    };
    let regression = edm(levels, 0.5).unwrap();
    let objective = Uncertain::new(regression, u);
    let denoiser = Preconditioned::new(&net, preconditioner, levels);
    let images = |n: usize, rng: &mut Generator| -> advect_core::Result<Tensor> {
        let signs = rng.normal((n, 1, 4, 1), DType::F32, device())?.sign()?;
        Ok((signs * 0.5)?.broadcast_as((n, 1, 4, 4))?.contiguous()?)
    };
    let optimizer = AdamW::from_store(
        &store,
        AdamWConfig {
            weight_decay: 0.0,
            ..AdamWConfig::default()
        },
    );
    let mut trainer = Trainer::new(&store, optimizer.unwrap(), Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(2e-2, 10, 80).unwrap());
    let mut weights = (
        net.weight_normalization().unwrap(),
        uncertainty.weight_normalization().unwrap(),
    );
    weights.0.normalize().unwrap();
    weights.1.normalize().unwrap();
    let loss = |_: usize, rng: &mut Generator| {
        let x = images(64, rng)?;
        objective.loss_from_noise(&denoiser, &x, rng)
    };
    trainer.run(80, loss, &mut weights).unwrap();

    for (name, var) in store.parameters() {
        if name.ends_with("weight") {
            let size = mean(&var.sqr().unwrap());
            assert!((size - 1.0).abs() < 1e-3, "{name}: {size}");
        }
    }
    let mut rng = Generator::from_seed(2);
    let (x, noise) = (
        images(512, &mut rng).unwrap(),
        images(512, &mut rng).unwrap(),
    );
    let noise = rng.normal_like(&noise).unwrap();
    for sigma in [0.2f64, 0.5] {
        let t = levels.time_at_log_snr(-2.0 * sigma.ln());
        let losses = regression
            .losses_at(&denoiser, &noise, &x, &[t; 512], &mut rng)
            .unwrap();
        let (loss, expected) = (mean(&losses), mean(&u(&[t]).unwrap()).exp());
        println!("{sigma}: {loss} {expected}");
        assert!(
            loss < 0.8 && (0.5..2.0).contains(&(loss / expected)),
            "{sigma}: {loss} {expected}"
        );
    }
}
