//! Sampling between two laws by a velocity and a score: laws at all times by all coefficients and in both directions, orders, and the
//! behaviour of the pieces.

use advect_core::normal::cdf;
use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Time, field_fn, observer_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::{
    Covariance, FiniteData, GaussianMixture, InterpolantField, JointLaw, Law,
};
use advect_paths::path::Interpolant;
use advect_paths::path::gamma::{BrownianBridge, Gamma, Parabola};
use advect_paths::schedule::{CondOt, Cosine, Schedule};
use advect_samplers::diffusion::{DiffusionCoefficient, NoiseLevel, diffusion_fn};
use advect_samplers::grid::GivenTimes;
use advect_samplers::observer::{Snapshots, StepInfo};
use advect_samplers::rule::{ReverseSde, Rule};
use advect_samplers::{
    Model, NoiseSource, PathSde, ProbabilityFlow, Run, Sampler, ScoredVelocity, SdeMethod,
    TwoFields, TwoHeads, equal_times,
};
use advect_solvers::Solver;
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{BrownianPath, EulerMaruyama, Sra1, StratonovichHeun};
use advect_solvers::stepper::Rk4;
use candle_core::{DType, Tensor};

const COUNT: usize = 1200;

/// Weights, means and variances of two mixtures on a line.
type Parts = [(f64, f64, f64)];
const SOURCE: &Parts = &[(0.4, -1.0, 0.05), (0.6, 0.6, 0.2)];
const TARGET: &Parts = &[(0.3, -1.5, 0.1), (0.5, 0.2, 0.04), (0.2, 1.6, 0.1)];

fn mixture(parts: &Parts) -> GaussianMixture {
    let means: Vec<f64> = parts.iter().map(|p| p.1).collect();
    let weights: Vec<f64> = parts.iter().map(|p| p.0).collect();
    let round = |p: &(f64, f64, f64)| Covariance::isotropic(p.2).unwrap();
    let means = Tensor::from_vec(means, (parts.len(), 1), device()).unwrap();
    GaussianMixture::new(&weights, &means, parts.iter().map(round).collect()).unwrap()
}

fn law() -> JointLaw {
    JointLaw::independent(&mixture(SOURCE), &mixture(TARGET)).unwrap()
}

fn bridge() -> BrownianBridge {
    BrownianBridge::new(0.8).unwrap()
}

type Exact<S, G> = TwoFields<InterpolantField<S, G>, InterpolantField<S, G>, G>;

fn exact<S: Schedule + Copy, G: Gamma + Copy>(schedule: S, gamma: G) -> Exact<S, G> {
    let path = Interpolant::new(schedule, gamma);
    TwoFields::with_noise(law().velocity(path), law().noise(path), gamma)
}

/// The largest distance between the distribution of samples and that of the path at a time, in units of the one that a true sample is beyond
/// once in a thousand times.
fn distance(x: &Tensor, schedule: &dyn Schedule, gamma: &dyn Gamma, t: f64) -> f64 {
    let mut values = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    values.sort_by(f64::total_cmp);
    let (alpha, sigma) = (schedule.alpha(t), schedule.sigma(t));
    let probability = |v: f64| {
        let pairs = SOURCE
            .iter()
            .flat_map(|a| TARGET.iter().map(move |b| (a, b)));
        let parts = pairs.map(|((w0, m0, v0), (w1, m1, v1))| {
            let variance = alpha * alpha * v1 + sigma * sigma * v0 + gamma.gamma(t).powi(2);
            w0 * w1 * cdf((v - alpha * m1 - sigma * m0) / variance.sqrt())
        });
        parts.sum::<f64>()
    };
    let n = values.len() as f64;
    let distance = values.iter().enumerate().fold(0f64, |d, (i, v)| {
        let p = probability(*v);
        d.max((p - i as f64 / n).abs())
            .max((p - (i + 1) as f64 / n).abs())
    });
    distance / (1.95 / n.sqrt())
}

/// Samples of an end.
fn draw(parts: &Parts, seed: u64) -> Tensor {
    mixture(parts)
        .sample(COUNT, DType::F64, device(), &mut Generator::from_seed(seed))
        .unwrap()
}

