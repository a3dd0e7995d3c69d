//! Samples of which a part is known.

use crate::common::rules::rows;
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Generator, Key, Result, Time, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::{Cosine, VarianceExploding, VariancePreserving};
use advect_samplers::grid::{Grid, Tail, UniformLogSnr, UniformTime};
use advect_samplers::inverse::Replaced;
use advect_samplers::rule::*;
use advect_samplers::{LastStep, Model, NoiseSource, ProbabilityFlow, Run, Sampler, pieces};
use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
use candle_core::{DType, Tensor};

/// Two coordinates of variance 1 with correlation 0.8.
fn pair() -> Gaussian {
    let mean = Tensor::zeros(2, DType::F64, device()).unwrap();
    Gaussian::new(&mean, Covariance::full(vec![1.0, 0.8, 0.8, 1.0]).unwrap()).unwrap()
}

/// The mean and the variance of the second coordinate where the first is 1.5.
fn moments(sampler: &dyn Sampler) -> (f64, f64) {
    let law = pair();
    let field = law.field(Prediction::Data, &Cosine);
    let model = Model::new(&field, Prediction::Data, &Cosine);
    let mut rng = Generator::from_seed(4);
    let noise = rng.normal((2000, 2), DType::F64, device()).unwrap();
    let x = sampler.sample(&model, &noise, &mut rng).unwrap();
    let rows = x.to_vec2::<f64>().unwrap();
    assert!(rows.iter().all(|row| row[0] == 1.5));
    let n = rows.len() as f64;
    let mean = rows.iter().map(|row| row[1]).sum::<f64>() / n;
    let squares: f64 = rows.iter().map(|row| (row[1] - mean).powi(2)).sum();
    (mean, squares / n)
}

fn known() -> (Tensor, Tensor) {
    // What is not known may be anything.
    let known = Tensor::new(&[1.5, f64::NAN], device()).unwrap();
    (known, Tensor::new(&[1u8, 0], device()).unwrap())
}

/// The one step of a sampler that ends with the expected data.
#[test]
fn the_known_part_is_there_before_the_only_step() {
    let field = field_fn(|_, x: &Tensor| Ok(x.sum_keepdim(1)?.broadcast_as(x.shape())?));
    let model = Model::new(&field, Prediction::Data, &Cosine);
    let known = Tensor::new(&[1e9, 0.0], device()).unwrap();
    let mask = Tensor::new(&[1u8, 0], device()).unwrap();
    let inpaint = Inpaint::new(Ancestral::new(), &known, &mask).unwrap();
    let sampler = (inpaint.on(UniformLogSnr::new(1).unwrap())).last_step(LastStep::Denoise);
    let mut rng = Generator::from_seed(0);
    let noise = rng.normal((1, 2), DType::F64, device()).unwrap();
    let x = sampler.sample(&model, &noise, &mut rng).unwrap();
    let x = x.to_vec2::<f64>().unwrap();
    assert!(x[0][0] == 1e9 && x[0][1] > 1e3, "{x:?}");
}

/// N(1.2, 0.36) is the law; what is asserted is how near the method comes, as it says.
#[test]
fn the_unknown_part_follows_the_known_one() {
    let (known, mask) = known();
    let grid = |steps| UniformLogSnr::new(steps).unwrap();
    let on = |rule: Inpaint<Ancestral>, steps| moments(&rule.on(grid(steps)));
    let rule = || Inpaint::new(Ancestral::new(), &known, &mask).unwrap();

    // By replacement alone, some of the way.
    let (mean, variance) = on(rule(), 100);
    println!("replaced   {mean:.3} {variance:.3}");
    assert!((mean - 0.73).abs() < 0.05 && (variance - 0.46).abs() < 0.05);
    // With resampling, most of it.
    let (mean, variance) = on(rule().resampling(10).unwrap(), 100);
    println!("resampled  {mean:.3} {variance:.3}");
    assert!((mean - 1.2).abs() < 0.09, "{mean}");
    assert!((variance - 0.36).abs() < 0.05, "{variance}");
    // Where the law has no correlation, what is known does not matter.
    let free = rule();
    let law = Gaussian::new(
        &Tensor::zeros(2, DType::F64, device()).unwrap(),
        Covariance::isotropic(1.0).unwrap(),
    )
    .unwrap();
    let field = law.field(Prediction::Data, &Cosine);
    let model = Model::new(&field, Prediction::Data, &Cosine);
    let mut rng = Generator::from_seed(4);
    let noise = rng.normal((2000, 2), DType::F64, device()).unwrap();
    let x = free.resampling(3).unwrap().on(grid(50));
    let x = x.sample(&model, &noise, &mut rng).unwrap();
    let second = x.narrow(1, 1, 1).unwrap();
    let square = second.sqr().unwrap().mean_all().unwrap();
    let mean = second.mean_all().unwrap().to_scalar::<f64>().unwrap();
    assert!(mean.abs() < 0.06, "{mean}");
    assert!((square.to_scalar::<f64>().unwrap() - 1.0).abs() < 0.2);
}

