//! What samplers do with batches, dtypes, observers, conditions and bad input.

use crate::common;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::mixture;
use crate::common::rules::{Short, rows};
use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Result, Time, field_fn, observer_fn};
use advect_models::Mlp;
use advect_nn::ParameterStore;
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::schedule::{
    CondOt, Cosine, DiscreteDiffusion, EdmSchedule, Schedule, VariancePreserving,
};
use advect_samplers::diffusion::{ForwardDiffusion, NoiseLevel, diffusion_fn};
use advect_samplers::grid::*;
use advect_samplers::guidance::Guided;
use advect_samplers::likelihood::{BitsPerDimension, Likelihood};
use advect_samplers::observer::{Snapshots, StepInfo};
use advect_samplers::rule::*;
use advect_samplers::threshold::{DynamicThreshold, StaticThreshold, Threshold, Thresholded};
use advect_samplers::{
    LastStep, Level, Model, NoiseSource, ProbabilityFlow, Run, Sampler, Transition, iadb, pieces,
};
use advect_solvers::Solver;
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::Probe;
use advect_solvers::stepper::{Dopri5, Heun};
use candle_core::{DType, Tensor};

/// One of each, in 6 steps.
fn samplers() -> Vec<(&'static str, Box<dyn Sampler>)> {
    let shorts = shorts().into_iter();
    shorts.map(|(name, short)| (name, short.sampler)).collect()
}

/// The rules' samplers of 6 steps, and the probability flow.
fn shorts() -> Vec<(&'static str, Short)> {
    let heun = Solver::new(Heun, Fixed::steps(6).unwrap());
    let flow = ProbabilityFlow::new(heun)
        .within(0.05, 0.95)
        .unwrap()
        .denoise();
    let flow = Short {
        sampler: Box::new(flow),
        evaluations: 13,
        noisy: false,
        coarse: false,
    };
    let rows = rows().into_iter();
    let shorts = rows.filter_map(|row| Some((row.name, row.short?)));
    shorts.chain([("flow", flow)]).collect()
}

fn elements(x: &Tensor) -> Vec<f64> {
    x.flatten_all()
        .unwrap()
        .to_dtype(DType::F64)
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn pieces_have_the_bits_of_the_whole() {
    let law = mixture();
    let field = law.field(Prediction::V, &Cosine);
    let model = Model::new(&field, Prediction::V, &Cosine);
    let source = NoiseSource::new(Key::from_seed(1), &[2], DType::F32, device()).unwrap();
    for (name, sampler) in samplers() {
        let all = source.sample(&sampler, &model, 3..40).unwrap();
        let drawn = pieces(3..40, 11)
            .unwrap()
            .map(|piece| source.sample(&sampler, &model, piece));
        let pieces: Vec<Tensor> = drawn.collect::<Result<_>>().unwrap();
        assert_eq!(pieces.len(), 4);
        let pieces = Tensor::cat(&pieces, 0).unwrap();
        assert_eq!(elements(&all), elements(&pieces), "{name}");
        // Other samples differ.
        let other = source.sample(&sampler, &model, 0..1).unwrap();
        assert_ne!(elements(&other), elements(&all)[..2], "{name}");
    }
}

#[test]
fn pieces_of_a_network_have_the_bits_of_the_whole() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Mlp::config(5)
        .hidden(&[64, 64])
        .build(&store.builder())
        .unwrap();
    let net = net.on(&store.frozen()).unwrap();
    let schedule = CondOt::default();
    let model = Model::new(&net, Prediction::Velocity, &schedule);
    let source = NoiseSource::new(Key::from_seed(1), &[5], DType::F32, device()).unwrap();
    let sampler = ReverseSde::new(NoiseLevel::new(1.0).unwrap());
    let sampler = sampler
        .on(UniformTime::new(8).unwrap())
        .last_step(LastStep::Mean);
    let all = source.sample(&sampler, &model, 0..200).unwrap();
    for size in [8, 64, 99] {
        let drawn = pieces(0..200, size)
            .unwrap()
            .map(|piece| source.sample(&sampler, &model, piece));
        let pieces: Vec<Tensor> = drawn.collect::<Result<_>>().unwrap();
        let pieces = Tensor::cat(&pieces, 0).unwrap();
        assert_eq!(elements(&all), elements(&pieces), "{size}");
    }
}

/// The denoiser of data that is all 0.5, for states of any shape.
fn constant(_: &Time, x: &Tensor) -> Result<Tensor> {
    Ok(x.affine(0.0, 0.5)?)
}

