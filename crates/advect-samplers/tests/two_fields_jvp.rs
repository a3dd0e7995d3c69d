//! Derivatives of models of two fields: against finite differences, closed-form densities, and in implicit methods.

use advect_core::normal::log_normal;
use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Jvp, Result, Time};
use advect_paths::Prediction;
use advect_paths::closed_form::{Covariance, Gaussian, GaussianMixture, JointLaw, Law};
use advect_paths::path::Interpolant;
use advect_paths::path::gamma::{BrownianBridge, Parabola};
use advect_paths::schedule::{CondOt, Cosine};
use advect_samplers::diffusion::diffusion_fn;
use advect_samplers::likelihood::Likelihood;
use advect_samplers::{Model, PathSde, ScoredVelocityJvp, TwoFields, TwoHeads};
use advect_solvers::Solver;
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::{Exact, Flow};
use advect_solvers::implicit::{ByJvp, ImplicitRungeKutta, Kvaerno4};
use advect_solvers::stepper::{Dopri5, Rk4};
use candle_core::{DType, Tensor};

fn gaussian(mean: [f64; 2], covariance: Covariance) -> Gaussian {
    Gaussian::new(&Tensor::new(&mean, device()).unwrap(), covariance).unwrap()
}

fn mixture() -> GaussianMixture {
    let means = Tensor::new(&[[-1f64, 0.5], [1.5, -0.3]], device()).unwrap();
    let round = |variance| Covariance::isotropic(variance).unwrap();
    GaussianMixture::new(&[0.4, 0.6], &means, vec![round(0.3), round(0.1)]).unwrap()
}

fn law() -> JointLaw {
    let source = gaussian([0.0, 0.0], Covariance::isotropic(1.0).unwrap());
    JointLaw::independent(&source, &mixture()).unwrap()
}

/// Two fields as the two heads of one.
struct Heads<U, V>(U, V);

impl<U: Field, V: Field> Field for Heads<U, V> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(Tensor::cat(&[self.0.at(t, x)?, self.1.at(t, x)?], 1)?)
    }
}

impl<U: Jvp, V: Jvp> Jvp for Heads<U, V> {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (first, second) = (self.0.jvp(t, x, dt, dx)?, self.1.jvp(t, x, dt, dx)?);
        let both = |a: &Tensor, b: &Tensor| Tensor::cat(&[a, b], 1);
        Ok((both(&first.0, &second.0)?, both(&first.1, &second.1)?))
    }
}

fn normal(n: usize, seed: u64) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    rng.normal((n, 2), DType::F64, device()).unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let error = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    error.to_scalar::<f64>().unwrap()
}

#[test]
fn derivatives_are_finite_differences() {
    let bridge = BrownianBridge::new(0.8).unwrap();
    let path = Interpolant::new(CondOt::default(), bridge);
    let (u, eta, s) = (law().velocity(path), law().noise(path), law().score(path));
    let models: [(&str, Box<dyn ScoredVelocityJvp>); 5] = [
        ("noise", Box::new(TwoFields::with_noise(&u, &eta, bridge))),
        ("score", Box::new(TwoFields::with_score(&u, &s, bridge))),
        (
            "head of noise",
            Box::new(TwoHeads::with_noise(Heads(&u, &eta), bridge)),
        ),
        (
            "head of score",
            Box::new(TwoHeads::with_score(Heads(&u, &s), bridge)),
        ),
        (
            "one field",
            Box::new(Model::new(
                mixture().field(Prediction::Data, Cosine),
                Prediction::Data,
                Cosine,
            )),
        ),
    ];
    let (x, directions, h) = (normal(5, 0), [normal(5, 1), normal(5, 2)], 1e-5);
    for (name, model) in &models {
        for squared in [0.0, 0.7] {
            let sde = PathSde::new(diffusion_fn(move |_| squared));
            for drift in [sde.forwards(model), sde.backwards(model)] {
                let t = Time::Shared(0.3);
                let (value, slopes) = drift.jvp_each(&t, &x, &directions).unwrap();
                assert!(
                    distance(&value, &drift.at(&t, &x).unwrap()) < 1e-14,
                    "{name}"
                );
                for (slope, dx) in slopes.iter().zip(&directions) {
                    let at = |h: f64| drift.at(&t, &(&x + (dx * h).unwrap()).unwrap()).unwrap();
                    let difference = ((at(h) - at(-h)).unwrap() / (2.0 * h)).unwrap();
                    let error = distance(slope, &difference);
                    assert!(error < 1e-7, "{name}, w² = {squared}: {error}");
                    let (_, alone) = drift.jvp(&t, &x, 0.0, dx).unwrap();
                    assert!(distance(&alone, slope) < 1e-14, "{name}");
                }
            }
        }
    }
    let drift = PathSde::new(diffusion_fn(|_| 0.7)).forwards(&models[0].1);
    let error = drift
        .jvp(&Time::Shared(0.3), &x, 1.0, &directions[0])
        .unwrap_err();
    assert!(
        matches!(&error, Error::Range { argument, .. } if argument == "dt"),
        "{error}"
    );
    let short = directions[0].narrow(0, 0, 2).unwrap();
    let error = drift.jvp(&Time::Shared(0.3), &x, 0.0, &short).unwrap_err();
    assert!(
        matches!(&error, Error::Shape { argument, .. } if argument == "dx"),
        "{error}"
    );
}

