//! Samples given a measurement.

use crate::common::paths;
use advect_core::normal::cdf;
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Coefficient, Error, Field, Generator, Key, Result, Time, field_fn};
use advect_models::Mlp;
use advect_nn::ParameterStore;
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, Law};
use advect_paths::schedule::{CondOt, Cosine, Schedule, VarianceExploding};
use advect_samplers::diffusion::ForwardDiffusion;
use advect_samplers::grid::UniformLogSnr;
use advect_samplers::guidance::guidance_fn;
use advect_samplers::inverse::*;
use advect_samplers::rule::*;
use advect_samplers::{Model, ProbabilityFlow, Run, Sampler};
use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri5};
use candle_core::{DType, Tensor};

const MEAN: [f64; 4] = [0.4, -0.7, 0.1, 0.9];
const VARIANCE: f64 = 0.3;
const NOISE: f64 = 0.4;

/// The denoiser of data N(m, s² I), images of 2 × 2 pixels, made of differentiable operations.
fn denoiser(schedule: &dyn Schedule) -> impl Field + '_ {
    field_fn(move |t, x| {
        let shrink = |t: f64| {
            let (a, s) = (schedule.alpha(t), schedule.sigma(t));
            VARIANCE * a / (VARIANCE * a * a + s * s)
        };
        let mean = Tensor::new(&MEAN, device())?.reshape((1, 1, 2, 2))?;
        let mean = mean.broadcast_as(x.shape())?;
        let pull = t.coefficient(|t| 1.0 - schedule.alpha(t) * shrink(t))?;
        Ok((t.coefficient(shrink)?.times(x)? + pull.times(&mean)?)?)
    })
}

/// The law of such data where one number `row · x1` was measured with noise.
fn posterior(row: [f64; 4], y: f64) -> (Vec<f64>, Vec<f64>) {
    let dot = |a: &[f64; 4], b: &[f64; 4]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let gain = VARIANCE / (VARIANCE * dot(&row, &row) + NOISE * NOISE);
    let missing = y - dot(&row, &MEAN);
    let mean = (0..4).map(|i| MEAN[i] + gain * row[i] * missing).collect();
    let covariance = (0..16).map(|k| {
        let (i, j) = (k / 4, k % 4);
        let own = if i == j { VARIANCE } else { 0.0 };
        own - VARIANCE * gain * row[i] * row[j]
    });
    (mean, covariance.collect())
}

/// A number of images, as a measured image, and as a row of the matrix.
type Case = (&'static str, Box<dyn LinearOperator>, Tensor, [f64; 4]);

fn cases() -> Vec<Case> {
    let row = [0.5, -1.0, 0.3, 2.0];
    let matrix = Tensor::new(&[row], device()).unwrap();
    let image = |values: &[f64]| Tensor::from_slice(values, (1, 1, 2, 2), device()).unwrap();
    let weights = image(&row);
    let one = |dims: &[usize]| Tensor::full(1.6, dims, device()).unwrap();
    let mask = Mask::new(&image(&[0.0, 0.0, 1.0, 0.0])).unwrap();
    let closure = measurement_fn(move |x| {
        let sum = x.broadcast_mul(&weights)?.flatten_from(1)?;
        Ok(sum.sum_keepdim(1)?)
    });
    vec![
        (
            "matrix",
            Box::new(Dense::new(&matrix).unwrap()),
            one(&[1, 1]),
            row,
        ),
        ("closure", Box::new(Linear(closure)), one(&[1]), row),
        (
            "mask",
            Box::new(mask),
            image(&[0.0, 0.0, 1.6, 0.0]),
            [0.0, 0.0, 1.0, 0.0],
        ),
        (
            "means",
            Box::new(Downsample::by(2).unwrap()),
            one(&[1, 1, 1, 1]),
            [0.25; 4],
        ),
    ]
}

fn pigdm<'a>(operator: &'a dyn LinearOperator, y: &Tensor) -> Pigdm<&'a dyn LinearOperator> {
    let likelihood = Pigdm::new(operator, y, NOISE).unwrap();
    likelihood.data_variance(VARIANCE).unwrap()
}