#[test]
fn every_shape_and_dtype_is_sampled() {
    let model = Model::new(field_fn(constant), Prediction::Data, &Cosine);
    for dtype in [DType::F64, DType::F32, DType::BF16, DType::F16] {
        for shape in [&[][..], &[3], &[1, 4, 2]] {
            let source = NoiseSource::new(Key::from_seed(1), shape, dtype, device()).unwrap();
            for (name, short) in shorts() {
                let x = source.sample(&short.sampler, &model, 0..2).unwrap();
                assert_eq!(x.dims(), [&[2], shape].concat(), "{name}");
                assert_eq!(x.dtype(), dtype, "{name}");
                // All but what ends at a noisy level, or keeps its least noise, ends at the data.
                let far = elements(&x)
                    .iter()
                    .fold(0f64, |d, v| d.max((v - 0.5).abs()));
                let coarse = short.coarse && matches!(dtype, DType::BF16 | DType::F16);
                let near = short.noisy || coarse || far < 0.02;
                assert!(near, "{name}, {dtype:?}: {far}");
            }
        }
    }
}

#[test]
fn evaluations_are_counted() {
    let model = Model::new(field_fn(constant), Prediction::Data, &Cosine);
    let x = Tensor::new(&[[1f64, -0.5], [0.3, -1.2]], device()).unwrap();
    for (name, short) in shorts() {
        let mut run = Run::new(&model, Key::from_seed(0));
        short.sampler.run(&mut run, &x).unwrap();
        assert_eq!(run.evaluations(), short.evaluations, "{name}");
    }
}

#[test]
fn observers_see_every_step_and_may_halt() {
    let model = Model::new(field_fn(constant), Prediction::Data, &Cosine);
    let source = NoiseSource::new(Key::from_seed(1), &[2], DType::F64, device()).unwrap();
    for (name, sampler) in samplers() {
        let mut snapshots = Snapshots::every(2).unwrap();
        let watched = source
            .sample_observed(&sampler, &model, 0..3, &mut snapshots)
            .unwrap();
        assert_eq!(
            elements(&watched),
            elements(&source.sample(&sampler, &model, 0..3).unwrap())
        );
        assert_eq!(snapshots.states.len(), 3, "{name}");

        let mut seen = 0;
        let mut halt = observer_fn(|reached: &StepInfo| -> Result<ControlFlow<()>> {
            seen = reached.step;
            Ok(if seen == 2 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        });
        let x = source
            .sample_observed(&sampler, &model, 0..3, &mut halt)
            .unwrap();
        assert_eq!(seen, 2, "{name}");
        assert_eq!(elements(&x), elements(&snapshots.states[0]), "{name}");
    }
    let mut fail = observer_fn(|_: &StepInfo| Err::<(), _>(Error::stopped("here", "enough")));
    let ddim = Ddim::new().on(UniformTime::new(3).unwrap());
    let error = source
        .sample_observed(&ddim, &model, 0..3, &mut fail)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }));
}

#[test]
fn every_prediction_gives_the_same_samples() {
    let law = mixture();
    let schedule = VariancePreserving::default();
    let source = NoiseSource::new(Key::from_seed(1), &[2], DType::F64, device()).unwrap();
    for (name, sampler) in samplers() {
        let run = |prediction| {
            let field = law.field(prediction, &schedule);
            let model = Model::new(&field, prediction, &schedule);
            elements(&source.sample(&sampler, &model, 0..5).unwrap())
        };
        let expected = run(Prediction::Velocity);
        for prediction in [
            Prediction::Score,
            Prediction::Noise,
            Prediction::Data,
            Prediction::V,
        ] {
            let other = run(prediction);
            let far = other
                .iter()
                .zip(&expected)
                .fold(0f64, |d, (a, b)| d.max((a - b).abs()));
            assert!(far < 1e-9, "{name}, {prediction:?}: {far}");
        }
    }
}

fn refused(result: Result<Tensor>, argument: &str) {
    match result {
        Err(Error::Range {
            argument: given, ..
        }) => assert_eq!(given, argument),
        other => panic!("{argument}: {other:?}"),
    }
}

