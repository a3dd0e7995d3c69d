//! Closed forms against finite differences, the continuity equation, and one another.

use advect_core::testing::{assert_close, derivative, device, gradient};
use advect_core::{Error, Field, Generator, Jvp, Time, field_fn};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, FiniteData, Gaussian, GaussianMixture, Law};
use advect_paths::preconditioner::{EdmPreconditioner, Preconditioned};
use advect_paths::schedule::{
    CondOt, Cosine, DiscreteDiffusion, EdmSchedule, LinearVariancePreserving, Polynomial, Retimed,
    Schedule, SubVariancePreserving, VarianceExploding, VarianceExplodingSde, VariancePreserving,
};
use candle_core::{DType, Tensor};

const ALL: [Prediction; 5] = [
    Prediction::Velocity,
    Prediction::Score,
    Prediction::Noise,
    Prediction::Data,
    Prediction::V,
];

fn schedules() -> Vec<(&'static str, Box<dyn Schedule>)> {
    let warp = Retimed::new(Cosine, |t| 0.5 * (t + t * t), |t| 0.5 + t).unwrap();
    vec![
        ("cond ot", Box::new(CondOt::default())),
        ("cond ot 0.1", Box::new(CondOt::new(0.1).unwrap())),
        ("vp", Box::new(VariancePreserving::default())),
        ("sub-vp", Box::new(SubVariancePreserving::default())),
        ("ve", Box::new(VarianceExploding::new(0.02, 3.0).unwrap())),
        (
            "ve sde",
            Box::new(VarianceExplodingSde::new(0.02, 3.0).unwrap()),
        ),
        ("cosine", Box::new(Cosine)),
        ("linear vp", Box::new(LinearVariancePreserving)),
        ("polynomial", Box::new(Polynomial::new(2.0).unwrap())),
        ("edm", Box::new(EdmSchedule::new(0.02, 3.0, 7.0).unwrap())),
        (
            "ddpm",
            Box::new(DiscreteDiffusion::linear(10, 0.01, 0.7).unwrap()),
        ),
        ("retimed", Box::new(warp)),
    ]
}

fn mixture() -> GaussianMixture {
    let means = Tensor::new(
        &[[0.5f64, -0.3, 1.0], [-1.0, 0.2, 0.0], [0.0, 1.0, -1.0]],
        device(),
    );
    let covariances = vec![
        Covariance::full(vec![0.5, 0.2, 0.0, 0.2, 0.3, -0.1, 0.0, -0.1, 0.2]).unwrap(),
        Covariance::diagonal(vec![0.1, 0.6, 0.2]).unwrap(),
        Covariance::isotropic(0.3).unwrap(),
    ];
    GaussianMixture::new(&[0.2, 0.5, 0.3], &means.unwrap(), covariances).unwrap()
}

fn points() -> FiniteData {
    let data = [
        [1.0f64, 0.0, 0.3],
        [-1.0, 0.5, 0.0],
        [0.3, -1.2, 0.8],
        [0.4, 0.4, -0.5],
    ];
    let data = Tensor::new(&data, device()).unwrap();
    FiniteData::weighted(&data, &[0.1, 0.2, 0.3, 0.4]).unwrap()
}

fn gaussian() -> Gaussian {
    let mean = Tensor::new(&[0.5f64, -1.0, 0.2], device()).unwrap();
    let covariance = vec![2.0, 0.3, 0.1, 0.3, 0.5, 0.0, 0.1, 0.0, 0.7];
    Gaussian::new(&mean, Covariance::full(covariance).unwrap()).unwrap()
}

fn scalar(x: &Tensor) -> f64 {
    x.sum_all().unwrap().to_scalar().unwrap()
}