fn coefficients() -> Vec<(&'static str, Box<dyn DiffusionCoefficient>)> {
    vec![
        ("γ", Box::new(NoiseLevel::new(1.0).unwrap())),
        ("3 γ", Box::new(NoiseLevel::new(3.0).unwrap())),
        ("constant", Box::new(diffusion_fn(|_| 0.5))),
        ("late", Box::new(diffusion_fn(|t| t * t))),
        ("none", Box::new(diffusion_fn(|_| 0.0))),
    ]
}

#[test]
fn all_coefficients_give_the_law_at_all_times_in_both_directions() {
    let model = exact(CondOt::default(), bridge());
    let methods = [
        SdeMethod::Heun,
        SdeMethod::Sra1,
        SdeMethod::Sra1,
        SdeMethod::Sra3,
        SdeMethod::EulerMaruyama,
    ];
    for ((name, coefficient), method) in coefficients().into_iter().zip(methods) {
        let sde = PathSde::new(coefficient).method(method);
        for (start, end, parts) in [(0.0, 1.0, SOURCE), (1.0, 0.0, TARGET)] {
            let mut seen = Snapshots::every(8).unwrap();
            let mut run = Run::of(&model, Key::from_seed(4)).observer(&mut seen);
            let times = equal_times(start, end, 32).unwrap();
            let x = sde.transport(&mut run, &draw(parts, 1), &times).unwrap();
            assert_eq!(seen.times.len(), 4);
            for (t, x) in seen.times.iter().zip(&seen.states) {
                let distance = distance(x, &CondOt::default(), &bridge(), *t);
                assert!(
                    distance < 1.0,
                    "{name}, {method:?}, from {start} at {t}: {distance}"
                );
            }
            // There and back again.
            if start == 0.0 {
                let back = equal_times(1.0, 0.0, 32).unwrap();
                let back = sde
                    .sample(&model, &x, &back, &mut Generator::from_seed(9))
                    .unwrap();
                let distance = distance(&back, &CondOt::default(), &bridge(), 0.0);
                assert!(distance < 1.0, "{name}, back: {distance}");
            }
        }
    }
}

#[test]
fn the_flow_gives_the_law_and_comes_back() {
    let model = exact(Cosine, Parabola);
    let flow = ProbabilityFlow::new(Solver::new(Rk4, Fixed::steps(20).unwrap()));
    let mut run = Run::of(&model, Key::from_seed(0));
    let x0 = draw(SOURCE, 3);
    let middle = flow.transport(&mut run, &x0, 0.0, 0.5).unwrap();
    let x1 = flow.transport(&mut run, &middle, 0.5, 1.0).unwrap();
    assert!(distance(&middle, &Cosine, &Parabola, 0.5) < 1.0);
    assert!(distance(&x1, &Cosine, &Parabola, 1.0) < 1.0);
    let back = flow.transport(&mut run, &x1, 1.0, 0.0).unwrap();
    let error = (back - &x0).unwrap().abs().unwrap().max_all().unwrap();
    assert!(error.to_scalar::<f64>().unwrap() < 1e-2, "{error}");
    assert_eq!(run.evaluations(), 3 * 20 * 4);
    // From the middle by an SDE.
    let sde = PathSde::new(diffusion_fn(|_| 1.0)).method(SdeMethod::Sra1);
    let times = equal_times(0.5, 1.0, 40).unwrap();
    let x = sde
        .sample(&model, &middle, &times, &mut Generator::from_seed(2))
        .unwrap();
    assert!(distance(&x, &Cosine, &Parabola, 1.0) < 1.0);
}