/// One of each rule under inpainting, which two passes make.
fn samplers(known: &Tensor, mask: &Tensor) -> Vec<(&'static str, Box<dyn Sampler>)> {
    let rows = rows().into_iter();
    rows.filter_map(|row| Some((row.name, row.inpainting?(known, mask))))
        .collect()
}

#[test]
fn every_rule_keeps_what_is_known() {
    let law = pair();
    let (known, mask) = known();
    let vp = VariancePreserving::default();
    let ve = VarianceExploding::new(0.01, 60.0).unwrap();
    for (name, sampler) in samplers(&known, &mask) {
        let field = law.velocity(&vp);
        let model = Model::new(&field, Prediction::Velocity, &vp);
        let source = NoiseSource::new(Key::from_seed(2), &[2], DType::F64, device()).unwrap();
        let whole = source.sample(&sampler, &model, 0..20).unwrap();
        for row in whole.to_vec2::<f64>().unwrap() {
            assert!(row[0] == 1.5 && row[1].is_finite(), "{name}: {row:?}");
        }
        let drawn = pieces(0..20, 7).unwrap();
        let drawn = drawn.map(|piece| source.sample(&sampler, &model, piece));
        let drawn: Vec<Tensor> = drawn.collect::<Result<_>>().unwrap();
        assert_close(&Tensor::cat(&drawn, 0).unwrap(), &whole, 0.0, 0.0);

        let field = law.velocity(&ve);
        let model = Model::new(&field, Prediction::Velocity, &ve);
        let x = source.sample(&sampler, &model, 0..20).unwrap();
        let first = x.narrow(1, 0, 1).unwrap().flatten_all().unwrap();
        assert_eq!(first.to_vec1::<f64>().unwrap(), [1.5; 20], "{name}");
    }
}

#[test]
fn last_steps_keep_what_is_known() {
    let (known, mask) = known();
    let law = pair();
    let field = law.velocity(&Cosine);
    let model = Model::new(&field, Prediction::Velocity, &Cosine);
    let source = NoiseSource::new(Key::from_seed(2), &[2], DType::F64, device()).unwrap();
    let rule = Inpaint::new(Ancestral::new(), &known, &mask).unwrap();
    let rule = rule.resampling(3).unwrap();
    for (last, factor) in [
        (LastStep::Denoise, 1.0),
        // α of the level where the grid ends.
        (LastStep::Mean, (0.9 * std::f64::consts::FRAC_PI_2).sin()),
    ] {
        let grid = UniformTime::within(6, 0.0, 0.9).unwrap();
        let sampler = rule.clone().on(grid).last_step(last);
        let x = source.sample(&sampler, &model, 0..3).unwrap();
        for row in x.to_vec2::<f64>().unwrap() {
            assert!((row[0] - 1.5 * factor).abs() < 1e-12, "{last:?}: {row:?}");
        }
    }
}