/// Checks a law on all schedules: `∂_t log p + u·s + ∇·u = 0`, the score as the gradient of the log-density, derivatives
/// along directions and divergences by finite differences, and that all fields follow from each other.
fn check(law: &impl Law) {
    let mut rng = Generator::from_seed(3);
    let x = rng.normal((1, 3), DType::F64, device()).unwrap();
    let dx = rng.normal((1, 3), DType::F64, device()).unwrap();
    for (name, schedule) in schedules() {
        let s = &*schedule;
        // In the middle of one of the ten steps of "ddpm".
        for t in [0.25, 0.55, 0.85] {
            let time = Time::Shared(t);
            let log_density = |t: f64, x: &Tensor| law.score(s).log_density(&Time::Shared(t), x);
            let score = law.score(s).at(&time, &x).unwrap();
            let velocity = law.velocity(s).at(&time, &x).unwrap();

            let numeric = gradient(|x| Ok(scalar(&log_density(t, x)?)), &x, 1e-3).unwrap();
            assert_close(&score, &numeric, 1e-7, 1e-7);

            let change = derivative(|t| scalar(&log_density(t, &x).unwrap()), t, 1e-3);
            let carried = scalar(&(&velocity * &score).unwrap());
            let spread = scalar(&law.velocity(s).divergence(&time, &x).unwrap());
            let size = 1.0 + change.abs() + carried.abs() + spread.abs();
            let residual = change + carried + spread;
            assert!(residual.abs() < 1e-7 * size, "{name} at {t}: {residual}");

            for prediction in ALL {
                let field = law.field(prediction, s);
                let value = field.at(&time, &x).unwrap();
                let along = |h: f64| {
                    field
                        .at(&time, &(&x + (&dx * h).unwrap()).unwrap())
                        .unwrap()
                };
                let h = 1e-3;
                let central = |h: f64| ((along(h) - along(-h)).unwrap() / (2.0 * h)).unwrap();
                let numeric =
                    (((central(h / 2.0) * 4.0).unwrap() - central(h)).unwrap() / 3.0).unwrap();
                let (same, slope) = field.jvp(&time, &x, 0.0, &dx).unwrap();
                assert_close(&same, &value, 0.0, 0.0);
                assert_close(&slope, &numeric, 1e-6, 1e-6);
                let mut trace = 0.0;
                for i in 0..3 {
                    let mut unit = [[0.0f64; 3]];
                    unit[0][i] = 1.0;
                    let unit = Tensor::new(&unit, device()).unwrap();
                    let (_, slope) = field.jvp(&time, &x, 0.0, &unit).unwrap();
                    trace += slope.to_vec2::<f64>().unwrap()[0][i];
                }
                let divergence = scalar(&field.divergence(&time, &x).unwrap());
                assert!(
                    (divergence - trace).abs() < 1e-10 * (1.0 + trace.abs()),
                    "{name} {t}"
                );

                let from = Prediction::Data
                    .field(&law.denoiser(s), prediction, s)
                    .at(&time, &x);
                assert_close(&from.unwrap(), &value, 1e-8, 1e-8);
            }
        }
    }
}

#[test]
fn a_mixture_of_gaussians() {
    check(&mixture());
}

#[test]
fn a_finite_data_set() {
    check(&points());
}

#[test]
fn a_gaussian() {
    check(&gaussian());
}

#[test]
fn the_density_is_that_of_the_formula() {
    let law = mixture();
    let x = Tensor::new(&[[0.3f64, 0.1, -0.2]], device()).unwrap();
    let (alpha, sigma) = (0.25f64, 0.75f64);
    // The three components' covariances under the path, inverted by hand (Cramer's rule).
    let a2 = alpha * alpha;
    let full = [[0.5, 0.2, 0.0], [0.2, 0.3, -0.1], [0.0, -0.1, 0.2]];
    let diagonal = [[0.1, 0.0, 0.0], [0.0, 0.6, 0.0], [0.0, 0.0, 0.2]];
    let round = [[0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 0.3]];
    let means = [[0.5, -0.3, 1.0], [-1.0, 0.2, 0.0], [0.0, 1.0, -1.0]];
    let mut density = 0.0;
    for ((w, c), m) in [0.2, 0.5, 0.3]
        .iter()
        .zip([full, diagonal, round])
        .zip(means)
    {
        let mut c = c.map(|row| row.map(|e| a2 * e));
        (0..3).for_each(|i| c[i][i] += sigma * sigma);
        let det = |c: [[f64; 3]; 3]| {
            c[0][0] * (c[1][1] * c[2][2] - c[1][2] * c[2][1])
                - c[0][1] * (c[1][0] * c[2][2] - c[1][2] * c[2][0])
                + c[0][2] * (c[1][0] * c[2][1] - c[1][1] * c[2][0])
        };
        let y = [0.3 - alpha * m[0], 0.1 - alpha * m[1], -0.2 - alpha * m[2]];
        let mut quadratic = 0.0;
        for j in 0..3 {
            let mut replaced = c;
            (0..3).for_each(|i| replaced[i][j] = y[i]);
            quadratic += y[j] * det(replaced) / det(c);
        }
        let scale = (2.0 * std::f64::consts::PI).powi(3) * det(c);
        density += w * (-0.5 * quadratic).exp() / scale.sqrt();
    }
    let schedule = CondOt::default();
    let ours = law
        .score(&schedule)
        .log_density(&Time::Shared(0.25), &x)
        .unwrap();
    assert!((scalar(&ours) - density.ln()).abs() < 1e-13);
}