#[test]
fn what_does_not_follow_is_a_typed_error() {
    let x = Tensor::new(&[[1f64, -0.5], [0.3, -1.2]], device()).unwrap();
    let schedule = CondOt::default();
    let run = |prediction, sampler: &dyn Sampler| {
        let model = Model::new(field_fn(constant), prediction, &schedule);
        sampler.sample(&model, &x, &mut Generator::from_seed(0))
    };
    let whole = || UniformTime::new(4).unwrap();
    // At t = 0 noise tells nothing of the data.
    refused(run(Prediction::Noise, &Ddim::new().on(whole())), "t");
    // g² is infinite there, and σ/α.
    let reverse = ReverseSde::new(ForwardDiffusion::new(1.0).unwrap());
    refused(run(Prediction::Velocity, &reverse.on(whole())), "diffusion");
    refused(run(Prediction::Velocity, &Edm::heun().on(whole())), "grid");
    refused(run(Prediction::Velocity, &Plms.on(whole())), "grid");
    // At t = 1 there is no score: a step there goes to the expected data.
    let heun = ReverseSde::new(diffusion_fn(|_| 1.0)).method(SdeMethod::Heun);
    let late = heun.on(UniformTime::within(4, 0.5, 1.0).unwrap());
    assert!(run(Prediction::Velocity, &late).is_ok());
    let model = Model::new(field_fn(constant), Prediction::Velocity, &schedule);
    let asked = Run::new(&model, Key::from_seed(0));
    refused(asked.evaluate(1.0, &x).unwrap().to(Prediction::Score), "t");
    refused(run(Prediction::Score, &Ddim::new().on(whole())), "t");
    refused(
        run(
            Prediction::Velocity,
            &ReverseSde::new(diffusion_fn(|_| -1.0)).on(whole()),
        ),
        "diffusion",
    );
    // Variances that the model does not have.
    let learned = Ancestral::new().variance(Variance::Learned);
    refused(run(Prediction::Velocity, &learned.on(whole())), "model");
    // A level that the schedule does not have, and one without noise between others.
    let far = Karras::new(5).and_then(|k| k.range(1e-3, 1e5)).unwrap();
    let vp = VariancePreserving::default();
    let model = Model::new(field_fn(constant), Prediction::Data, &vp);
    let far = Ddim::new()
        .on(far)
        .sample(&model, &x, &mut Generator::from_seed(0));
    refused(far, "sigma");
    // More steps than training had, or other ones.
    assert!(Respaced::trailing(1000, 1001).is_err());
    let trained = DiscreteDiffusion::default();
    let discrete = Model::new(field_fn(constant), Prediction::Noise, &trained);
    let more = Ddim::new().on(Respaced::all(2000).unwrap());
    refused(
        more.sample(&discrete, &x, &mut Generator::from_seed(0)),
        "trained",
    );
    assert!(Respaced::all(usize::MAX).is_err() && UniformTime::new(usize::MAX).is_err());
    // No inverse.
    let error = Plms
        .on(whole())
        .invert(&mut Run::new(&model, Key::from_seed(0)), &x);
    refused(error, "rule");
    // A schedule on which the noise does not fall.
    struct Flat;
    impl Schedule for Flat {
        fn alpha(&self, _: f64) -> f64 {
            0.5
        }
        fn sigma(&self, _: f64) -> f64 {
            0.5
        }
        fn d_alpha(&self, _: f64) -> f64 {
            0.0
        }
        fn d_sigma(&self, _: f64) -> f64 {
            0.0
        }
    }
    let model = Model::new(field_fn(constant), Prediction::Data, &Flat);
    refused(
        Ddim::new()
            .on(whole())
            .sample(&model, &x, &mut Generator::from_seed(0)),
        "grid",
    );
    assert!(iadb(0).is_err());
    // Levels of one's own that don't fall, or are too few.
    struct Own(Vec<f64>);
    impl Grid for Own {
        fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
            Ok(self.0.iter().map(|&t| Level::at(schedule, t)).collect())
        }
    }
    for times in [vec![], vec![0.5], vec![0.5, 0.4], vec![0.5, 0.5]] {
        refused(
            run(Prediction::Velocity, &Ddim::new().on(Own(times))),
            "grid",
        );
    }
    for ratio in [0.0, -1.0, f64::INFINITY, f64::NAN] {
        assert!(
            Level::at_ratio(&EdmSchedule::default(), ratio).is_err(),
            "{ratio}"
        );
    }
}

