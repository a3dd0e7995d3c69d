//! Schedules that end in pure noise (Lin et al., Common diffusion noise schedules and sample steps are flawed, 2024).

use advect_core::testing::device;
use advect_core::{Error, Generator, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::DiscreteDiffusion;
use advect_samplers::grid::{Karras, Respaced, UniformLogSnr};
use advect_samplers::rule::{Ancestral, Ddim, DpmSolver, Rule, UniPc};
use advect_samplers::{Model, Sampler};
use candle_core::{DType, Tensor};

/// Stable Diffusion's rates.
fn stable() -> DiscreteDiffusion {
    let (low, high) = (0.00085f64.sqrt(), 0.012f64.sqrt());
    let rate = |i: usize| (low + (high - low) * i as f64 / 999.0).powi(2);
    DiscreteDiffusion::from_betas(&(0..1000).map(rate).collect::<Vec<_>>()).unwrap()
}

const MEAN: f64 = 5.0;

/// The mean and the variance of samples of N(5, ¼): very bright pictures.
fn moments(schedule: &DiscreteDiffusion, sampler: &dyn Sampler) -> (f64, f64) {
    let mean = Tensor::new(&[MEAN], device()).unwrap();
    let law = Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap();
    let field = law.field(Prediction::V, schedule);
    let model = Model::new(&field, Prediction::V, schedule);
    let mut rng = Generator::from_seed(5);
    let noise = rng.normal((2500, 1), DType::F64, device()).unwrap();
    let x = sampler.sample(&model, &noise, &mut rng).unwrap();
    let x = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let squares: f64 = x.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, squares / x.len() as f64)
}

#[test]
fn samples_from_pure_noise_are_as_bright_as_the_data() {
    let flawed = stable();
    let rescaled = flawed.zero_terminal_snr().unwrap();
    let steps = 500;
    let trailing = || Respaced::trailing(1000, steps).unwrap();
    let samplers: [(&str, Box<dyn Sampler>); 4] = [
        ("DDIM", Box::new(Ddim::new().on(trailing()))),
        ("DDPM", Box::new(Ancestral::new().on(trailing()))),
        ("DPM", Box::new(DpmSolver::order(2).unwrap().on(trailing()))),
        ("UniPC", Box::new(UniPc::order(2).unwrap().on(trailing()))),
    ];
    for (name, sampler) in &samplers {
        let (mean, variance) = moments(&rescaled, sampler);
        println!("{name:6} rescaled, trailing  {mean:.4} {variance:.4}");
        assert!((mean - MEAN).abs() < 0.03, "{name}: {mean}");
        assert!((variance - 0.25).abs() < 0.02, "{name}: {variance}");
    }
    // As it is, the last step has signal that noise lacks, and leading steps leave out more of it: the flow never gets it back.
    let leading = Respaced::leading(1000, steps).unwrap();
    let (mean, variance) = moments(&flawed, &Ddim::new().on(leading));
    println!("DDIM   as it is, leading   {mean:.4} {variance:.4}");
    assert!(mean < MEAN - 0.1, "{mean}");
}

/// The law needs the step of pure noise: the fault is the schedule's, not the steps'.
#[test]
fn trailing_steps_alone_do_not_mend_it() {
    let trailing = Respaced::trailing(1000, 500).unwrap();
    let (mean, _) = moments(&stable(), &Ddim::new().on(trailing));
    println!("{mean}");
    assert!(mean < MEAN - 0.1, "{mean}");
}

#[test]
fn noise_levels_are_solved_for_below_the_pure_noise() {
    let rescaled = stable().zero_terminal_snr().unwrap();
    let karras = Ddim::new().on(Karras::new(100).unwrap());
    let log_snr = Ddim::new().on(UniformLogSnr::new(100).unwrap());
    for sampler in [&karras as &dyn Sampler, &log_snr] {
        let level = sampler.start(&rescaled).unwrap();
        assert!((level.time - 0.001).abs() < 1e-9, "{}", level.time);
        let (mean, variance) = moments(&rescaled, sampler);
        println!("{mean:.4} {variance:.4}");
        assert!((mean - MEAN).abs() < 0.05 && (variance - 0.25).abs() < 0.05);
    }
}

/// At the step of pure noise, a network that predicts the noise says nothing of the data.
#[test]
fn noise_predictions_are_refused_at_pure_noise() {
    let rescaled = stable().zero_terminal_snr().unwrap();
    let field = |_: &advect_core::Time, x: &Tensor| Ok(x.clone());
    let model = Model::new(field_fn(field), Prediction::Noise, &rescaled);
    let sampler = Ddim::new().on(Respaced::trailing(1000, 10).unwrap());
    let x = Tensor::new(&[[0.3f64]], device()).unwrap();
    let error = sampler.sample(&model, &x, &mut Generator::from_seed(0));
    assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "t"));
}