#[test]
fn draws_given_a_state_leave_the_joint_law_alone() {
    let (law, schedule) = (mixture(), CondOt::default());
    let mut rng = Generator::from_seed(1);
    let n = 40_000;
    let x1 = law.sample(n, DType::F64, device(), &mut rng).unwrap();
    let x0 = rng.normal_like(&x1).unwrap();
    let (t, alpha, sigma) = (Time::Shared(0.6), 0.6, 0.4);
    let x = ((&x1 * alpha).unwrap() + (&x0 * sigma).unwrap()).unwrap();
    let again = law
        .denoiser(&schedule)
        .sample_data(&t, &x, &mut rng)
        .unwrap();
    // (x, x1) and (x, x1') have one law: compare second moments, of x1 with x and with itself.
    let moment = |a: &Tensor, b: &Tensor| (a.t().unwrap().matmul(b).unwrap() / n as f64).unwrap();
    assert_close(&moment(&again, &x), &moment(&x1, &x), 0.02, 0.02);
    assert_close(&moment(&again, &again), &moment(&x1, &x1), 0.02, 0.03);
    // It is a draw, not the mean: errors around the denoiser are those of the data.
    let mean = law.denoiser(&schedule).at(&t, &x).unwrap();
    let errors = |x1: &Tensor| scalar(&(x1 - &mean).unwrap().sqr().unwrap()) / n as f64;
    assert!((errors(&again) / errors(&x1) - 1.0).abs() < 0.02);
}

#[test]
fn a_change_of_schedule_is_exact() {
    let mut rng = Generator::from_seed(5);
    let x = rng.normal((4, 3), DType::F64, device()).unwrap();
    let dx = rng.normal((4, 3), DType::F64, device()).unwrap();
    let law = mixture();
    for (from_name, trained) in schedules() {
        for (to_name, wanted) in schedules() {
            // Where both have the ratio: the middle.
            let times: Vec<f64> = [-2.0f64, -0.5, 1.0, 3.0]
                .map(|l| wanted.time_at_log_snr(l))
                .to_vec();
            let t = Time::per_sample(&times).unwrap();
            for prediction in ALL {
                let field = law.field(prediction, &*trained);
                let moved = prediction.reschedule(&field, &*trained, &*wanted);
                let expected = law.field(prediction, &*wanted);
                let (value, slope) = expected.jvp(&t, &x, 0.0, &dx).unwrap();
                let size = 1.0
                    + value
                        .abs()
                        .unwrap()
                        .max_all()
                        .unwrap()
                        .to_scalar::<f64>()
                        .unwrap();
                assert_close(&moved.at(&t, &x).unwrap(), &value, 1e-8, 1e-9 * size);
                let (same, moved_slope) = moved.jvp(&t, &x, 0.0, &dx).unwrap();
                assert_close(&same, &value, 1e-8, 1e-9 * size);
                let size = 1.0
                    + slope
                        .abs()
                        .unwrap()
                        .max_all()
                        .unwrap()
                        .to_scalar::<f64>()
                        .unwrap();
                assert_close(&moved_slope, &slope, 1e-8, 1e-9 * size);
            }
            let _ = (from_name, to_name);
        }
    }
}