/// The tests of laws see a wrong sign of the score's term, and a drift that is meant for the other direction.
#[test]
fn a_wrong_sign_is_seen() {
    let path = Interpolant::new(CondOt::default(), bridge());
    let (velocity, noise) = (law().velocity(path), law().noise(path));
    let wrong = field_fn(|t, x| Ok(noise.at(t, x)?.neg()?));
    let model = TwoFields::with_noise(&velocity, wrong, bridge());
    let sde = PathSde::new(NoiseLevel::new(3.0).unwrap()).method(SdeMethod::Sra1);
    let ends = [(0.0, 1.0, SOURCE), (1.0, 0.0, TARGET)];
    for (start, end, parts) in ends {
        let times = equal_times(start, end, 32).unwrap();
        let x = sde
            .sample(
                &model,
                &draw(parts, 1),
                &times,
                &mut Generator::from_seed(4),
            )
            .unwrap();
        let distance = distance(&x, &CondOt::default(), &bridge(), end);
        assert!(distance > 2.0, "from {start}: {distance}");
    }
    let right = TwoFields::with_noise(&velocity, &noise, bridge());
    let x0 = draw(SOURCE, 1);
    let motion = BrownianPath::new(Key::from_seed(0), &x0, 0.0, 0.9).unwrap();
    let forwards = sde.forwards(&right);
    let backwards = sde.backwards(&right);
    for (drift, right) in [(&forwards, true), (&backwards, false)] {
        let stepper = Sra1::new(drift.noise(), motion.clone());
        let solver = Solver::new(stepper, Fixed::steps(32).unwrap());
        let x = solver.solve(drift, &x0, 0.0, 0.9).unwrap().end().unwrap();
        let distance = distance(&x, &CondOt::default(), &bridge(), 0.9);
        assert_eq!(distance < 1.0, right, "{distance}");
    }
}

/// On one Brownian path for all numbers of steps: the error of each path, and of means.
#[test]
fn methods_have_their_strong_and_weak_orders() {
    // Fewer components take less time.
    let source = mixture(&[(1.0, -0.5, 0.3)]);
    let law = JointLaw::independent(&source, &mixture(SOURCE)).unwrap();
    let path = Interpolant::new(CondOt::default(), bridge());
    let model = TwoFields::with_noise(law.velocity(path), law.noise(path), bridge());
    let sde = PathSde::new(diffusion_fn(|t| 0.3 + t));
    let drift = sde.forwards(&model);
    let (start, end) = (0.1, 0.9);
    let x = source
        .sample(2500, DType::F64, device(), &mut Generator::from_seed(6))
        .unwrap();
    let motion = BrownianPath::new(Key::from_seed(2), &x, start, end)
        .unwrap()
        .cells(96)
        .unwrap();
    let by = |method: SdeMethod, steps: usize| {
        let (noise, motion) = (drift.noise(), motion.clone().areas());
        let fixed = Fixed::steps(steps).unwrap();
        let solution = match method {
            SdeMethod::EulerMaruyama => {
                Solver::new(EulerMaruyama::new(noise, motion), fixed).solve(&drift, &x, start, end)
            }
            SdeMethod::Heun => Solver::new(StratonovichHeun::new(noise, motion), fixed)
                .solve(&drift, &x, start, end),
            _ => Solver::new(Sra1::new(noise, motion), fixed).solve(&drift, &x, start, end),
        };
        solution.unwrap().end().unwrap()
    };
    let reference = by(SdeMethod::Sra1, 96);
    let mean = |x: &Tensor| x.mean_all().unwrap().to_scalar::<f64>().unwrap();
    let strong = |x: &Tensor| mean(&(x - &reference).unwrap().sqr().unwrap()).sqrt();
    // Of several functions, as one of them may miss an error.
    let means = |x: &Tensor| {
        let bell = x.sqr().unwrap().neg().unwrap().exp().unwrap();
        let wave = (x * 2.0).unwrap().cos().unwrap();
        [mean(x), mean(&x.sqr().unwrap()), mean(&wave), mean(&bell)]
    };
    let weak = |x: &Tensor| {
        let pairs = means(x).into_iter().zip(means(&reference));
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    for (method, orders) in [
        (SdeMethod::EulerMaruyama, [1.0, 1.0]),
        (SdeMethod::Heun, [1.0, 2.0]),
        (SdeMethod::Sra1, [1.5, 2.0]),
    ] {
        let [few, many] = [4, 12].map(|steps| by(method, steps));
        let measured = [
            (strong(&few) / strong(&many)).log(3.0),
            (weak(&few) / weak(&many)).log(3.0),
        ];
        println!("{method:?}: strong, weak {measured:?}");
        for ((order, expected), tolerance) in measured.iter().zip(orders).zip([0.25, 0.5]) {
            assert!(
                (order - expected).abs() < tolerance,
                "{method:?}: {measured:?}"
            );
        }
    }
}

#[test]
fn two_heads_are_two_fields() {
    let path = Interpolant::new(CondOt::default(), bridge());
    let (velocity, noise, score) = (law().velocity(path), law().noise(path), law().score(path));
    let heads = |second: &dyn Field, t: &Time, x: &Tensor| {
        Ok(Tensor::cat(&[velocity.at(t, x)?, second.at(t, x)?], 1)?)
    };
    let with_noise = TwoHeads::with_noise(field_fn(|t, x| heads(&noise, t, x)), bridge());
    let with_score = TwoHeads::with_score(field_fn(|t, x| heads(&score, t, x)), bridge());
    let two = TwoFields::with_noise(&velocity, &noise, bridge());
    let two_with_score = TwoFields::with_score(&velocity, &score, bridge());
    let sde = PathSde::new(diffusion_fn(|_| 1.0)).method(SdeMethod::Heun);
    let sample = |model: &dyn ScoredVelocity| {
        let x = draw(SOURCE, 1).narrow(0, 0, 50).unwrap();
        let times = equal_times(0.0, 1.0, 10).unwrap();
        let x = sde
            .sample(model, &x, &times, &mut Generator::from_seed(7))
            .unwrap();
        x.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    assert_eq!(sample(&with_noise), sample(&two));
    assert_eq!(sample(&with_score), sample(&two_with_score));
    for (a, b) in sample(&two).iter().zip(sample(&two_with_score)) {
        assert!((a - b).abs() < 1e-9);
    }
    // A field without a second head.
    let plain = TwoHeads::with_noise(&velocity, bridge());
    let error = plain.drift(0.5, &draw(SOURCE, 1), 1.0).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "field"));
}