/// Between Gaussians the density at the end is known, whatever the γ, for two fields and for two heads.
#[test]
fn log_densities_are_those_of_the_target() {
    let target = gaussian(
        [1.0, -0.5],
        Covariance::full(vec![0.5, 0.2, 0.2, 0.3]).unwrap(),
    );
    let source = gaussian([0.0, 0.0], Covariance::isotropic(1.44).unwrap());
    let law = JointLaw::independent(&source, &target).unwrap();
    let x = (normal(6, 3) * 0.7).unwrap();
    let target = target.velocity(CondOt::default());
    let expected = target.log_density(&Time::Shared(1.0), &x).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9).unwrap());
    let path = Interpolant::new(CondOt::default(), Parabola);
    let (u, eta) = (law.velocity(path), law.noise(path));
    let two = TwoFields::with_noise(&u, &eta, Parabola);
    let heads = TwoHeads::with_noise(Heads(&u, &eta), Parabola);
    let by_two = Likelihood::of_velocity(two.velocity(), 1.2).unwrap();
    let by_heads = Likelihood::of_velocity(heads.velocity(), 1.2).unwrap();
    for found in [
        by_two.log_density(&solver, &x).unwrap(),
        by_heads.log_density(&solver, &x).unwrap(),
    ] {
        assert!(distance(&found.nats, &expected) < 1e-6, "{found:?}");
    }
    // From a source of any law, the change of the log-density.
    let moved = Flow::new(heads.velocity(), Exact)
        .transport(&solver, &x, 1.0, 0.0)
        .unwrap();
    let change = (log_normal(&moved.x, 1.44).unwrap() - moved.log_density_change).unwrap();
    assert!(distance(&change, &expected) < 1e-6);
    assert!(Likelihood::of_velocity(two.velocity(), 0.0).is_err());
}

#[test]
fn implicit_methods_take_the_drift() {
    let bridge = BrownianBridge::new(0.8).unwrap();
    let path = Interpolant::new(CondOt::default(), bridge);
    let (law, x) = (law(), normal(4, 4));
    let model = TwoFields::with_score(law.velocity(path), law.score(path), bridge);
    let drift = PathSde::new(diffusion_fn(|_| 2.0)).forwards(&model);
    let fixed = Fixed::steps(40).unwrap();
    let implicit = Solver::new(Kvaerno4.with_jacobian(ByJvp(&drift)), fixed.clone());
    let found = implicit.solve(&drift, &x, 0.1, 0.9).unwrap();
    let expected = Solver::new(Rk4, Fixed::steps(400).unwrap()).solve(&drift, &x, 0.1, 0.9);
    let error = distance(&found.end().unwrap(), &expected.unwrap().end().unwrap());
    assert!(error < 1e-4, "{error}");
    // Its Jacobian takes fewer evaluations than differences would, and converges as fast.
    let differences = Solver::new(Kvaerno4, fixed)
        .solve(&drift, &x, 0.1, 0.9)
        .unwrap();
    assert!(found.statistics.evaluations <= differences.statistics.evaluations);
}

/// Where γ = 0 there is no score, and none is asked for.
#[test]
fn drifts_at_the_ends_are_the_velocity() {
    let bridge = BrownianBridge::new(0.8).unwrap();
    let path = Interpolant::new(CondOt::default(), bridge);
    let (law, x) = (law(), normal(4, 5));
    let model = TwoFields::with_noise(law.velocity(path), law.noise(path), bridge);
    let sde = PathSde::new(diffusion_fn(|_| 1.0));
    for t in [0.0, 1.0].map(Time::Shared) {
        let velocity = law.velocity(path).at(&t, &x).unwrap();
        let forwards = sde.forwards(&model);
        assert_eq!(distance(&forwards.at(&t, &x).unwrap(), &velocity), 0.0);
        let (value, _) = forwards.jvp(&t, &x, 0.0, &x).unwrap();
        assert_eq!(distance(&value, &velocity), 0.0);
    }
}

/// The drifts are `u ± ½ w² s` to rounding: laws of samples tell a wrong factor only where it is large.
#[test]
fn drifts_are_their_formula() {
    let bridge = BrownianBridge::new(0.8).unwrap();
    let path = Interpolant::new(CondOt::default(), bridge);
    let (law, x, t) = (law(), normal(4, 6), Time::Shared(0.3));
    let (u, s) = (law.velocity(path), law.score(path));
    let model = TwoFields::with_noise(&u, law.noise(path), bridge);
    let sde = PathSde::new(diffusion_fn(|t| 2.0 * t));
    let (forwards, backwards) = (sde.forwards(&model), sde.backwards(&model));
    let half = (s.at(&t, &x).unwrap() * 0.3).unwrap();
    let velocity = u.at(&t, &x).unwrap();
    let error = distance(&forwards.at(&t, &x).unwrap(), &(&velocity + &half).unwrap());
    assert!(error < 1e-12, "{error}");
    let error = distance(
        &backwards.at(&t, &x).unwrap(),
        &(&velocity - &half).unwrap(),
    );
    assert!(error < 1e-12, "{error}");
}