/// The field of every path and prediction is that of the posterior, in closed form.
#[test]
fn pseudoinverse_guidance_is_exact_for_gaussian_data() {
    let mut rng = Generator::from_seed(1);
    let x = rng.normal((3, 1, 2, 2), DType::F64, device()).unwrap();
    let each = Time::per_sample(&[0.1, 0.5, 0.97]).unwrap();
    for (path, schedule) in paths() {
        for (name, operator, y, row) in cases() {
            let (mean, covariance) = posterior(row, 1.6);
            let mean = Tensor::new(mean, device()).unwrap();
            let law = Gaussian::new(&mean, Covariance::full(covariance).unwrap()).unwrap();
            for prediction in [
                Prediction::Velocity,
                Prediction::Score,
                Prediction::Noise,
                Prediction::Data,
                Prediction::V,
            ] {
                let plain = Prediction::Data.field(denoiser(&schedule), prediction, &schedule);
                let model = Model::new(plain, prediction, &schedule);
                let model = model.posterior(pigdm(&operator, &y));
                let exact = law.field(prediction, &schedule);
                for t in [Time::Shared(0.3), each.clone()] {
                    let ours = model.field().at(&t, &x).unwrap();
                    println!("{path}, {name}, {prediction:?}");
                    assert_close(&ours, &exact.at(&t, &x).unwrap(), 1e-8, 1e-8);
                }
            }
        }
    }
}

/// What is wrong with samples of a normal law of independent draws, if anything.
fn fault(x: &Tensor, mean: &[f64], covariance: &[f64]) -> Option<String> {
    let n = x.dims()[0] as f64;
    let rows = x.flatten_from(1).unwrap().to_vec2::<f64>().unwrap();
    for i in 0..4 {
        let deviation = covariance[5 * i].sqrt();
        let mut values: Vec<f64> = rows.iter().map(|r| (r[i] - mean[i]) / deviation).collect();
        values.sort_by(f64::total_cmp);
        let distance = values.iter().enumerate().fold(0f64, |d, (k, v)| {
            let p = cdf(*v);
            d.max((p - k as f64 / n).abs())
                .max((p - (k + 1) as f64 / n).abs())
        });
        // A true sample is beyond these once in a thousand times.
        if distance > 1.95 / n.sqrt() {
            return Some(format!("coordinate {i}: Kolmogorov–Smirnov {distance:.3}"));
        }
        let average = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|v| v * v).sum::<f64>() / n;
        if average.abs() > 3.3 / n.sqrt() || (square - 1.0).abs() > 3.3 * (2.0 / n).sqrt() {
            return Some(format!(
                "coordinate {i}: mean {average:.3}, variance {square:.3}"
            ));
        }
    }
    None
}

#[test]
fn samplers_have_the_law_of_the_posterior() {
    let (_, operator, y, row) = cases().remove(0);
    let (mean, covariance) = posterior(row, 1.6);
    let flow = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap());
    let flow = ProbabilityFlow::new(flow).within(0.004, 0.996).unwrap();
    let grid = |steps| {
        let grid = UniformLogSnr::new(steps).unwrap();
        grid.range(0.005, 200.0).unwrap()
    };
    let reverse = ReverseSde::new(ForwardDiffusion::new(1.0).unwrap());
    let samplers: [(&str, Box<dyn Sampler>); 5] = [
        ("flow", Box::new(flow.denoise())),
        ("DDIM", Box::new(Ddim::new().on(grid(300)))),
        ("DDPM", Box::new(Ancestral::new().on(grid(300)))),
        (
            "DPM-Solver++",
            Box::new(DpmSolver::order(2).unwrap().on(grid(60))),
        ),
        (
            "reverse SDE",
            Box::new(reverse.method(SdeMethod::Heun).on(grid(150))),
        ),
    ];
    let mut rng = Generator::from_seed(3);
    let noise = rng.normal((2000, 1, 2, 2), DType::F64, device()).unwrap();
    for (prediction, schedule) in [
        (
            Prediction::Velocity,
            Box::new(CondOt::default()) as Box<dyn Schedule>,
        ),
        (Prediction::Noise, Box::new(Cosine)),
    ] {
        let plain = Prediction::Data.field(denoiser(&schedule), prediction, &schedule);
        let plain = Model::new(plain, prediction, &schedule);
        let model = plain.posterior(pigdm(&operator, &y));
        for (name, sampler) in &samplers {
            let x = sampler.sample(&model, &noise, &mut rng).unwrap();
            assert_eq!(
                fault(&x, &mean, &covariance),
                None,
                "{name}, {prediction:?}"
            );
        }
        let x = samplers[3].1.sample(&plain, &noise, &mut rng).unwrap();
        assert!(fault(&x, &mean, &covariance).is_some());
    }
}