/// A path from noise to data: the rule of score models is the SDE along the path, to the bit.
#[test]
fn the_reverse_sde_is_the_sde_of_the_path() {
    let field = mixture(TARGET).field(Prediction::Noise, Cosine);
    let model = Model::new(field, Prediction::Noise, Cosine);
    let x = Generator::from_seed(3)
        .normal((40, 1), DType::F64, device())
        .unwrap();
    let times = equal_times(0.05, 0.95, 9).unwrap();
    for method in [SdeMethod::EulerMaruyama, SdeMethod::Heun, SdeMethod::Sra1] {
        let level = NoiseLevel::new(1.0).unwrap();
        let rule = ReverseSde::new(level)
            .method(method)
            .on(GivenTimes::new(&times).unwrap());
        let mut run = Run::new(&model, Key::from_seed(1)).any_start();
        let ours = rule.run(&mut run, &x).unwrap();
        let mut run = Run::of(&model, Key::from_seed(1));
        let path = PathSde::new(level)
            .method(method)
            .transport(&mut run, &x, &times)
            .unwrap();
        assert_eq!(
            ours.to_vec2::<f64>().unwrap(),
            path.to_vec2::<f64>().unwrap()
        );
    }
}

#[test]
fn samples_have_noise_by_their_numbers_and_observers_are_told() {
    let model = exact(CondOt::default(), bridge());
    let sde = PathSde::new(NoiseLevel::new(1.0).unwrap()).method(SdeMethod::Sra1);
    let source = NoiseSource::new(Key::from_seed(5), &[1], DType::F64, device()).unwrap();
    let x0 = draw(SOURCE, 1).narrow(0, 0, 12).unwrap();
    let times = equal_times(0.0, 1.0, 5).unwrap();
    let piece = |first: usize, count: usize| {
        let mut run = source.run_of(&model, first as u64);
        let x = x0.narrow(0, first, count).unwrap();
        let x = sde.transport(&mut run, &x, &times).unwrap();
        x.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    assert_eq!(piece(0, 12), [piece(0, 7), piece(7, 5)].concat());

    let mut levels = Vec::new();
    let mut watch = observer_fn(|reached: &StepInfo| {
        levels.push((reached.level.time, reached.level.sigma, reached.evaluations));
        match reached.step == 3 {
            true => std::ops::ControlFlow::Break(()),
            false => std::ops::ControlFlow::Continue(()),
        }
    });
    let mut run = Run::of(&model, Key::from_seed(0)).observer(&mut watch);
    sde.transport(&mut run, &x0, &times).unwrap();
    assert!(run.halted());
    let expected = [1, 2, 3].map(|i| (times[i], bridge().gamma(times[i]), 2 * i));
    assert_eq!(levels, expected);
}

/// At the ends the state has no noise: a step there is one of the flow, whatever w² is.
#[test]
fn steps_at_the_ends_have_no_noise() {
    let model = exact(CondOt::default(), bridge());
    let x = draw(SOURCE, 1).narrow(0, 0, 20).unwrap();
    let step = |squared: f64, times: [f64; 2], seed: u64| {
        let sde = PathSde::new(diffusion_fn(move |_| squared)).method(SdeMethod::Heun);
        let x = sde
            .sample(&model, &x, &times, &mut Generator::from_seed(seed))
            .unwrap();
        x.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    for times in [[0.0, 0.1], [0.1, 0.0], [0.9, 1.0], [1.0, 0.9]] {
        assert_eq!(step(2.0, times, 1), step(0.0, times, 2), "{times:?}");
    }
    assert_ne!(step(2.0, [0.1, 0.2], 1), step(2.0, [0.1, 0.2], 2));
    // The points of a data set: γ = t (1 − t) has a velocity there, which is the mean way.
    let points =
        |x: &[f64]| FiniteData::new(&Tensor::new(x, device()).unwrap().unsqueeze(1).unwrap());
    let points =
        JointLaw::independent(&points(&[0.0]).unwrap(), &points(&[1.0, 3.0]).unwrap()).unwrap();
    let path = Interpolant::new(CondOt::default(), Parabola);
    let model = TwoFields::with_noise(points.velocity(path), points.noise(path), Parabola);
    let sde = PathSde::new(diffusion_fn(|_| 1.0));
    let zero = Tensor::zeros((1, 1), DType::F64, device()).unwrap();
    let x = sde
        .sample(&model, &zero, &[0.0, 0.5], &mut Generator::from_seed(0))
        .unwrap();
    assert_eq!(x.to_vec2::<f64>().unwrap(), [[1.0]]);
}

#[test]
fn bad_arguments_are_typed_errors() {
    let model = exact(CondOt::default(), bridge());
    let x = draw(SOURCE, 1).narrow(0, 0, 3).unwrap();
    let message = |error: Error| {
        assert!(matches!(error, Error::Range { .. }), "{error}");
        error.to_string()
    };
    let rng = || Generator::from_seed(0);
    for squared in [-1.0, f64::INFINITY, f64::NAN] {
        let sde = PathSde::new(diffusion_fn(move |t| if t > 0.45 { squared } else { 1.0 }));
        let error = message(
            sde.sample(&model, &x, &[0.2, 0.5, 0.7], &mut rng())
                .unwrap_err(),
        );
        assert!(
            error.starts_with("diffusion: got w² = ") && error.contains("at t = 0.5"),
            "{error}"
        );
        let error = message(sde.forwards(&model).at(&Time::Shared(0.5), &x).unwrap_err());
        assert!(error.contains("at t = 0.5"), "{error}");
    }
    // The end of a bridge has no score by its noise.
    let error = message(model.drift(1.0, &x, 0.5).unwrap_err());
    assert!(error.starts_with("t: got 1,"), "{error}");
    assert!(model.drift(1.0, &x, 0.0).is_ok());
    let sde = PathSde::new(NoiseLevel::new(1.0).unwrap());
    for times in [
        &[0.5][..],
        &[0.2, 0.2],
        &[0.2, 0.5, 0.4],
        &[0.5, 1.1],
        &[f64::NAN, 0.3],
    ] {
        let error = message(sde.sample(&model, &x, times, &mut rng()).unwrap_err());
        assert!(error.starts_with("times: got "), "{error}");
    }
    for (start, end, steps) in [(0.0, 0.0, 3), (0.0, 2.0, 3), (0.0, 1.0, 0)] {
        assert!(equal_times(start, end, steps).is_err());
    }
    let each = Time::per_sample(&[0.1, 0.2, 0.3]).unwrap();
    let error = message(sde.forwards(&model).at(&each, &x).unwrap_err());
    assert!(error.starts_with("t: got one per sample"), "{error}");
    let wrong = TwoFields::with_noise(
        field_fn(|_, x| Ok(x.narrow(0, 0, 1)?)),
        field_fn(|_, x| Ok(x.clone())),
        bridge(),
    );
    let error = sde.sample(&wrong, &x, &[0.2, 0.5], &mut rng()).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "velocity"));
}