#[test]
fn wrapped_fields_have_derivatives() {
    let (law, s) = (mixture(), EdmSchedule::new(0.02, 3.0, 7.0).unwrap());
    let mut rng = Generator::from_seed(6);
    let x = rng.normal((2, 3), DType::F64, device()).unwrap();
    let dx = rng.normal((2, 3), DType::F64, device()).unwrap();
    let preconditioner = EdmPreconditioner::default();
    // Any field will do for a network; its times are labels, here below 0.
    let network = field_fn(|t, x| {
        let times: Vec<f64> = t.values()?.iter().map(|l| 1.0 / (1.0 + l.exp())).collect();
        law.velocity(&Cosine).at(&Time::Shared(times[0]), x)
    });
    struct Network<F, G>(F, G);
    impl<F: Field, G> Field for Network<F, G> {
        fn at(&self, t: &Time, x: &Tensor) -> advect_core::Result<Tensor> {
            self.0.at(t, x)
        }
    }
    impl<F: Field, G: Jvp> Jvp for Network<F, G> {
        fn jvp(
            &self,
            t: &Time,
            x: &Tensor,
            dt: f64,
            dx: &Tensor,
        ) -> advect_core::Result<(Tensor, Tensor)> {
            let label = 1.0 / (1.0 + t.values()?[0].exp());
            self.1.jvp(&Time::Shared(label), x, dt, dx)
        }
    }
    let network = Network(network, law.velocity(&Cosine));
    let denoiser = Preconditioned::new(&network, &preconditioner, &s);
    let velocity = Prediction::Data.field(&denoiser, Prediction::Velocity, &s);
    let t = Time::Shared(0.4);
    let along = |h: f64| {
        velocity
            .at(&t, &(&x + (&dx * h).unwrap()).unwrap())
            .unwrap()
    };
    let central = |h: f64| ((along(h) - along(-h)).unwrap() / (2.0 * h)).unwrap();
    let numeric = (((central(5e-4) * 4.0).unwrap() - central(1e-3)).unwrap() / 3.0).unwrap();
    let (_, slope) = velocity.jvp(&t, &x, 0.0, &dx).unwrap();
    assert_close(&slope, &numeric, 1e-7, 1e-7);
    let (_, slopes) = velocity.jvp_each(&t, &x, &[dx.clone(), x.clone()]).unwrap();
    assert_close(&slopes[0], &slope, 1e-12, 1e-12);
    let error = velocity.jvp(&t, &x, 1.0, &dx).unwrap_err();
    assert!(matches!(error, Error::Range { argument, .. } if argument == "dt"));
}

#[test]
fn ends_are_limits_or_errors() {
    let x = Tensor::new(&[[0.2f64, 0.1, -0.4]], device()).unwrap();
    for (name, schedule) in schedules() {
        let s = &*schedule;
        for t in [0.0, 1.0] {
            for prediction in ALL {
                // Data with width: everything is finite, but for infinite derivatives of the schedule.
                let value = mixture().field(prediction, s).at(&Time::Shared(t), &x);
                let near = (t - 1e-9f64).abs();
                if let Ok(value) = &value {
                    let near = mixture()
                        .field(prediction, s)
                        .at(&Time::Shared(near), &x)
                        .unwrap();
                    assert_close(value, &near, 1e-3, 1e-3);
                } else {
                    panic!("{name} at {t}: {value:?}");
                }
                // Points: only the denoiser is defined without noise.
                let value = points().field(prediction, s).at(&Time::Shared(t), &x);
                let defined = s.sigma(t) > 0.0 || prediction == Prediction::Data;
                assert_eq!(
                    value.is_ok(),
                    defined,
                    "{name} at {t}: {prediction:?} {value:?}"
                );
            }
        }
    }
    let law = points();
    let velocity = law.velocity(&Cosine);
    for outside in [-0.1, 1.1, f64::NAN] {
        assert!(velocity.at(&Time::Shared(outside), &x).is_err());
    }
    let wide = Tensor::zeros((2, 4), DType::F64, device()).unwrap();
    let error = velocity.at(&Time::Shared(0.5), &wide).unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "x"));
    let nan = (&x * f64::NAN).unwrap();
    assert!(velocity.at(&Time::Shared(0.5), &nan).is_err());
}

/// Where the squares of all distances overflow, no component is known to be the nearest: an error, not a field of 0.
#[test]
fn states_too_far_away_are_errors() {
    fn refused(law: &impl Law) {
        let far = Tensor::new(&[[1e155f64, 0.0, 0.0]], device()).unwrap();
        let near = (&far * 1e-5).unwrap();
        let t = Time::Shared(0.5);
        for prediction in ALL {
            let field = law.field(prediction, CondOt::default());
            assert!(field.at(&t, &near).is_ok(), "{prediction:?}");
            let error = field.at(&t, &far).unwrap_err();
            assert!(
                matches!(&error, Error::Range { argument, .. } if argument == "t"),
                "{prediction:?}: {error}"
            );
        }
    }
    refused(&mixture());
    refused(&points());
}