/// A network of noise for images of 2 × 2 pixels, and a function of images that is far from linear.
fn network() -> Mlp {
    let store = ParameterStore::new(Key::from_seed(5), DType::F64, device());
    let config = Mlp::config(4).hidden(&[7]);
    let net = config.build(&store.builder()).unwrap();
    net.on(&store.frozen()).unwrap()
}

fn curved(x: &Tensor) -> Result<Tensor> {
    let x = x.flatten_from(1)?;
    Ok(Tensor::cat(
        &[x.sqr()?.sum_keepdim(1)?, x.narrow(1, 0, 2)?.tanh()?],
        1,
    )?)
}

#[test]
fn gradients_through_networks_are_differences() {
    let net = network();
    let mut rng = Generator::from_seed(2);
    let x = rng.normal((2, 1, 2, 2), DType::F64, device()).unwrap();
    let y = Tensor::new(&[[1.3, 0.2, -0.4]], device()).unwrap();
    let matrix = Tensor::new(&[[1f64, 0.5, 0.0, -0.3], [0.2, 0.0, 1.0, 0.7]], device()).unwrap();
    let two = Tensor::new(&[[0.8, -0.5]], device()).unwrap();
    let operator = Dense::new(&matrix).unwrap();
    let (t, zeta) = (0.6, 0.35);
    for prediction in [Prediction::Noise, Prediction::Velocity] {
        let model = Model::new(&net, prediction, &Cosine);
        let run = Run::new(&model, Key::from_seed(0));
        let data = |x: &Tensor| {
            let value = net.at(&Time::Shared(t), x)?;
            prediction.convert(Prediction::Data, &Cosine, &Time::Shared(t), x, &value)
        };
        let ours = |likelihood: &dyn Likelihood| run.likelihood_gradient(likelihood, t, &x);

        // −2 ζ ‖y − A(x̂1)‖, summed over the samples.
        let log = |x: &Tensor| {
            let missing = y.broadcast_sub(&curved(&data(x)?)?)?;
            let norms = missing.sqr()?.sum(1)?.sqrt()?.sum_all()?;
            Ok(-2.0 * zeta * norms.to_scalar::<f64>()?)
        };
        let dps = Dps::new(measurement_fn(curved), &y, zeta).unwrap();
        let numeric = gradient(log, &x, 1e-5).unwrap();
        assert_close(&ours(&dps).unwrap(), &numeric, 1e-6, 1e-8);

        // −½ missing · (r² A Aᵀ + σ_y² I)⁻¹ missing, with the inverse written out.
        let (s, a) = (
            (0.5 * std::f64::consts::PI * t).cos(),
            (0.5 * std::f64::consts::PI * t).sin(),
        );
        let r2 = VARIANCE * s * s / (VARIANCE * a * a + s * s);
        let rows = matrix.to_vec2::<f64>().unwrap();
        let gram = |i: usize, j: usize| -> f64 {
            let sum: f64 = rows[i].iter().zip(&rows[j]).map(|(a, b)| a * b).sum();
            r2 * sum + if i == j { NOISE * NOISE } else { 0.0 }
        };
        let determinant = gram(0, 0) * gram(1, 1) - gram(0, 1) * gram(0, 1);
        let inverse = [[gram(1, 1), -gram(0, 1)], [-gram(0, 1), gram(0, 0)]];
        let inverse = (Tensor::new(&inverse, device()).unwrap() / determinant).unwrap();
        let log = |x: &Tensor| {
            let missing = two.broadcast_sub(&operator.apply(&data(x)?)?)?;
            let squares = (missing.matmul(&inverse)? * missing)?.sum_all()?;
            Ok(-0.5 * squares.to_scalar::<f64>()?)
        };
        let pigdm = Pigdm::new(&operator, &two, NOISE).unwrap();
        let pigdm = pigdm.data_variance(VARIANCE).unwrap();
        let numeric = gradient(log, &x, 1e-5).unwrap();
        assert_close(&ours(&pigdm).unwrap(), &numeric, 1e-6, 1e-8);
    }
}