#[test]
fn bad_fields_and_states_are_typed_errors() {
    let good = Tensor::new(&[[1f64, -0.5], [0.3, -1.2], [2.0, 0.1]], device()).unwrap();
    let narrow = field_fn(|_, x| Ok(x.narrow(1, 0, 1)?));
    // NaN in the second sample.
    let broken = field_fn(|_, x| {
        let bad = Tensor::new(&[[0.0], [f64::NAN], [0.0]], device())?;
        Ok(x.broadcast_add(&bad)?)
    });
    for (name, sampler) in samplers() {
        let run = |field: &dyn advect_core::Field, x: &Tensor| {
            let model = Model::new(field, Prediction::Data, &Cosine);
            sampler.sample(&model, x, &mut Generator::from_seed(0))
        };
        let error = run(&narrow, &good).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }), "{name}: {error}");
        match run(&broken, &good).unwrap_err() {
            Error::Stopped { at, .. } => assert!(at.contains("sample 1"), "{name}: {at}"),
            other => panic!("{name}: {other}"),
        }
        let empty = Tensor::zeros((0, 2), DType::F64, device()).unwrap();
        assert!(
            matches!(run(&field_fn(constant), &empty), Err(Error::Empty { .. })),
            "{name}"
        );
        let nan = Tensor::new(&[[0.0, f64::NAN]], device()).unwrap();
        assert!(
            matches!(run(&field_fn(constant), &nan), Err(Error::NonFinite { .. })),
            "{name}"
        );
        let integers = Tensor::zeros((3, 2), DType::U32, device()).unwrap();
        assert!(
            matches!(
                run(&field_fn(constant), &integers),
                Err(Error::DType { .. })
            ),
            "{name}"
        );
    }
    let model = Model::with_variances(field_fn(constant), Prediction::Data, &Cosine);
    let ddim = Ddim::new().on(UniformTime::new(3).unwrap());
    let error = ddim
        .sample(&model, &good, &mut Generator::from_seed(0))
        .unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "field: got shape [3, 2], expected [3, 4], twice the channels of x"
    );
    let source = NoiseSource::new(Key::from_seed(0), &[2], DType::F64, device()).unwrap();
    assert!(matches!(source.noise(4..4), Err(Error::Empty { .. })));
    assert!(pieces(0..4, 0).is_err() && pieces(4..4, 2).is_err());
    let whole = pieces(5..10, usize::MAX).unwrap();
    assert!(whole.eq(std::iter::once(5..10)));
    assert!(source.noise(0..u64::MAX).is_err());
    assert!(matches!(source.noise(0..1 << 48), Err(Error::Range { .. })));
    for size in [1 << 62, 1 << 63, usize::MAX] {
        let absurd = NoiseSource::new(Key::from_seed(0), &[size, 4], DType::F64, device());
        assert!(matches!(absurd, Err(Error::Range { argument, .. }) if argument == "shape"));
        let large = NoiseSource::new(Key::from_seed(0), &[size], DType::F64, device());
        assert!(matches!(large, Err(Error::Range { argument, .. }) if argument == "shape"));
    }
    assert!(source.noise(u64::MAX - 2..u64::MAX).is_err());
    assert!(NoiseSource::new(Key::from_seed(0), &[0], DType::F64, device()).is_err());
    assert!(NoiseSource::new(Key::from_seed(0), &[2], DType::U8, device()).is_err());
}

#[test]
fn guidance_needs_labels() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let plain = Mlp::config(2).hidden(&[8]).build(&store.builder()).unwrap();
    let labels = Tensor::new(&[0u32, 1], device()).unwrap();
    let guided = Guided::new(&plain, &labels, 3.0).unwrap();
    let schedule = CondOt::default();
    let model = Model::new(&guided, Prediction::Velocity, &schedule);
    let x = Tensor::new(&[[1f32, -0.5], [0.3, -1.2]], device()).unwrap();
    let sampler = Ddim::new().on(UniformTime::new(3).unwrap());
    let error = sampler
        .sample(&model, &x, &mut Generator::from_seed(0))
        .unwrap_err();
    assert!(matches!(error, Error::Range { argument, .. } if argument == "condition"));

    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Mlp::config(2)
        .hidden(&[8])
        .classes(3)
        .build(&store.builder())
        .unwrap();
    let guided = Guided::new(&net, &labels, 3.0).unwrap();
    let model = Model::new(&guided, Prediction::Velocity, &schedule);
    assert!(
        sampler
            .sample(&model, &x, &mut Generator::from_seed(0))
            .is_ok()
    );
    // One label for two samples.
    let one = Tensor::new(&[0u32], device()).unwrap();
    let guided = Guided::new(&net, &one, 3.0).unwrap();
    let model = Model::new(&guided, Prediction::Velocity, &schedule);
    let error = sampler
        .sample(&model, &x, &mut Generator::from_seed(0))
        .unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

#[test]
fn an_adaptive_flow_reports_where_it_stops() {
    // dx/dt = x² from 2 is infinite at t = 1/2.
    let field = field_fn(|_, x| Ok(x.sqr()?));
    let schedule = CondOt::default();
    let model = Model::new(&field, Prediction::Velocity, &schedule);
    let flow = ProbabilityFlow::new(Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap()));
    let x = Tensor::new(&[[2f64]], device()).unwrap();
    let error = flow
        .sample(&model, &x, &mut Generator::from_seed(0))
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
}

