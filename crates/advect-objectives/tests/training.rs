//! Small networks trained on a mixture of Gaussians by one objective after another come near the field that is known to
//! be the best.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use advect_core::{Field, Generator, Key, Time};
use advect_models::{Activation, Mlp, ParameterStore};
use advect_objectives::objective::*;
use advect_objectives::time_sampler::UniformWithin;
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::path::gamma::Parabola;
use advect_paths::path::{Affine, Interpolant};
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect_paths::schedule::*;
use advect_train::learning_rate::WarmupCosine;
use advect_train::{AdamW, AdamWConfig, Trainer};
use candle_core::{DType, Device, Tensor};
use common::{Blurred, mean, mixture};

const STEPS: usize = 2500;

fn samples(n: usize, rng: &mut Generator) -> (Tensor, Tensor) {
    let x1 = mixture().sample(n, DType::F32, &Device::Cpu, rng).unwrap();
    (rng.normal_like(&x1).unwrap(), x1)
}

/// Trains a network, and returns the error of what it predicts at states of the path, relative to that one's size.
fn error_after(
    loss: impl Fn(&Mlp, &Tensor, &Tensor, &mut Generator) -> Tensor,
    field: impl Fn(&Mlp, &Time, &Tensor) -> Tensor,
    prediction: Prediction,
    schedule: &dyn Schedule,
) -> f64 {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
    let net = Mlp::config(2)
        .hidden(&[64; 3])
        .activation(Activation::Silu)
        .build(&store.builder())
        .unwrap();
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(5e-3, 50, STEPS).unwrap())
        .ema(0.99)
        .unwrap();
    let loss = |_: usize, rng: &mut Generator| {
        let (x0, x1) = samples(1024, rng);
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
        0.2,
    );
    check(
        "logit-normal",
        &stable_diffusion_3(),
        velocity,
        &straight,
        0.2,
    );
    let path = Interpolant::new(Cosine, Parabola);
    let blurred = Blurred(Cosine, Parabola);
    check(
        "interpolant",
        &interpolant_velocity(path),
        velocity,
        &blurred,
        0.3,
    );
}

#[test]
fn scores_noises_and_v() {
    let vp = VariancePreserving::default();
    let times = UniformWithin::new(0.0, 0.99).unwrap();
    let objective = Regression::new(Affine::new(vp), Prediction::Noise).times(times);
    check("noise", &objective, Prediction::Noise, &vp, 0.12);
    let objective = score_matching(vp).times(times);
    check("score", &objective, Prediction::Score, &vp, 0.45);
    let steps = DiscreteDiffusion::default();
    check(
        "DDPM",
        &ddpm(steps.clone()),
        Prediction::Noise,
        &steps,
        0.13,
    );
    let objective = Regression::new(Affine::new(Cosine), Prediction::V);
    check("v", &objective, Prediction::V, &Cosine, 0.25);
}

#[test]
fn preconditioned_denoisers() {
    let levels = Edm::new(0.02, 20.0, 7.0).unwrap();
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
    assert!(error < 0.05, "{error}");
}
