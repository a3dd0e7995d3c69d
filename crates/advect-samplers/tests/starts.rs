//! Where samplers start: noise of the right size, latents, and data with noise.

use crate::common;
use crate::common::from_state;
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Generator, Key, Result};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::{
    CondOt, EdmSchedule, Schedule, VarianceExploding, VariancePreserving,
};
use advect_samplers::grid::{Grid, Karras, Tail, UniformLogSnr, UniformTime};
use advect_samplers::rule::{Ancestral, Ddim, Edm, Rule};
use advect_samplers::{Level, Model, NoiseSource, ProbabilityFlow, Run, Sampler, pieces};
use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
use candle_core::{DType, Tensor};

/// N(m, ¼) in one dimension.
fn gaussian(mean: f64) -> Gaussian {
    let mean = Tensor::new(&[mean], device()).unwrap();
    Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap()
}

fn normal(rows: usize, columns: usize) -> Tensor {
    let mut rng = Generator::from_seed(11);
    rng.normal((rows, columns), DType::F64, device()).unwrap()
}

fn moments(x: &Tensor) -> (f64, f64) {
    let values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, squares / n)
}

fn schedules() -> Vec<(&'static str, Box<dyn Schedule>)> {
    let mut all = common::paths();
    all.push(("EDM", Box::new(EdmSchedule::default())));
    all
}

#[test]
fn standard_normal_noise_gives_the_law_of_every_path() {
    let law = gaussian(0.3);
    for (path, schedule) in schedules() {
        let field = law.velocity(&schedule);
        let model = Model::new(&field, Prediction::Velocity, &schedule);
        let grid = || UniformLogSnr::new(150).unwrap();
        let flow = Solver::new(Dopri5, Adaptive::new(1e-7, 1e-7).unwrap());
        let flow = ProbabilityFlow::new(flow).within(0.0, 0.99).unwrap();
        let samplers: [(&str, Box<dyn Sampler>); 3] = [
            ("DDPM", Box::new(Ancestral::new().on(grid()))),
            ("EDM", Box::new(Edm::heun().on(grid()))),
            ("flow", Box::new(flow.denoise())),
        ];
        for (name, sampler) in samplers {
            let noise = normal(2500, 1);
            let x = sampler.sample(&model, &noise, &mut Generator::from_seed(3));
            let (mean, variance) = moments(&x.unwrap());
            println!("{path:15} {name:6} {mean:.4} {variance:.4}");
            assert!((mean - 0.3).abs() < 0.03, "{path}, {name}: {mean}");
            assert!((variance - 0.25).abs() < 0.02, "{path}, {name}: {variance}");
        }
    }
}

/// What a sampler makes of noise is what it makes of the scaled state, and what a source does.
#[test]
fn noise_is_scaled_by_the_first_level() {
    let law = gaussian(0.0);
    for (path, schedule) in schedules() {
        let field = law.field(Prediction::Data, &schedule);
        let model = Model::new(&field, Prediction::Data, &schedule);
        let sampler = Edm::heun().on(UniformLogSnr::new(10).unwrap());
        let noise = normal(20, 1);
        let sigma = sampler.start(&schedule).unwrap().sigma;
        let found = sampler.sample(&model, &noise, &mut Generator::from_seed(3));
        let expected = from_state(&sampler, &model, &(&noise * sigma).unwrap(), 3);
        println!("{path}");
        assert_close(&found.unwrap(), &expected.unwrap(), 0.0, 0.0);
    }
}

fn refused(result: Result<Tensor>, argument: &str) -> String {
    match result {
        Err(Error::Range {
            argument: given,
            given: value,
            ..
        }) => {
            assert_eq!(given, argument);
            value
        }
        other => panic!("{argument}: {other:?}"),
    }
}