#[test]
fn data_of_lower_dimension_has_the_limit_of_little_noise() {
    let at = |law: &GaussianMixture, sigma: f64, x: &Tensor| {
        let schedule = CondOt::new(sigma).unwrap();
        let denoised = law.denoiser(&schedule).at(&Time::Shared(1.0), x).unwrap();
        denoised.flatten_all().unwrap().to_vec1::<f64>().unwrap()
    };
    // Two lines, and x on one of them.
    let means = Tensor::new(&[[0.0f64, 0.0], [20.0, 5.0]], device()).unwrap();
    let flat = Covariance::diagonal(vec![100.0, 0.0]).unwrap();
    let lines = GaussianMixture::new(&[0.5, 0.5], &means, vec![flat]).unwrap();
    let x = Tensor::new(&[[5.0f64, 5.0]], device()).unwrap();
    assert_eq!(at(&lines, 0.0, &x), [5.0, 5.0]);
    assert!((at(&lines, 1e-3, &x)[1] - 5.0).abs() < 1e-5);
    // A point beside a wide Gaussian: it has all where it is, and nothing elsewhere.
    let means = Tensor::new(&[[0.0f64], [0.0]], device()).unwrap();
    let widths = [0.0, 1.0]
        .map(|v| Covariance::isotropic(v).unwrap())
        .to_vec();
    let spike = GaussianMixture::new(&[0.5, 0.5], &means, widths).unwrap();
    let x = Tensor::new(&[[0.7f64]], device()).unwrap();
    assert_eq!(at(&spike, 0.0, &x), [0.7]);
    assert_eq!(at(&spike, 0.0, &x.zeros_like().unwrap()), [0.0]);
    // There its density is infinite, and elsewhere that of the Gaussian.
    let (schedule, end) = (CondOt::default(), Time::Shared(1.0));
    let log_density = |x: &Tensor| spike.score(&schedule).log_density(&end, x);
    assert!(log_density(&x.zeros_like().unwrap()).is_err());
    let expected = 0.5f64.ln() - 0.5 * (0.49 + (2.0 * std::f64::consts::PI).ln());
    assert!((scalar(&log_density(&x).unwrap()) - expected).abs() < 1e-13);
    // Far out at little noise nothing is lost: one point has the divergence −d/σ² wherever it is seen from.
    let point = FiniteData::new(&Tensor::new(&[[0.0f64]], device()).unwrap()).unwrap();
    for sigma in [1e-4, 1e-8] {
        let schedule = CondOt::new(sigma).unwrap();
        let divergence = point
            .score(&schedule)
            .divergence(&Time::Shared(1.0), &x)
            .unwrap();
        assert!((scalar(&divergence) * sigma * sigma + 1.0).abs() < 1e-9);
    }
}

#[test]
fn bad_laws_are_refused() {
    let means = Tensor::new(&[[0.0f64, 1.0], [1.0, 0.0]], device()).unwrap();
    let round = || vec![Covariance::isotropic(1.0).unwrap()];
    for weights in [
        vec![0.5, 0.6],
        vec![1.5, -0.5],
        vec![f64::NAN, 1.0],
        vec![1.0],
    ] {
        assert!(
            GaussianMixture::new(&weights, &means, round()).is_err(),
            "{weights:?}"
        );
        assert!(
            FiniteData::weighted(&means, &weights).is_err(),
            "{weights:?}"
        );
    }
    let wide = vec![Covariance::diagonal(vec![1.0; 3]).unwrap()];
    assert!(GaussianMixture::new(&[0.5, 0.5], &means, wide).is_err());
    let three = [round(), round(), round()].concat();
    assert!(GaussianMixture::new(&[0.5, 0.5], &means, three).is_err());
    let nan = (&means * f64::NAN).unwrap();
    assert!(FiniteData::new(&nan).is_err());
    assert!(FiniteData::new(&means.narrow(0, 0, 0).unwrap()).is_err());
}