/// Algorithm 1 of DPS is a step of DDPM and one down the gradient. As part of the score, the same step has the weight
/// of the score in it.
#[test]
fn dps_as_published_is_a_weight_of_the_score() {
    let schedule = Cosine;
    let (from, to) = (0.4, 0.43);
    let model = Model::new(denoiser(&schedule), Prediction::Data, &schedule);
    let y = Tensor::new(&[[1.3, 0.2, -0.4]], device()).unwrap();
    let grid = || advect_samplers::grid::GivenTimes::new(&[from, to]).unwrap();
    let x = Generator::from_seed(2);
    let x = x
        .clone()
        .normal((5, 1, 2, 2), DType::F64, device())
        .unwrap();
    let zeta = 0.2;
    let published = Dps::new(measurement_fn(curved), &y, zeta).unwrap();
    let published = LikelihoodStep::new(Ancestral::new(), published).on(grid());
    let mut run = Run::new(&model, Key::from_seed(9));
    let ours = published.run(&mut run, &x).unwrap();
    assert_eq!(run.evaluations(), 2);

    // x' has the expected data with the factor α' − σ'² α / (…): what DDPM gives to it, times σ²/α of the score.
    let (a, s) = (schedule.alpha(from), schedule.sigma(from));
    let (b, r) = (schedule.alpha(to), schedule.sigma(to));
    let ratio = a * r / (b * s);
    let of_data = b - r * ratio * a / s;
    let factor = of_data * s * s / a;
    let weight = guidance_fn(move |_| zeta / factor);
    let scored = model.posterior(Dps::new(measurement_fn(curved), &y, weight).unwrap());
    let mut run = Run::new(&scored, Key::from_seed(9));
    let other = Ancestral::new().on(grid()).run(&mut run, &x).unwrap();
    assert_close(&ours, &other, 1e-10, 1e-10);
    let mut run = Run::new(&model, Key::from_seed(9));
    let plain = Ancestral::new().on(grid()).run(&mut run, &x).unwrap();
    assert!(
        (plain - ours)
            .unwrap()
            .abs()
            .unwrap()
            .max_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
            > 1e-3
    );
}

#[test]
fn weights_of_guidance_scale_the_slope() {
    let (_, operator, y, _) = cases().remove(0);
    let data = Tensor::zeros((2, 1, 2, 2), DType::F64, device()).unwrap();
    let t = Time::per_sample(&[0.2, 0.5]).unwrap();
    let plain = pigdm(&operator, &y).slope(&t, &Cosine, &data).unwrap();
    let weighted = pigdm(&operator, &y)
        .weight(guidance_fn(|t| 2.0 * t))
        .unwrap();
    let weighted = weighted.slope(&t, &Cosine, &data).unwrap();
    let expected = Coefficient::PerSample(vec![0.4, 1.0])
        .times(&plain)
        .unwrap();
    assert_close(&weighted, &expected, 1e-14, 0.0);
}

