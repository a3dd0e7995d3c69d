//! A law whose fields are known, and paths to sample it on.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod rules;

use advect_core::testing::device;
use advect_core::{Generator, Result};
use advect_paths::closed_form::{Covariance, GaussianMixture};
use advect_paths::schedule::{
    CondOt, Cosine, Schedule, SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use advect_samplers::{AnyModel, Level, Run, Sampler};
use candle_core::{DType, Tensor};

/// Three Gaussians in the plane.
pub fn mixture() -> GaussianMixture {
    let means = Tensor::new(&[[-1.0f64, 0.3], [0.8, -0.6], [0.4, 1.0]], device()).unwrap();
    let covariance = Covariance::isotropic(0.09).unwrap();
    GaussianMixture::new(&[0.3, 0.5, 0.2], &means, vec![covariance]).unwrap()
}

pub fn paths() -> Vec<(&'static str, Box<dyn Schedule>)> {
    vec![
        ("VP", Box::new(VariancePreserving::default())),
        ("VE", Box::new(VarianceExploding::new(0.01, 50.0).unwrap())),
        ("sub-VP", Box::new(SubVariancePreserving::default())),
        ("conditional OT", Box::new(CondOt::default())),
        ("cosine", Box::new(Cosine)),
    ]
}

/// Times of n equal steps of the log-SNR, between two ratios σ/α that fall.
pub fn log_snr_times(schedule: &dyn Schedule, steps: usize, from: f64, to: f64) -> Vec<f64> {
    let times = (0..=steps).map(|i| {
        let log = from.ln() + (to.ln() - from.ln()) * i as f64 / steps as f64;
        schedule.time_at_log_snr(-2.0 * log)
    });
    times.collect()
}

/// States of the path at a level.
pub fn states(law: &GaussianMixture, level: &Level, count: usize, seed: u64) -> Result<Tensor> {
    use advect_paths::closed_form::Law;
    let mut rng = Generator::from_seed(seed);
    let x1 = law.sample(count, DType::F64, device(), &mut rng)?;
    let x0 = rng.normal_like(&x1)?;
    Ok(((x1 * level.alpha)? + (x0 * level.sigma)?)?)
}

/// Takes a state of the path from the start of a sampler to its end.
pub fn from_state(
    sampler: &dyn Sampler,
    model: &dyn AnyModel,
    x: &Tensor,
    seed: u64,
) -> Result<Tensor> {
    let key = Generator::from_seed(seed).split();
    sampler.run(&mut Run::new(model, key), x)
}