#[test]
fn passes_are_evaluations() {
    let zero = field_fn(|_, x| Ok(x.zeros_like()?));
    let model = Model::new(&zero, Prediction::Data, &Cosine);
    let (known, mask) = known();
    let noise = Tensor::new(&[[0.5f64, -1.0]], device()).unwrap();
    for (passes, expected) in [(1, 6), (4, 21)] {
        let rule = Inpaint::new(Ddim::new(), &known, &mask).unwrap();
        let sampler = rule.resampling(passes).unwrap();
        let sampler = sampler.on(UniformLogSnr::new(6).unwrap());
        let mut run = Run::new(&model, Key::from_seed(0));
        sampler.run(&mut run, &noise).unwrap();
        assert_eq!(run.evaluations(), expected);
    }
}

#[test]
fn masks_have_every_shape_and_dtype() {
    let half = field_fn(|_, x| Ok(x.affine(0.0, 0.5)?));
    let model = Model::new(&half, Prediction::Data, &Cosine);
    let column = Tensor::new(&[[1u8], [0]], device()).unwrap();
    for dtype in [DType::F64, DType::F32, DType::BF16, DType::F16] {
        let image = Tensor::full(-1f64, (1, 1, 2, 3), device()).unwrap();
        let image = image.to_dtype(dtype).unwrap();
        let source = NoiseSource::new(Key::from_seed(2), &[4, 2, 3], dtype, device()).unwrap();
        for shape in [
            vec![2, 1],
            vec![2, 3],
            vec![1, 2, 3],
            vec![1, 4, 2, 3],
            vec![5, 1, 2, 1],
        ] {
            for kind in [DType::U8, DType::U32, DType::I64, DType::F32, dtype] {
                // A view, whatever its shape.
                let mask = column.broadcast_as(shape.clone()).unwrap();
                let mask = mask.to_dtype(kind).unwrap();
                let rule = Inpaint::new(Ancestral::new(), &image, &mask).unwrap();
                let sampler = rule.on(UniformLogSnr::new(5).unwrap());
                let x = source.sample(&sampler, &model, 0..5).unwrap();
                let x = x.to_dtype(DType::F64).unwrap();
                let row = |k| x.narrow(2, k, 1).unwrap().flatten_all().unwrap();
                assert_eq!(row(0).to_vec1::<f64>().unwrap(), [-1.0; 60]);
                let other = row(1).to_vec1::<f64>().unwrap();
                assert!(
                    other.iter().all(|v| (v - 0.5).abs() < 0.01),
                    "{shape:?} {dtype:?}"
                );
            }
        }
    }
}

/// A step that is made again begins with a state that was noised anew, which the error of the step before is no part of: UniPC
/// corrects that once. With data that depends on time alone, states are sums of a part by the noise and this recursion.
#[test]
fn resampling_corrects_each_step_once() {
    let data = |t: f64| 1.0 + 3.0 * t * t;
    let moving = field_fn(|t, x| t.coefficient(data)?.times(&x.ones_like()?));
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let nothing = Tensor::new(&[0u8], device()).unwrap();
    let known = Tensor::new(&[0f64], device()).unwrap();
    let grid = UniformTime::within(8, 0.1, 0.9).unwrap();
    let source = NoiseSource::new(Key::from_seed(2), &[1], DType::F64, device()).unwrap();
    for passes in [1, 2, 5] {
        let end = |field: &dyn Field| {
            let rule = Inpaint::new(UniPc::order(1).unwrap(), &known, &nothing).unwrap();
            let sampler = rule.resampling(passes).unwrap().on(grid);
            let model = Model::new(field, Prediction::Data, &Cosine);
            source.sample(&sampler, &model, 0..4).unwrap()
        };
        let found = (end(&moving) - end(&still)).unwrap();

        let levels = grid.levels(&Cosine).unwrap();
        // The state, and the correction of the step that led to it.
        let (mut x, mut correction) = (0.0, 0.0);
        for (i, ends) in levels.windows(2).enumerate() {
            let (from, to) = (ends[0], ends[1]);
            let own = data(from.time);
            if i > 0 {
                x += correction * (own - data(levels[i - 1].time));
            }
            let moved = to.alpha - from.alpha * to.sigma / from.sigma;
            let step = |x: f64| to.sigma / from.sigma * x + moved * own;
            for _ in 1..passes {
                x = from.alpha / to.alpha * step(x);
            }
            x = step(x);
            correction = 0.5 * moved;
        }
        let expected = Tensor::full(x, (4, 1), device()).unwrap();
        assert_close(&found, &expected, 1e-9, 1e-9);
    }
}