#[test]
fn dps_moves_towards_the_measurement() {
    let schedule = CondOt::default();
    let model = Model::new(denoiser(&schedule), Prediction::Data, &schedule);
    let y = Tensor::new(&[[4.0, 0.6, 0.1]], device()).unwrap();
    let dps = || Dps::new(measurement_fn(curved), &y, 5.0).unwrap();
    let mut rng = Generator::from_seed(2);
    let noise = rng.normal((200, 1, 2, 2), DType::F64, device()).unwrap();
    let far = |x: Tensor| {
        let missing = y.broadcast_sub(&curved(&x).unwrap()).unwrap();
        let norms = missing.sqr().unwrap().sum(1).unwrap().sqrt().unwrap();
        norms.mean_all().unwrap().to_scalar::<f64>().unwrap()
    };
    let grid = || UniformLogSnr::new(60).unwrap();
    let plain = far(Ddim::new()
        .on(grid())
        .sample(&model, &noise, &mut rng)
        .unwrap());
    let scored = model.posterior(dps());
    let pulled = far(Ddim::new()
        .on(grid())
        .sample(&scored, &noise, &mut rng)
        .unwrap());
    let step = Dps::new(measurement_fn(curved), &y, 0.05).unwrap();
    let step = LikelihoodStep::new(Ancestral::new(), step).on(grid());
    let stepped = far(step.sample(&model, &noise, &mut rng).unwrap());
    println!("{plain:.3} {pulled:.3} {stepped:.3}");
    assert!(pulled < 0.5 * plain && stepped < 0.5 * plain);
}

#[test]
fn systems_are_solved_by_conjugate_gradients() {
    let mut rng = Generator::from_seed(7);
    for (dtype, tolerance) in [(DType::F64, 1e-8), (DType::F32, 1e-3)] {
        let matrix = rng.normal((6, 9), dtype, device()).unwrap();
        let dense = Dense::new(&matrix).unwrap();
        let x = rng.normal((4, 3, 3), dtype, device()).unwrap();
        let v = rng.normal((4, 6), dtype, device()).unwrap();
        // One of the samples has nothing to solve.
        let v = (v * Tensor::new(&[[1f64], [0.0], [1.0], [100.0]], device())
            .unwrap()
            .broadcast_as((4, 6))
            .unwrap()
            .to_dtype(dtype)
            .unwrap())
        .unwrap();
        let variance = Coefficient::PerSample(vec![1.0, 0.5, 0.0, 2.0]);
        let solved = dense.solve(&x, &variance, 0.3, &v).unwrap();
        let product = dense.apply(&dense.pull(&x, &solved).unwrap()).unwrap();
        let back = (variance.times(&product).unwrap() + (&solved * 0.3).unwrap()).unwrap();
        assert_close(&back, &v, tolerance, tolerance);
    }
    // Two equal rows without noise.
    let twice = Tensor::new(&[[1f64, 2.0], [1.0, 2.0]], device()).unwrap();
    let (x, v) = (
        Tensor::new(&[[0f64, 0.0]], device()).unwrap(),
        Tensor::new(&[[1f64, 2.0]], device()).unwrap(),
    );
    let error = Dense::new(&twice)
        .unwrap()
        .solve(&x, &1.0.into(), 0.0, &v)
        .unwrap_err();
    assert!(matches!(error, Error::Stopped { .. }), "{error}");
}

#[test]
fn variances_of_reverse_steps_stay_as_they_are() {
    let heads = field_fn(|t, x| {
        let data = denoiser(&Cosine).at(t, x)?;
        Ok(Tensor::cat(&[data, (x * 0.1)?], 1)?)
    });
    let (_, operator, y, _) = cases().remove(0);
    let x = Generator::from_seed(2)
        .normal((2, 1, 2, 2), DType::F64, device())
        .unwrap();
    let at = |field: &dyn Field| field.at(&Time::Shared(0.5), &x).unwrap();
    let model = Model::with_variances(heads, Prediction::Data, &Cosine);
    let whole = at(model.posterior(pigdm(&operator, &y)).field());
    let plain = Model::new(denoiser(&Cosine), Prediction::Data, &Cosine);
    let half = at(plain.posterior(pigdm(&operator, &y)).field());
    assert_close(&whole.narrow(1, 0, 1).unwrap(), &half, 0.0, 0.0);
    assert_close(
        &whole.narrow(1, 1, 1).unwrap(),
        &(&x * 0.1).unwrap(),
        0.0,
        0.0,
    );
}