#[test]
fn full_sampling_of_ddpm_is_its_algorithm() {
    // x_(k−1) = (x − β/√(1 − ᾱ) ε)/√(1 − β) + σ z, step by step.
    let schedule = DiscreteDiffusion::linear(20, 1e-3, 0.3).unwrap();
    let noise = field_fn(|t, x| Ok((x.tanh()? + t.values()?[0])?));
    let model = Model::new(&noise, Prediction::Noise, &schedule);
    let x = Tensor::new(&[[0.3f64, -1.2]], device()).unwrap();
    for variance in [Variance::Posterior, Variance::Forward] {
        let sampler = Ancestral::new()
            .variance(variance)
            .on(Respaced::all(20).unwrap());
        let mut run = Run::new(&model, Key::from_seed(7));
        let ours = sampler.run(&mut run, &x).unwrap();
        let mut rng = Generator::from(Key::from_seed(7));
        let mut y = x.clone();
        for k in (1..=20).rev() {
            let (beta, left) = (schedule.beta(k), schedule.noise_variance(k));
            let e = noise.at(&Time::Shared(schedule.time(k)), &y).unwrap();
            let mean = (&y - (e * (beta / left.sqrt())).unwrap()).unwrap();
            y = (mean / (1.0 - beta).sqrt()).unwrap();
            if k > 1 {
                let s2 = match variance {
                    Variance::Posterior => schedule.posterior_variance(k),
                    _ => beta,
                };
                let z = rng.normal_by_sample(0, &y).unwrap();
                y = (y + (z * s2.sqrt()).unwrap()).unwrap();
            }
        }
        advect_core::testing::assert_close(&ours, &y, 1e-9, 1e-9);
    }
}

/// Networks whose parameters are trained are sampled without a graph.
#[test]
fn no_step_leaves_a_graph() {
    let store = ParameterStore::new(Key::from_seed(0), DType::F32, device());
    let net = Mlp::config(2).hidden(&[8]).build(&store.builder()).unwrap();
    let model = Model::new(&net, Prediction::V, &Cosine);
    let mut run = Run::new(&model, Key::from_seed(0));
    let x = Tensor::new(&[[1f32, -0.5], [0.3, -1.2]], device()).unwrap();
    assert!(!run.evaluate(0.5, &x).unwrap().value().track_op());
    for (name, sampler) in samplers() {
        let end = sampler.run(&mut run, &x).unwrap();
        assert!(!end.track_op(), "{name}");
    }
}

/// However few there are, and whatever the last step is: steps at each level, and one evaluation for the expected data.
#[test]
fn a_sampler_of_one_level_dwells_there() {
    let evaluations = AtomicUsize::new(0);
    let field = field_fn(|_, x: &Tensor| {
        evaluations.fetch_add(1, Ordering::Relaxed);
        Ok((x * 0.5)?)
    });
    let model = Model::new(&field, Prediction::Data, &Cosine);
    let rule = AnnealedLangevin::new(7, 1e-3).unwrap();
    let sampler = (rule.on(UniformLogSnr::new(1).unwrap())).last_step(LastStep::Denoise);
    let mut rng = Generator::from_seed(0);
    let noise = rng.normal((1, 2), DType::F64, device()).unwrap();
    sampler.sample(&model, &noise, &mut rng).unwrap();
    assert_eq!(evaluations.load(Ordering::Relaxed), 8);
}