/// From data with noise: the known part is put in at the level of the start.
#[test]
fn a_part_of_data_with_noise_may_be_known() {
    let law = pair();
    let field = law.velocity(&Cosine);
    let model = Model::new(&field, Prediction::Velocity, &Cosine);
    let (known, mask) = known();
    let rule = Inpaint::new(Ancestral::new(), &known, &mask).unwrap();
    let sampler = rule.on(Tail::by_strength(UniformLogSnr::new(40).unwrap(), 0.4).unwrap());
    let data = Tensor::new(&[0.0f64, 1.2], device()).unwrap();
    let data = data.broadcast_as((500, 2)).unwrap();
    let x = sampler.sample_from(&model, &data, &mut Generator::from_seed(3));
    let x = x.unwrap();
    let mean = x.mean(0).unwrap().to_vec1::<f64>().unwrap();
    assert!(
        (mean[0] - 1.5).abs() < 1e-12 && (mean[1] - 1.2).abs() < 0.1,
        "{mean:?}"
    );
}

#[test]
fn bad_masks_are_typed_errors() {
    let (known, mask) = known();
    let new = |known: &Tensor, mask: &Tensor| Inpaint::new(Ddim::new(), known, mask).unwrap_err();
    let soft = Tensor::new(&[0.5, 1.0], device()).unwrap();
    assert!(matches!(new(&known, &soft), Error::Range { argument, .. } if argument == "mask"));
    let nan = Tensor::new(&[f64::NAN, 1.0], device()).unwrap();
    assert!(matches!(new(&known, &nan), Error::Range { argument, .. } if argument == "mask"));
    let long = Tensor::new(&[1u8, 0, 1], device()).unwrap();
    assert!(matches!(new(&known, &long), Error::Shape { argument, .. } if argument == "mask"));
    let all = Tensor::new(&[1u8, 1], device()).unwrap();
    assert!(matches!(new(&known, &all), Error::NonFinite { argument, .. } if argument == "known"));
    let integers = Tensor::new(&[1u32, 1], device()).unwrap();
    assert!(matches!(new(&integers, &mask), Error::DType { argument, .. } if argument == "known"));
    let rule = || Inpaint::new(Ddim::new(), &known, &mask).unwrap();
    for passes in [0, usize::MAX] {
        assert!(rule().resampling(passes).is_err());
    }
    // Data that does not fit the states.
    let half = field_fn(|_, x| Ok(x.affine(0.0, 0.5)?));
    let model = Model::new(&half, Prediction::Data, &Cosine);
    let sample = |shape: &[usize], dtype| {
        let source = NoiseSource::new(Key::from_seed(2), shape, dtype, device()).unwrap();
        let sampler = rule().on(UniformLogSnr::new(3).unwrap());
        source.sample(&sampler, &model, 0..4).unwrap_err()
    };
    let error = sample(&[3], DType::F64);
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "known"));
    let error = sample(&[2], DType::F32);
    assert!(matches!(error, Error::DType { argument, .. } if argument == "known"));
}

/// The field of a pair's law on the cosine path, with the first coordinate going from a noise to 1.5.
fn replaced(law: &Gaussian, prediction: Prediction, noise: &Tensor) -> impl Field {
    let (known, mask) = known();
    let model = Model::new(law.field(prediction, Cosine), prediction, Cosine);
    Replaced::new(model, noise, &known, &mask).unwrap()
}

