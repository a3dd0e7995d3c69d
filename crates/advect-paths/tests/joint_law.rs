//! Fields between two laws against finite differences, the continuity equation, regression on draws, and one another.

use advect_core::testing::{assert_close, derivative, device, gradient};
use advect_core::{Error, Field, Generator, Jvp, Time};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, FiniteData, Gaussian, GaussianMixture, JointLaw, Law};
use advect_paths::path::gamma::{BrownianBridge, Constant, Gamma, Parabola, SineSquared};
use advect_paths::path::{Interpolant, Path};
use advect_paths::schedule::{
    CondOt, Cosine, EncodingDecoding, LinearVariancePreserving, Schedule,
};
use candle_core::{DType, Tensor};

type AnyPath<'a> = Interpolant<&'a dyn Schedule, &'a dyn Gamma>;

fn tensor(rows: &[[f64; 2]]) -> Tensor {
    Tensor::new(rows.concat(), device())
        .unwrap()
        .reshape((rows.len(), 2))
        .unwrap()
}

fn scalar(x: &Tensor) -> f64 {
    x.sum_all().unwrap().to_scalar().unwrap()
}

fn full(a: f64, b: f64, c: f64) -> Covariance {
    Covariance::full(vec![a, b, b, c]).unwrap()
}

fn round(variance: f64) -> Covariance {
    Covariance::isotropic(variance).unwrap()
}

fn mixture(weights: &[f64], means: &[[f64; 2]], covariances: Vec<Covariance>) -> GaussianMixture {
    GaussianMixture::new(weights, &tensor(means), covariances).unwrap()
}

fn source() -> GaussianMixture {
    let flat = Covariance::diagonal(vec![0.1, 0.4]).unwrap();
    mixture(
        &[0.6, 0.4],
        &[[-1.0, 0.5], [0.3, -0.7]],
        vec![flat, round(0.2)],
    )
}

fn target() -> GaussianMixture {
    let means = [[1.0, 0.4], [-0.2, 1.1], [0.5, -1.0]];
    let covariances = vec![full(0.5, 0.2, 0.3), round(0.1), round(0.3)];
    mixture(&[0.2, 0.5, 0.3], &means, covariances)
}

/// Laws of all kinds of covariances, which have the densities of Gaussians wherever γ > 0.
fn laws() -> Vec<(&'static str, JointLaw)> {
    let (x0, x1) = (
        tensor(&[[0.0, 0.2], [1.0, -0.5], [-0.4, -1.0]]),
        tensor(&[[0.8, 1.0], [-1.0, 0.1]]),
    );
    let (rounds, others) = (
        mixture(&[0.5, 0.5], &[[0.0, 1.0], [1.0, 0.0]], vec![round(0.2)]),
        mixture(
            &[1.0],
            &[[-1.0, -0.5]],
            vec![Covariance::diagonal(vec![0.3, 0.1]).unwrap()],
        ),
    );
    let correlated = (
        mixture(
            &[0.3, 0.7],
            &[[-1.0, 0.0], [0.5, 0.5]],
            vec![full(0.4, 0.1, 0.3), round(0.5)],
        ),
        mixture(
            &[0.3, 0.7],
            &[[0.6, 1.0], [0.0, -0.8]],
            vec![round(0.4), full(0.3, -0.1, 0.6)],
        ),
    );
    let crosses = [vec![0.2, -0.1, 0.15, 0.1], vec![-0.1, 0.3, 0.05, 0.2]];
    vec![
        (
            "independent",
            JointLaw::independent(&source(), &target()).unwrap(),
        ),
        (
            "isotropic",
            JointLaw::independent(&rounds, &rounds).unwrap(),
        ),
        ("diagonal", JointLaw::independent(&rounds, &others).unwrap()),
        (
            "plan",
            JointLaw::plan(&x0, &x1, &[0.1, 0.3, 0.0, 0.2, 0.25, 0.15]).unwrap(),
        ),
        (
            "correlated",
            JointLaw::correlated(&correlated.0, &correlated.1, &crosses).unwrap(),
        ),
    ]
}