/// One step of each kind of Langevin step, by hand: any small step has the right law.
#[test]
fn langevin_steps_have_their_size() {
    let schedule = VariancePreserving::default();
    let field = field_fn(|_, x| Ok((x * 0.7)?));
    let model = Model::new(&field, Prediction::Noise, &schedule);
    let x = Tensor::new(&[[0.4f64, -1.0, 2.0]], device()).unwrap();
    let (from, to) = (Level::at(&schedule, 0.5), Level::at(&schedule, 0.6));
    let numbers = |rng: &mut Generator| elements(&rng.normal_by_sample(0, &x).unwrap());
    let close = |a: &Tensor, b: &[f64]| {
        let far = elements(a)
            .iter()
            .zip(b)
            .fold(0f64, |d, (a, b)| d.max((a - b).abs()));
        assert!(far < 1e-12, "{a} {b:?}");
    };

    // A step of NCSN: δ = ε σ²/σ_last², x + δ/2 s + √δ z.
    let rule = AnnealedLangevin::new(1, 0.01).unwrap();
    let ours = rule.step(
        &mut Run::new(&model, Key::from_seed(3)),
        &mut (),
        &Transition::new(from, to),
        &x,
    );
    let mut rng = Generator::from(Key::from_seed(3));
    let mut y = elements(&x);
    for (level, scale) in [(from, 1.0), (to, to.alpha / from.alpha)] {
        let delta = 0.01 * (level.sigma / to.sigma).powi(2);
        let z = numbers(&mut rng);
        let move_one = |(y, z): (&f64, f64)| {
            let y = scale * y;
            y - 0.5 * delta * 0.7 * y / level.sigma + delta.sqrt() * z
        };
        y = y.iter().zip(z).map(move_one).collect();
    }
    close(&ours.unwrap(), &y);

    // Of a corrector: δ = 2 (r ‖z‖/‖s‖)², or 2 (r σ)²; x + δ s + √(2 δ) z.
    for by_level in [false, true] {
        let rule = PredictorCorrector::new(Ddim::new(), 1, 0.16).unwrap();
        let rule = if by_level { rule.by_level() } else { rule };
        let ours = rule.step(
            &mut Run::new(&model, Key::from_seed(3)),
            &mut (),
            &Transition::new(from, to),
            &x,
        );
        let z = numbers(&mut Generator::from(Key::from_seed(3)));
        let predicted = elements(
            &Ddim::new()
                .step(
                    &mut Run::new(&model, Key::from_seed(0)),
                    &mut (),
                    &Transition::new(from, to),
                    &x,
                )
                .unwrap(),
        );
        let score: Vec<f64> = predicted.iter().map(|y| -0.7 * y / to.sigma).collect();
        let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        let size = if by_level {
            to.sigma
        } else {
            norm(&z) / norm(&score)
        };
        let delta = 2.0 * (0.16 * size).powi(2);
        let steps = predicted.iter().zip(&score).zip(&z);
        let expected: Vec<f64> = steps
            .map(|((y, s), z)| y + delta * s + (2.0 * delta).sqrt() * z)
            .collect();
        close(&ours.unwrap(), &expected);
    }
}

/// What a corrector adds after a step of UniPC is not lost when the step is corrected.
#[test]
fn unipc_keeps_what_is_done_between_its_steps() {
    let model = Model::new(field_fn(constant), Prediction::Data, &Cosine);
    let grid = GivenTimes::new(&[0.2, 0.4, 0.6, 0.8]).unwrap();
    let levels = grid.levels(&Cosine).unwrap();
    let mut run = Run::new(&model, Key::from_seed(0));
    let rule = UniPc::order(2).unwrap();
    let x = Tensor::new(&[[1f64]], device()).unwrap();
    let mut through = |added: f64| {
        let mut memory = UniPcMemory::default();
        let first = rule
            .step(
                &mut run,
                &mut memory,
                &Transition::new(levels[0], levels[1]),
                &x,
            )
            .unwrap();
        let moved = (first + added).unwrap();
        elements(
            &rule
                .step(
                    &mut run,
                    &mut memory,
                    &Transition::new(levels[1], levels[2]),
                    &moved,
                )
                .unwrap(),
        )[0]
    };
    // Data that does not change: a step keeps noise by σ'/σ.
    let kept = (through(0.5) - through(0.0)) / 0.5;
    assert!(
        (kept - levels[2].sigma / levels[1].sigma).abs() < 1e-12,
        "{kept}"
    );
}

/// The large variance is that of x' given x for data N(0, I), whatever the path.
#[test]
fn large_variances_do_not_depend_on_the_path() {
    let zero = field_fn(|_, x| Ok(x.zeros_like()?));
    let deviation = |schedule: &dyn Schedule| {
        let (from, to) = (
            Level::at_ratio(schedule, 10.0).unwrap(),
            Level::at_ratio(schedule, 2.0).unwrap(),
        );
        let model = Model::new(&zero, Prediction::Data, schedule);
        let x = Tensor::zeros((1, 1), DType::F64, device()).unwrap();
        let rule = Ancestral::new().variance(Variance::Forward);
        let mut run = Run::new(&model, Key::from_seed(1));
        let end = rule
            .step(&mut run, &mut (), &Transition::new(from, to), &x)
            .unwrap();
        elements(&end)[0] / to.alpha
    };
    // Of x/α: a is N(0, 1 + 100), b is N(0, 1 + 4), a − b independent of b.
    let variance = 5.0 - 25.0 / 101.0;
    let z = elements(
        &Generator::from(Key::from_seed(1))
            .normal_by_sample(0, &Tensor::zeros((1, 1), DType::F64, device()).unwrap())
            .unwrap(),
    )[0];
    for (name, schedule) in common::paths() {
        let found = deviation(&schedule);
        assert!(
            (found - f64::sqrt(variance) * z).abs() < 1e-6,
            "{name}: {found}"
        );
    }
}