#[test]
fn dtypes_keep_theirs() {
    for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::BF16, 0.05), (DType::F16, 0.01)] {
        let x = Generator::from_seed(2)
            .normal((2, 1, 2, 2), DType::F64, device())
            .unwrap();
        let half = field_fn(|_, x| Ok((x * 0.5)?));
        let y = Tensor::full(1.5, (1, 1, 1, 1), device()).unwrap();
        let at = |x: &Tensor, y: &Tensor| {
            let model = Model::new(&half, Prediction::Data, &Cosine);
            let likelihood = Pigdm::new(Downsample::by(2).unwrap(), y, 0.5).unwrap();
            model
                .posterior(likelihood)
                .field()
                .at(&Time::Shared(0.5), x)
                .unwrap()
        };
        let ours = at(&x.to_dtype(dtype).unwrap(), &y.to_dtype(dtype).unwrap());
        assert_eq!(ours.dtype(), dtype);
        assert_close(&ours, &at(&x, &y), tolerance, tolerance);
    }
}

#[test]
fn bad_measurements_are_told() {
    let image = |value: f64| Tensor::full(value, (1, 1, 2, 2), device()).unwrap();
    let named = |error: Error| error.to_string().split(':').next().unwrap().to_string();
    let means = Downsample::by(2).unwrap();
    assert!(Downsample::by(0).is_err());
    assert_eq!(named(Mask::new(&image(0.5)).unwrap_err()), "mask");
    assert_eq!(named(Mask::new(&image(f64::NAN)).unwrap_err()), "mask");
    assert_eq!(named(Dense::new(&image(1.0)).unwrap_err()), "matrix");
    assert_eq!(
        named(Pigdm::new(means, &image(f64::NAN), 0.1).unwrap_err()),
        "y"
    );
    assert_eq!(
        named(Pigdm::new(means, &image(1.0), -0.1).unwrap_err()),
        "noise"
    );
    let likelihood = || Pigdm::new(means, &image(1.0), 0.1).unwrap();
    assert_eq!(
        named(likelihood().weight(f64::INFINITY).unwrap_err()),
        "weight"
    );
    assert_eq!(
        named(likelihood().data_variance(0.0).unwrap_err()),
        "data_variance"
    );
    assert_eq!(
        named(Dps::new(means, &image(1.0), f64::NAN).unwrap_err()),
        "weight"
    );

    let x = image(0.3);
    let model = Model::new(denoiser(&Cosine), Prediction::Data, &Cosine);
    let fails = |likelihood: &dyn Likelihood, t: f64, x: &Tensor| {
        let error = model.posterior(likelihood).field().at(&Time::Shared(t), x);
        named(error.unwrap_err())
    };
    // Means of 2 × 2 pixels are one number.
    assert_eq!(fails(&likelihood(), 0.5, &x), "y");
    let mask = Mask::new(&Tensor::ones((3, 2), DType::U8, device()).unwrap()).unwrap();
    assert_eq!(fails(&Pigdm::new(mask, &x, 0.1).unwrap(), 0.5, &x), "mask");
    let single = image(1.0).to_dtype(DType::F32).unwrap();
    assert_eq!(
        fails(&Pigdm::new(means, &single, 0.1).unwrap(), 0.5, &x),
        "y"
    );
    // No data in the state; no noise anywhere.
    let all = || Mask::new(&image(1.0)).unwrap();
    assert_eq!(fails(&Pigdm::new(all(), &x, 0.1).unwrap(), 0.0, &x), "t");
    assert_eq!(
        fails(&Pigdm::new(all(), &x, 0.0).unwrap(), 1.0, &x),
        "noise"
    );
    // A field whose graph ends within.
    let law = Gaussian::new(
        &Tensor::new(&MEAN, device()).unwrap(),
        Covariance::isotropic(1.0).unwrap(),
    );
    let ve = VarianceExploding::default();
    let detached = Model::new(
        law.unwrap().field(Prediction::Velocity, &ve),
        Prediction::Velocity,
        &ve,
    );
    let detached = detached.posterior(Pigdm::new(all(), &x, 0.1).unwrap());
    let error = detached.field().at(&Time::Shared(0.5), &x).unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    let cut = Dps::new(measurement_fn(|x| Ok(x.detach().sqr()?)), &x, 0.1).unwrap();
    assert_eq!(fails(&cut, 0.5, &x), "measurement");
}