#[test]
fn starts_of_the_wrong_size_are_told() {
    let law = gaussian(0.0);
    let noise = normal(2500, 1);
    let rng = || Generator::from_seed(3);
    let edm = EdmSchedule::default();
    let field = law.field(Prediction::Data, &edm);
    let model = Model::new(&field, Prediction::Data, &edm);
    let heun = Edm::heun().on(Karras::new(10).unwrap());
    let flow = ProbabilityFlow::new(Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3).unwrap()));
    for sampler in [&heun as &dyn Sampler, &flow] {
        // Noise in place of a state, and a state in place of noise.
        let given = refused(from_state(sampler, &model, &noise, 3), "x");
        assert!(
            given.starts_with("a mean square of 9.") || given.starts_with("a mean square of 1.")
        );
        let state = (&noise * 80.0).unwrap();
        refused(sampler.sample(&model, &state, &mut rng()), "noise");
        assert!(from_state(sampler, &model, &state, 3).is_ok());
        // With one sample of 8 numbers, too; but one number may be anything.
        let few = noise.narrow(0, 0, 8).unwrap().t().unwrap();
        refused(from_state(sampler, &model, &few, 3), "x");
        let one = Tensor::new(&[[0.4f64]], device()).unwrap();
        assert!(from_state(sampler, &model, &one, 3).is_ok());
        // By choice.
        let mut run = Run::new(&model, Key::from_seed(0)).any_start();
        assert!(sampler.run(&mut run, &noise).is_ok());
        // Data is no noise.
        let flat = Tensor::zeros((16, 3), DType::F32, device()).unwrap();
        refused(sampler.sample(&model, &flat, &mut rng()), "noise");
    }
    // Where there is no data at the start, a state may not be too large, either.
    let straight = CondOt::default();
    let field = law.velocity(&straight);
    let model = Model::new(&field, Prediction::Velocity, &straight);
    let ddim = Ddim::new().on(UniformTime::new(4).unwrap());
    let large = (&noise * 50.0).unwrap();
    refused(from_state(&ddim, &model, &large, 3), "x");
    // Where there is, it may.
    let late = Ddim::new().on(UniformTime::within(4, 0.5, 1.0).unwrap());
    assert!(from_state(&late, &model, &large, 3).is_ok());
}

#[test]
fn noise_that_is_repeated_or_cooler_is_noise() {
    let schedule = CondOt::default();
    let law = gaussian(0.0);
    let field = law.velocity(&schedule);
    let model = Model::new(&field, Prediction::Velocity, &schedule);
    let ddim = Ddim::new().on(UniformTime::new(4).unwrap());
    let sample = |noise: &Tensor| ddim.sample(&model, noise, &mut Generator::from_seed(3));
    for value in [0.01, 0.3, 4.5] {
        // One number for all samples, as a view.
        let noise = Tensor::new(&[[value]], device()).unwrap();
        assert!(
            sample(&noise.broadcast_as((500, 1)).unwrap()).is_ok(),
            "{value}"
        );
    }
    assert!(sample(&(normal(2500, 1) * 0.6).unwrap()).is_ok());
}

#[test]
fn latents_are_starts() {
    let law = gaussian(2.0);
    for (path, schedule) in schedules() {
        let field = law.field(Prediction::Data, &schedule);
        let model = Model::new(&field, Prediction::Data, &schedule);
        let x = (normal(200, 1) * 0.5).unwrap();
        let x = (x + 2.0).unwrap();
        let sampler = Ddim::new().on(UniformLogSnr::new(200).unwrap());
        let mut run = Run::new(&model, Key::from_seed(0));
        let latent = sampler.invert(&mut run, &x).unwrap();
        let back = sampler.run(&mut run, &latent).unwrap();
        println!("{path}");
        assert_close(&back, &x, 0.1, 0.0);
    }
}