#[test]
fn shifts_of_every_size_reach_both_ends() {
    for shift in [0.1, 0.2, 0.3, 0.41, 1.0, 3.0, 12.0] {
        let levels = Shifted::new(7, shift)
            .unwrap()
            .levels(&CondOt::default())
            .unwrap();
        assert_eq!((levels[0].time, levels[7].time), (0.0, 1.0), "{shift}");
    }
    let flux = Shifted::for_tokens(4, 256).unwrap();
    assert_eq!(flux, Shifted::new(4, 0.5f64.exp()).unwrap());
}

#[test]
fn bounds_do_not_hide_what_is_not_finite() {
    let broken = field_fn(|_, x| Ok((x / 0.0)?));
    let x = Tensor::new(&[[1f64, 2.0]], device()).unwrap();
    let bounds: [Box<dyn Threshold>; 2] = [
        Box::new(StaticThreshold::new(1.0).unwrap()),
        Box::new(DynamicThreshold::new(0.9).unwrap()),
    ];
    for bound in bounds {
        let denoiser = Thresholded::new(&broken, bound);
        let model = Model::new(&denoiser, Prediction::Data, &Cosine);
        let sampler = Ddim::new().on(UniformTime::new(3).unwrap());
        let error = sampler
            .sample(&model, &x, &mut Generator::from_seed(0))
            .unwrap_err();
        assert!(matches!(error, Error::NonFinite { argument, .. } if argument == "field"));
    }
}

#[test]
fn absurd_counts_are_typed_errors() {
    for count in [0, 1 << 62, usize::MAX] {
        assert!(AnnealedLangevin::new(count, 1e-5).is_err());
        assert!(PredictorCorrector::new(Ddim::new(), count, 0.1).is_err());
        for grid in [
            Respaced::leading,
            Respaced::trailing,
            Respaced::linear,
            Respaced::quadratic,
        ] {
            assert!(grid(1000, count).is_err() && grid(count, 10).is_err());
        }
        assert!(Karras::new(count).is_err() && UniformLogSnr::new(count).is_err());
        assert!(Shifted::new(count, 3.0).is_err());
    }
    let law = mixture();
    let field = law.velocity(&Cosine);
    let x = Tensor::new(&[[1f64, -0.5]], device()).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-3, 1e-3).unwrap());
    for count in [1 << 45, 1 << 62, usize::MAX] {
        let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
        let likelihood = likelihood.hutchinson(Probe::Gaussian, count, Key::from_seed(0));
        let error = likelihood.unwrap().log_density(&solver, &x);
        assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "count"));
    }
}