fn paths(f: impl Fn(&str, AnyPath<'_>)) {
    let bridge = BrownianBridge::new(0.8).unwrap();
    let constant = Constant::new(0.3).unwrap();
    f("bridge", Interpolant::new(&CondOt::default(), &bridge));
    f("trigonometric", Interpolant::new(&Cosine, &Parabola));
    f("constant", Interpolant::new(&CondOt::default(), &constant));
    f(
        "encoding-decoding",
        Interpolant::new(&EncodingDecoding, &SineSquared),
    );
}

const ALL: [Prediction; 5] = [
    Prediction::Velocity,
    Prediction::Score,
    Prediction::Noise,
    Prediction::Data,
    Prediction::V,
];

/// `∂_t log p + b·s + ∇·b = 0`, the score as the gradient of the log-density and as −η/γ, the parts that add up to the state, and derivatives
/// by finite differences.
#[test]
fn fields_obey_their_equations() {
    let mut rng = Generator::from_seed(3);
    let x = rng.normal((1, 2), DType::F64, device()).unwrap();
    let dx = rng.normal((1, 2), DType::F64, device()).unwrap();
    for (name, law) in laws() {
        paths(|path_name, path| {
            for t in [0.15, 0.6, 0.85] {
                let time = Time::Shared(t);
                let at = |prediction| law.field(prediction, path).at(&time, &x).unwrap();
                let [velocity, score, noise, data, v] = ALL.map(at);
                let log_density =
                    |t: f64, x: &Tensor| law.score(path).log_density(&Time::Shared(t), x);
                let numeric = gradient(|x| Ok(scalar(&log_density(t, x)?)), &x, 1e-3).unwrap();
                assert_close(&score, &numeric, 1e-7, 1e-7);

                let change = derivative(|t| scalar(&log_density(t, &x).unwrap()), t, 1e-3);
                let carried = scalar(&(&velocity * &score).unwrap());
                let spread = scalar(&law.velocity(path).divergence(&time, &x).unwrap());
                let size = 1.0 + change.abs() + carried.abs() + spread.abs();
                let residual = change + carried + spread;
                assert!(
                    residual.abs() < 1e-7 * size,
                    "{name}, {path_name} at {t}: {residual}"
                );

                let (s, gamma) = (path.schedule(), path.gamma().gamma(t));
                let (alpha, sigma) = (s.alpha(t), s.sigma(t));
                assert_close(&(&score * -gamma).unwrap(), &noise, 1e-12, 1e-12);
                if alpha != 0.0 {
                    let source = ((v + (&data * sigma).unwrap()).unwrap() / alpha).unwrap();
                    let ends = ((data * alpha).unwrap() + (source * sigma).unwrap()).unwrap();
                    let state = (ends + (noise * gamma).unwrap()).unwrap();
                    assert_close(&state, &x, 1e-10, 1e-10);
                }
                for prediction in ALL {
                    let field = law.field(prediction, path);
                    let along = |h: f64| {
                        let x = (&x + (&dx * h).unwrap()).unwrap();
                        field.at(&time, &x).unwrap()
                    };
                    let central = |h: f64| ((along(h) - along(-h)).unwrap() / (2.0 * h)).unwrap();
                    let numeric =
                        (((central(5e-4) * 4.0).unwrap() - central(1e-3)).unwrap() / 3.0).unwrap();
                    let (value, slope) = field.jvp(&time, &x, 0.0, &dx).unwrap();
                    assert_close(&value, &along(0.0), 0.0, 0.0);
                    assert_close(&slope, &numeric, 1e-6, 1e-6);
                    let units = [[1.0, 0.0], [0.0, 1.0]].map(|unit| tensor(&[unit]));
                    let (_, columns) = field.jvp_each(&time, &x, &units).unwrap();
                    let trace = scalar(&(&columns[0] * &units[0]).unwrap())
                        + scalar(&(&columns[1] * &units[1]).unwrap());
                    let divergence = scalar(&field.divergence(&time, &x).unwrap());
                    assert!(
                        (divergence - trace).abs() < 1e-10 * (1.0 + trace.abs()),
                        "{name}"
                    );
                }
            }
        });
    }
}

/// The residual of a regression on draws of the path is orthogonal to functions of the state.
#[test]
fn fields_are_the_means_of_draws() {
    let n = 20_000;
    let mut rng = Generator::from_seed(8);
    for (name, law) in laws() {
        let (x0, x1) = law.sample(n, DType::F64, device(), &mut rng).unwrap();
        let path = Interpolant::new(CondOt::default(), BrownianBridge::new(0.8).unwrap());
        let time = Time::Shared(0.4);
        let point = path.sample(&time, &x0, &x1, &mut rng).unwrap();
        for prediction in [Prediction::Velocity, Prediction::Noise, Prediction::Data] {
            let field = law.field(prediction, path);
            let residual =
                (point.target(prediction).unwrap() - field.at(&time, &point.x).unwrap()).unwrap();
            for function in [
                point.x.ones_like().unwrap(),
                point.x.sin().unwrap(),
                (&point.x * 3.0).unwrap().cos().unwrap(),
                point
                    .x
                    .sqr()
                    .unwrap()
                    .sum_keepdim(1)
                    .unwrap()
                    .neg()
                    .unwrap()
                    .exp()
                    .unwrap()
                    .broadcast_as((n, 2))
                    .unwrap(),
            ] {
                let products = (&residual * function).unwrap();
                let mean = products.mean(0).unwrap().to_vec1::<f64>().unwrap();
                let square = products
                    .sqr()
                    .unwrap()
                    .mean(0)
                    .unwrap()
                    .to_vec1::<f64>()
                    .unwrap();
                for (mean, square) in mean.iter().zip(square) {
                    let error = (square / n as f64).sqrt();
                    assert!(
                        mean.abs() < 4.5 * error,
                        "{name}, {prediction:?}: {mean} ± {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_normal_source_without_noise_is_the_affine_path() {
    let mut rng = Generator::from_seed(5);
    let x = rng.normal((5, 2), DType::F64, device()).unwrap();
    let normal = Gaussian::new(&Tensor::zeros(2, DType::F64, device()).unwrap(), round(1.0));
    let law = JointLaw::independent(&normal.unwrap(), &target()).unwrap();
    let none = Constant::new(0.0).unwrap();
    let t = Time::per_sample(&[0.0, 0.2, 0.5, 0.9, 1.0]).unwrap();
    for schedule in [
        &CondOt::default() as &dyn Schedule,
        &Cosine,
        &LinearVariancePreserving,
    ] {
        for prediction in [
            Prediction::Score,
            Prediction::Velocity,
            Prediction::Data,
            Prediction::V,
        ] {
            let ours = law.field(prediction, Interpolant::new(schedule, none));
            let known = target().field(prediction, schedule);
            assert_close(
                &ours.at(&t, &x).unwrap(),
                &known.at(&t, &x).unwrap(),
                1e-10,
                1e-11,
            );
            // One time for all gives what a time for each does.
            let shared = ours
                .at(&Time::Shared(0.2), &x)
                .unwrap()
                .narrow(0, 1, 1)
                .unwrap();
            assert_close(
                &shared,
                &ours.at(&t, &x).unwrap().narrow(0, 1, 1).unwrap(),
                0.0,
                0.0,
            );
        }
    }
    // Noise on the way is noise of the source: √(σ² + γ²).
    let path = Interpolant::new(CondOt::default(), Parabola);
    let deviation = (0.36f64 + 0.24f64.powi(2)).sqrt();
    struct Wider(f64);
    impl Schedule for Wider {
        fn alpha(&self, t: f64) -> f64 {
            t
        }
        fn sigma(&self, _: f64) -> f64 {
            self.0
        }
        fn d_alpha(&self, _: f64) -> f64 {
            1.0
        }
        fn d_sigma(&self, _: f64) -> f64 {
            0.0
        }
    }
    let time = Time::Shared(0.4);
    let ours = law.score(path).at(&time, &x).unwrap();
    let known = target().score(Wider(deviation)).at(&time, &x).unwrap();
    assert_close(&ours, &known, 1e-12, 1e-12);
}

#[test]
fn the_density_is_that_of_the_formula() {
    let normal = |x: f64, mean: f64, variance: f64| {
        let scale = 2.0 * std::f64::consts::PI * variance;
        (-0.5 * (x - mean).powi(2) / variance).exp() / scale.sqrt()
    };
    let one = |weights: &[f64], means: &[f64], variance: f64| {
        let means = Tensor::new(means, device()).unwrap().unsqueeze(1).unwrap();
        GaussianMixture::new(weights, &means, vec![round(variance)]).unwrap()
    };
    let law = JointLaw::independent(
        &one(&[0.3, 0.7], &[-1.0, 0.5], 0.2),
        &one(&[0.6, 0.4], &[2.0, -0.5], 0.1),
    );
    let path = Interpolant::new(CondOt::default(), BrownianBridge::new(0.5).unwrap());
    let (t, x) = (0.3f64, 0.4);
    let variance = t * t * 0.1 + (1.0 - t).powi(2) * 0.2 + 0.5 * t * (1.0 - t);
    let mut density = 0.0;
    for (w0, m0) in [(0.3, -1.0), (0.7, 0.5)] {
        for (w1, m1) in [(0.6, 2.0), (0.4, -0.5)] {
            density += w0 * w1 * normal(x, t * m1 + (1.0 - t) * m0, variance);
        }
    }
    let x = Tensor::new(&[[x]], device()).unwrap();
    let ours = law
        .unwrap()
        .noise(path)
        .log_density(&Time::Shared(t), &x)
        .unwrap();
    assert!((scalar(&ours) - density.ln()).abs() < 1e-13);
}

#[test]
fn ends_are_limits_or_errors() {
    let x = tensor(&[[0.3, 0.1], [-0.5, 0.8]]);
    for (name, law) in laws() {
        paths(|path_name, path| {
            for t in [0.0, 1.0] {
                for prediction in ALL {
                    let field = law.field(prediction, path);
                    let value = field.at(&Time::Shared(t), &x);
                    let noisy = path.gamma().gamma(t) > 0.0;
                    if name == "plan" && !noisy {
                        // A mean where it exists, of the nearest point's pairs.
                        let steep = path.gamma().d_gamma(t).is_infinite();
                        let defined = match prediction {
                            Prediction::Score => false,
                            Prediction::Velocity => !steep,
                            _ => true,
                        };
                        assert_eq!(value.is_ok(), defined, "{path_name} at {t}: {prediction:?}");
                        if let Err(error) = value {
                            let message = error.to_string();
                            assert!(message.starts_with(&format!("t: got {t} ")), "{message}");
                        }
                        continue;
                    }
                    let near = field.at(&Time::Shared((t - 1e-9f64).abs()), &x).unwrap();
                    // The noise given x grows with γ, which is the root of the time here.
                    assert_close(&value.unwrap(), &near, 1e-3, 1e-3);
                }
            }
        });
    }
    // At a point of the plan the velocity is the mean way of its mass.
    let (_, plan) = laws().swap_remove(3);
    let velocity = plan.velocity(Interpolant::new(CondOt::default(), Parabola));
    let value = velocity
        .at(&Time::Shared(0.0), &tensor(&[[0.0, 0.2]]))
        .unwrap();
    let expected = [0.25 * 0.8 - 0.75, 0.25 * 1.0 + 0.75 * 0.1 - 0.2];
    assert_close(&value, &tensor(&[expected]), 1e-14, 1e-14);
    for outside in [-0.1, 1.1, f64::NAN] {
        assert!(velocity.at(&Time::Shared(outside), &x).is_err());
    }
    let wide = Tensor::zeros((2, 3), DType::F64, device()).unwrap();
    let error = velocity.at(&Time::Shared(0.5), &wide).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "x"));
}

/// Ends of lower dimension: what does not vary neither moves nor divides.
#[test]
fn flat_ends_have_the_limit_of_little_noise() {
    let angle = 0.7f64;
    let (c, s) = (angle.cos(), angle.sin());
    let line = full(c * c, c * s, s * s);
    let source = mixture(&[1.0], &[[0.2, -0.1]], vec![line]);
    let law = JointLaw::independent(&source, &target()).unwrap();
    // On the line.
    let x = tensor(&[[0.2 + 0.5 * c, -0.1 + 0.5 * s]]);
    let at = |gamma: &dyn Gamma, t: f64| {
        let path: AnyPath<'_> = Interpolant::new(&Cosine, gamma);
        law.velocity(path).at(&Time::Shared(t), &x)
    };
    let start = at(&Parabola, 0.0).unwrap();
    let mean = target()
        .denoiser(CondOt::default())
        .at(&Time::Shared(0.0), &x)
        .unwrap();
    assert_close(
        &start,
        &(mean * (0.5 * std::f64::consts::PI)).unwrap(),
        1e-12,
        1e-12,
    );
    assert!(at(&BrownianBridge::new(1.0).unwrap(), 0.0).is_err());
}

#[test]
fn bad_joint_laws_are_refused() {
    let argument = |error: Error| match error {
        Error::Range { argument, .. } | Error::Shape { argument, .. } => argument.to_string(),
        other => panic!("{other}"),
    };
    let line = FiniteData::new(&Tensor::new(&[[0.0f64]], device()).unwrap()).unwrap();
    let error = JointLaw::independent(&source(), &line).unwrap_err();
    assert_eq!(argument(error), "target");
    let (x0, x1) = (tensor(&[[0.0, 0.2], [1.0, 0.0]]), tensor(&[[0.8, 1.0]]));
    for masses in [&[0.5][..], &[0.5, -0.5], &[0.0, 0.0], &[f64::NAN, 1.0]] {
        let error = JointLaw::plan(&x0, &x1, masses).unwrap_err();
        assert_eq!(argument(error), "masses", "{masses:?}");
    }
    let error = JointLaw::entries(&x0, &x1, &[(0, 1, 1.0)]).unwrap_err();
    assert_eq!(argument(error), "entries");
    // More covariance than the two have.
    let unit = mixture(&[1.0], &[[0.0, 0.0]], vec![round(1.0)]);
    let error = JointLaw::correlated(&unit, &unit, &[vec![1.1, 0.0, 0.0, 0.0]]).unwrap_err();
    assert_eq!(argument(error), "crosses");
    let error = JointLaw::correlated(&unit, &target(), &[vec![0.0; 4]]).unwrap_err();
    assert_eq!(argument(error), "target");
    let two = |first: f64| {
        mixture(
            &[first, 1.0 - first],
            &[[0.0, 0.0], [1.0, 1.0]],
            vec![round(1.0)],
        )
    };
    let zeros = [vec![0.0; 4], vec![0.0; 4]];
    let error = JointLaw::correlated(&two(0.5), &two(0.4), &zeros).unwrap_err();
    assert_eq!(argument(error), "target");
}