/// The flow from a level t on takes x to `m + s (x − α m)/√(α² s² + σ²)`.
#[test]
fn data_with_noise_goes_where_the_flow_takes_it() {
    let law = gaussian(2.0);
    let paths: [(&str, Box<dyn Schedule>); 3] = [
        ("VP", Box::new(VariancePreserving::default())),
        ("VE", Box::new(VarianceExploding::default())),
        ("conditional OT", Box::new(CondOt::default())),
    ];
    for (path, schedule) in paths {
        let field = law.velocity(&schedule);
        let model = Model::new(&field, Prediction::Velocity, &schedule);
        for ratio in [5.0, 0.5] {
            let grid = UniformLogSnr::new(400).unwrap();
            let tail = Tail::from_sigma(grid, ratio).unwrap();
            let level = tail.levels(&schedule).unwrap()[0];
            assert!(level.ratio() <= ratio && level.ratio() > 0.95 * ratio);
            let data = Tensor::full(5f64, (2500, 1), device()).unwrap();
            let sampler = Ddim::new().on(tail);
            let x = sampler.sample_from(&model, &data, &mut Generator::from_seed(3));
            let (mean, variance) = moments(&x.unwrap());
            let total = (0.25 * level.alpha.powi(2) + level.sigma.powi(2)).sqrt();
            let expected = 2.0 + 0.5 * level.alpha * 3.0 / total;
            let spread = (0.5 * level.sigma / total).powi(2);
            println!("{path:15} {ratio} {mean:.4} {expected:.4} {variance:.4} {spread:.4}");
            assert!(
                (mean - expected).abs() < 0.03,
                "{path}: {mean} for {expected}"
            );
            assert!(
                (variance / spread - 1.0).abs() < 0.1,
                "{path}: {variance} for {spread}"
            );
        }
        // Data of the law stays of the law, by a stochastic rule too.
        let data = law.sample(2500, DType::F64, device(), &mut Generator::from_seed(1));
        let tail = Tail::by_strength(UniformLogSnr::new(200).unwrap(), 0.4).unwrap();
        let sampler = Ancestral::new().on(tail);
        let x = sampler.sample_from(&model, &data.unwrap(), &mut Generator::from_seed(3));
        let (mean, variance) = moments(&x.unwrap());
        assert!(
            (mean - 2.0).abs() < 0.03 && (variance - 0.25).abs() < 0.02,
            "{path}: {mean} {variance}"
        );
    }
}

#[test]
fn pieces_of_edited_data_have_the_bits_of_the_whole() {
    let law = gaussian(2.0);
    let schedule = VariancePreserving::default();
    let field = law.velocity(&schedule);
    let model = Model::new(&field, Prediction::Velocity, &schedule);
    let source = NoiseSource::new(Key::from_seed(1), &[1], DType::F64, device()).unwrap();
    let tail = Tail::by_strength(UniformLogSnr::new(20).unwrap(), 0.5).unwrap();
    let sampler = Ancestral::new().on(tail);
    let data = normal(30, 1);
    let whole = source.sample_from(&sampler, &model, &data, 5..35).unwrap();
    let drawn = pieces(5..35, 8).unwrap().map(|piece| {
        let (first, count) = (piece.start as usize - 5, (piece.end - piece.start) as usize);
        source.sample_from(&sampler, &model, &data.narrow(0, first, count)?, piece)
    });
    let drawn: Vec<Tensor> = drawn.collect::<Result<_>>().unwrap();
    assert_close(&Tensor::cat(&drawn, 0).unwrap(), &whole, 0.0, 0.0);
    // A row for each sample, of the source's kind.
    assert!(matches!(
        source.sample_from(&sampler, &model, &data, 5..34),
        Err(Error::Shape { argument, .. }) if argument == "data"
    ));
    let single = data.to_dtype(DType::F32).unwrap();
    assert!(
        source
            .sample_from(&sampler, &model, &single, 5..35)
            .is_err()
    );
    let level = Level::at(&schedule, 0.5);
    assert!(level.noised(&data, &single).is_err());
}