#[test]
fn fields_keep_what_is_known() {
    let noise = Generator::from_seed(4).normal((1000, 2), DType::F64, device());
    let noise = noise.unwrap();
    let column = |x: &Tensor, k| x.narrow(1, k, 1).unwrap().flatten_all().unwrap();
    let moments = |x: &Tensor| {
        let values = column(x, 1).to_vec1::<f64>().unwrap();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (
            mean,
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n,
        )
    };
    let flow = ProbabilityFlow::new(Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap()));
    let to_data = |field: &dyn Field| {
        let model = Model::new(field, Prediction::Velocity, &Cosine);
        flow.sample(&model, &noise, &mut Generator::from_seed(0))
            .unwrap()
    };
    let law = pair();
    let x = to_data(&replaced(&law, Prediction::Velocity, &noise));
    let first = column(&x, 0);
    assert_close(
        &first,
        &Tensor::full(1.5, 1000, device()).unwrap(),
        0.0,
        1e-5,
    );
    let (mean, variance) = moments(&x);
    println!("replaced in the field  {mean:.3} {variance:.3}");
    // By the linear equation for the second coordinate, integrated apart from here.
    assert!((mean - 0.520).abs() < 0.08 && (variance - 0.672).abs() < 0.1);

    // Where the law has no correlation, the rest does not see what is known.
    let mean = Tensor::new(&[0.3, -0.4], device()).unwrap();
    let law = Gaussian::new(&mean, Covariance::isotropic(0.25).unwrap()).unwrap();
    let plain = to_data(&law.field(Prediction::Velocity, Cosine));
    let x = to_data(&replaced(&law, Prediction::Velocity, &noise));
    assert_close(&column(&x, 1), &column(&plain, 1), 1e-4, 1e-4);
}

#[test]
fn what_is_known_is_known_to_every_prediction() {
    let law = pair();
    let mut rng = Generator::from_seed(4);
    let noise = rng.normal((3, 2), DType::F64, device()).unwrap();
    let x = rng.normal((3, 2), DType::F64, device()).unwrap();
    let t = Time::per_sample(&[0.1, 0.5, 0.9]).unwrap();
    let velocity = replaced(&law, Prediction::Velocity, &noise)
        .at(&t, &x)
        .unwrap();
    let (known, mask) = known();
    let model = Model::new(law.velocity(Cosine), Prediction::Velocity, Cosine);
    let state = Replaced::new(model, &noise, &known, &mask).unwrap();
    let state = state.at_time(&t, &x).unwrap();
    for prediction in [
        Prediction::Score,
        Prediction::Noise,
        Prediction::Data,
        Prediction::V,
    ] {
        let value = replaced(&law, prediction, &noise).at(&t, &x).unwrap();
        let converted = prediction.convert(Prediction::Velocity, &Cosine, &t, &state, &value);
        assert_close(&converted.unwrap(), &velocity, 1e-11, 1e-11);
    }
}

#[test]
fn bad_ends_are_typed_errors() {
    let (known, mask) = known();
    let zero = field_fn(|_, x| Ok(x.zeros_like()?));
    let new = |x0: &Tensor, x1: &Tensor, mask: &Tensor| {
        let model = Model::new(&zero, Prediction::Velocity, Cosine);
        Replaced::new(model, x0, x1, mask)
    };
    let named = |error: Error| error.to_string().split(':').next().unwrap().to_string();
    let ones = Tensor::ones(2, DType::F64, device()).unwrap();
    let soft = Tensor::new(&[0.5, 1.0], device()).unwrap();
    assert_eq!(named(new(&ones, &known, &soft).unwrap_err()), "mask");
    let long = Tensor::ones(3, DType::F64, device()).unwrap();
    assert_eq!(named(new(&ones, &long, &mask).unwrap_err()), "x1");
    assert_eq!(named(new(&ones, &known, &long).unwrap_err()), "mask");
    assert_eq!(named(new(&known, &ones, &ones).unwrap_err()), "x0");
    assert_eq!(named(new(&ones, &known, &ones).unwrap_err()), "x1");
    let single = ones.to_dtype(DType::F32).unwrap();
    assert_eq!(named(new(&ones, &single, &mask).unwrap_err()), "x1");
    let integers = Tensor::ones(2, DType::U32, device()).unwrap();
    assert_eq!(named(new(&integers, &integers, &mask).unwrap_err()), "x0");
    let field = new(&ones, &known, &mask).unwrap();
    let at = |x: &Tensor| field.at(&Time::Shared(0.5), x).unwrap_err();
    assert_eq!(
        named(at(&Tensor::ones((4, 3), DType::F64, device()).unwrap())),
        "x0"
    );
    assert_eq!(
        named(at(&Tensor::ones((4, 2), DType::F32, device()).unwrap())),
        "x0"
    );
}