fn thresholds() -> [(&'static str, Box<dyn Threshold>); 2] {
    [
        ("static", Box::new(StaticThreshold::new(1.0).unwrap())),
        ("dynamic", Box::new(DynamicThreshold::new(0.5).unwrap())),
    ]
}

#[test]
fn integers_are_not_bounded() {
    for dtype in [DType::U8, DType::U32, DType::I64] {
        let x = Tensor::ones((2, 3), dtype, device()).unwrap();
        for (name, threshold) in thresholds() {
            let error = threshold.apply(&x).unwrap_err();
            assert!(
                matches!(error, Error::DType { argument, .. } if argument == "data"),
                "{name}"
            );
            let copy = field_fn(|_, x| Ok(x.clone()));
            let bounded = Thresholded::new(&copy, threshold);
            let error = advect_core::Field::at(&bounded, &Time::Shared(0.5), &x).unwrap_err();
            assert!(
                matches!(error, Error::DType { argument, .. } if argument == "x"),
                "{name}"
            );
        }
    }
}

/// Views of a state: as columns, cut out of rows, cut out of columns, and repeated.
fn views(dtype: DType) -> [(&'static str, Tensor); 4] {
    let mut rng = Generator::from_seed(6);
    let mut normal = |rows, columns| rng.normal((rows, columns), dtype, device()).unwrap();
    [
        ("transposed", normal(2, 6).t().unwrap()),
        ("rows", normal(8, 2).narrow(0, 1, 6).unwrap()),
        ("columns", normal(6, 5).narrow(1, 2, 2).unwrap()),
        ("repeated", normal(1, 2).broadcast_as((6, 2)).unwrap()),
    ]
}

#[test]
fn views_are_as_good_as_copies() {
    let law = mixture();
    let field = law.velocity(&Cosine);
    // A field may answer with a view, too.
    let answer = field_fn(|t, x| {
        let value = advect_core::Field::at(&field, t, x)?;
        Ok(value.t()?.contiguous()?.t()?)
    });
    let bounded = Thresholded::new(&answer, DynamicThreshold::new(0.9).unwrap());
    for (view, x) in views(DType::F64) {
        let copy = x.force_contiguous().unwrap();
        for (name, sampler) in samplers() {
            for (field, prediction) in [
                (&answer as &dyn advect_core::Field, Prediction::Velocity),
                (&bounded, Prediction::Data),
            ] {
                let model = Model::new(field, prediction, &Cosine);
                let sample = |noise: &Tensor| {
                    let x = sampler.sample(&model, noise, &mut Generator::from_seed(1));
                    elements(&x.unwrap())
                };
                assert_eq!(sample(&x), sample(&copy), "{name}, {view}");
                let edited = |data: &Tensor| {
                    let x = sampler.sample_from(&model, data, &mut Generator::from_seed(1));
                    elements(&x.unwrap())
                };
                assert_eq!(edited(&x), edited(&copy), "{name}, {view}");
            }
        }
        for (name, threshold) in thresholds() {
            let bound = |x: &Tensor| elements(&threshold.apply(x).unwrap());
            assert_eq!(bound(&x), bound(&copy), "{name}, {view}");
        }
        let likelihood = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
        let likelihood = likelihood.within(0.0, 0.9).unwrap();
        let few = likelihood
            .hutchinson(Probe::Gaussian, 2, Key::from_seed(0))
            .unwrap();
        let solver = Solver::new(Dopri5, Fixed::steps(4).unwrap());
        for likelihood in [likelihood, few] {
            let found = |x: &Tensor| {
                let density = likelihood.log_density(&solver, x).unwrap();
                let drawn = likelihood.sample(&solver, x).unwrap();
                [density.nats, density.x, drawn.nats, drawn.x].map(|x| elements(&x))
            };
            assert_eq!(found(&x), found(&copy), "{view}");
        }
    }
}

#[test]
fn sixteen_bits_are_enough() {
    let law = mixture();
    let field = law.velocity(&Cosine);
    let solver = Solver::new(Dopri5, Fixed::steps(20).unwrap());
    let exact = Likelihood::new(Model::new(&field, Prediction::Velocity, &Cosine));
    let exact = exact.within(0.0, 0.9).unwrap();
    let few = exact
        .hutchinson(Probe::Rademacher, 4, Key::from_seed(0))
        .unwrap();
    let wide = Generator::from_seed(6)
        .normal((5, 2), DType::F64, device())
        .unwrap();
    for (dtype, tolerance) in [(DType::F16, 0.05), (DType::BF16, 0.3)] {
        let x = wide.to_dtype(dtype).unwrap();
        let same = x.to_dtype(DType::F64).unwrap();
        let near = |a: &Tensor, b: &Tensor, name: &str| {
            let pairs = elements(a).into_iter().zip(elements(b));
            let far = pairs.fold(0f64, |d, (a, b)| d.max((a - b).abs() / (1.0 + b.abs())));
            println!("{dtype:?} {name} {far:.4}");
            assert!(far < tolerance, "{dtype:?}, {name}: {far}");
        };
        for (name, threshold) in thresholds() {
            let bound = threshold.apply(&x).unwrap();
            assert_eq!(bound.dtype(), dtype);
            near(&bound, &threshold.apply(&same).unwrap(), name);
        }
        for (name, likelihood) in [("exact", exact), ("estimated", few)] {
            let (found, expected) = (
                likelihood.log_density(&solver, &x).unwrap(),
                likelihood.log_density(&solver, &same).unwrap(),
            );
            near(&found.nats, &expected.nats, name);
            let drawn = likelihood.sample(&solver, &x).unwrap();
            assert_eq!(drawn.x.dtype(), dtype);
            near(
                &drawn.nats,
                &likelihood.sample(&solver, &same).unwrap().nats,
                name,
            );
        }
    }
}

#[test]
fn zeros_in_messages_have_no_sign() {
    let texts = [
        UniformTime::within(4, -0.0, 0.0).unwrap_err().to_string(),
        GivenTimes::new(&[-0.0, 0.0]).unwrap_err().to_string(),
        GivenSigmas::new(&[-0.0, 0.0]).unwrap_err().to_string(),
        Karras::new(4)
            .and_then(|k| k.range(-0.0, 1.0))
            .unwrap_err()
            .to_string(),
        Edm::heun().churn_range(-0.0, -1.0).unwrap_err().to_string(),
    ];
    for text in texts {
        assert!(!text.contains("-0 ") && !text.contains("-0.0"), "{text}");
    }
    assert!(Level::at(&Cosine, -0.0).time.is_sign_positive());
    let nats = Tensor::new(&[-1e-6f64], device()).unwrap();
    let bits = BitsPerDimension::of_levels(&nats, 1).unwrap();
    assert_eq!(bits.to_string(), "0.0000 bits per dimension (of levels)");
}
