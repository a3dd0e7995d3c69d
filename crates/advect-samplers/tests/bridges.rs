//! Processes of drifts: exact Schrödinger bridges have their joint law of both ends, and iterative Markovian fitting
//! comes to it.

use advect_core::normal::cdf;
use advect_core::testing::device;
use advect_core::{Field, Generator, Key, Result, Time, field_fn};
use advect_paths::Direction::{self, Backwards, Forwards};
use advect_paths::closed_form::{
    Covariance, EntropicBridge, Gaussian, GaussianBridge, GaussianMixture, Law,
};
use advect_paths::coupling::{Coupling, EntropicOt, Independent, Pairs};
use advect_paths::path::{BridgeDrift, Path};
use advect_samplers::{BridgeSampler, MarkovianFitting};
use advect_solvers::controller::Fixed;
use advect_solvers::sde::{Additive, BrownianPath, EulerMaruyama};
use advect_solvers::{Save, Solver};
use candle_core::{DType, Device, Tensor};

fn gaussian(mean: &[f64], covariance: Covariance) -> Gaussian {
    let mean = Tensor::new(mean, device()).unwrap();
    Gaussian::new(&mean, covariance).unwrap()
}

fn sample(law: &impl Law, count: usize, rng: &mut Generator) -> Tensor {
    law.sample(count, DType::F64, device(), rng).unwrap()
}

/// The largest error of the mean and the covariance of pairs.
fn joint_error(bridge: &GaussianBridge, x0: &Tensor, x1: &Tensor) -> f64 {
    let ends = Tensor::cat(&[x0, x1], 1).unwrap();
    let (found, exact) = (Gaussian::fit(&ends).unwrap(), bridge.coupling().unwrap());
    let errors = found.covariance().into_iter().zip(exact.covariance());
    let error = errors.fold(0f64, |e, (a, b)| e.max((a - b).abs()));
    let means = found.mean().iter().zip(exact.mean());
    means.fold(error, |e, (a, b)| e.max((a - b).abs()))
}

/// The Kolmogorov–Smirnov distance of numbers from a normal law, over the one that as many draws exceed once in a thousand times.
fn distance(x: &Tensor, law: &Gaussian) -> f64 {
    let mut x = x.flatten_all().unwrap().to_vec1::<f64>().unwrap();
    assert!(x.iter().all(|x| x.is_finite()));
    x.sort_by(f64::total_cmp);
    let (n, mean) = (x.len() as f64, law.mean()[0]);
    let deviation = law.covariance()[0].sqrt();
    let distance = x.iter().enumerate().fold(0f64, |d, (i, x)| {
        let p = cdf((x - mean) / deviation);
        d.max((p - i as f64 / n).abs())
            .max((p - (i + 1) as f64 / n).abs())
    });
    distance * n.sqrt() / 1.95
}

#[test]
fn processes_of_gaussian_bridges_have_the_coupling() {
    let mut rng = Generator::from_seed(0);
    let correlated = Covariance::full(vec![1.0, 0.6, 0.6, 1.5]).unwrap();
    let source = gaussian(&[1.0, -1.0], correlated);
    let target = gaussian(&[0.0, 2.0], Covariance::diagonal(vec![0.3, 0.8]).unwrap());
    let bridge = GaussianBridge::new(&source, &target, 0.8).unwrap();
    let sampler = BridgeSampler::new(0.8, 100).unwrap();
    for (direction, law) in [(Forwards, &source), (Backwards, &target)] {
        let start = sample(law, 20_000, &mut rng);
        let drift = bridge.drift(direction);
        let saves = Save::At(vec![0.5, direction.end()]);
        let way = sampler
            .run(&drift, direction, &start, saves, rng.split())
            .unwrap();
        let end = &way.states[1];
        let (x0, x1) = match direction {
            Forwards => (&start, end),
            Backwards => (end, &start),
        };
        let error = joint_error(&bridge, x0, x1);
        assert!(error < 0.04, "{direction:?}: {error}");
        let middle = Gaussian::fit(&way.states[0]).unwrap();
        let divergence = bridge.law(0.5).unwrap().kl_divergence(&middle).unwrap();
        assert!(divergence < 1e-3, "{direction:?}: {divergence}");
    }
}

/// The velocity and the score of a bridge make processes of the same marginals for every diffusion ε(t); with another sign of the score they do not.
#[test]
fn ends_do_not_depend_on_the_diffusion() {
    let mut rng = Generator::from_seed(2);
    let source = gaussian(&[-1.0], Covariance::isotropic(1.0).unwrap());
    let target = gaussian(&[2.0], Covariance::isotropic(0.25).unwrap());
    let bridge = GaussianBridge::new(&source, &target, 0.8).unwrap();
    let (velocity, score) = (bridge.velocity(), bridge.score());
    let (count, steps) = (3000, 100);
    let x0 = sample(&source, count, &mut rng);
    let mut distances = |sign: f64, epsilon: fn(f64) -> f64| {
        let drift = field_fn(|t, x: &Tensor| {
            let half = t.coefficient(|t| 0.5 * sign * epsilon(t).powi(2))?;
            Ok((velocity.at(t, x)? + half.times(&score.at(t, x)?)?)?)
        });
        let motion = BrownianPath::new(rng.split(), &x0, 0.0, 1.0).unwrap();
        let method = EulerMaruyama::new(Additive(epsilon), motion.cells(steps).unwrap());
        let solver = Solver::new(method, Fixed::steps(steps).unwrap());
        let way = solver.integration(&drift, &x0, 0.0, 1.0);
        let way = way.save(Save::At(vec![0.5, 1.0])).run().unwrap();
        let middle = distance(&way.states[0], &bridge.law(0.5).unwrap());
        [middle, distance(&way.states[1], &target)]
    };
    let diffusions: [fn(f64) -> f64; 4] = [|_| 0.0, |_| 0.8, |_| 1.5, |t| 2.0 * (1.0 - t)];
    for (k, epsilon) in diffusions.into_iter().enumerate() {
        let right = distances(1.0, epsilon);
        assert!(right.iter().all(|d| *d < 1.0), "diffusion {k}: {right:?}");
    }
    let wrong = distances(-1.0, diffusions[1]);
    assert!(wrong.iter().all(|d| *d > 2.0), "{wrong:?}");
}

#[test]
fn processes_of_plans_end_with_the_masses_of_the_plan() {
    let x0 = Tensor::new(&[[0f64, 0.0], [1.0, 0.0], [0.0, 2.0]], device()).unwrap();
    let x1 = Tensor::new(&[[1f64, 1.0], [2.0, -1.0], [-1.0, 0.5]], device()).unwrap();
    let (sigma, each) = (1.0, 1200);
    let coupling = EntropicOt::new(2.0 * sigma * sigma).unwrap();
    let plan = coupling.plan(&x0, &x1).unwrap();
    let bridge = EntropicBridge::new(&x0, &x1, &plan, sigma).unwrap();
    let sampler = BridgeSampler::new(sigma, 200).unwrap();
    for direction in [Forwards, Backwards] {
        let (from, to) = match direction {
            Forwards => (&x0, &x1),
            Backwards => (&x1, &x0),
        };
        let start = Tensor::cat(&vec![from; each], 0).unwrap();
        let drift = bridge.drift(direction);
        let end = sampler
            .sample(&drift, direction, &start, Key::from_seed(1))
            .unwrap();
        let (end, to) = (end.to_vec2::<f64>().unwrap(), to.to_vec2::<f64>().unwrap());
        let mut shares = [[0.0; 3]; 3];
        for (k, x) in end.iter().enumerate() {
            let distance = |y: &Vec<f64>| (x[0] - y[0]).powi(2) + (x[1] - y[1]).powi(2);
            let nearest = (0..3).min_by(|a, b| distance(&to[*a]).total_cmp(&distance(&to[*b])));
            let nearest = nearest.unwrap();
            // Up to the noise of the last step, of variance σ²/200.
            assert!(distance(&to[nearest]) < 0.15, "{x:?}");
            shares[k % 3][nearest] += 1.0 / (3 * each) as f64;
        }
        for (i, j) in (0..9).map(|e| (e / 3, e % 3)) {
            let (mass, share) = match direction {
                Forwards => (plan.row(i)[j], shares[i][j]),
                Backwards => (plan.row(i)[j], shares[j][i]),
            };
            let error = (mass / (3 * each) as f64).sqrt();
            assert!(
                (share - mass).abs() < 4.0 * error + 2e-3,
                "{direction:?}: {share} {mass}"
            );
        }
    }
}

/// Between Gaussians all is known: the projection of a coupling of cross-covariance c has the drift
/// `m1 − m0 + a(t)/v(t) (x − μ_t)`, and its process the cross-covariance `s0 exp ∫ a/v dt`.
#[test]
fn markovian_projections_come_to_the_bridge() {
    let (s0, s1, sigma) = (1.0, 0.25, 0.8f64);
    let line = |v: f64| gaussian(&[0.0], Covariance::isotropic(v).unwrap());
    let bridge = GaussianBridge::new(&line(s0), &line(s1), sigma).unwrap();
    let exact = bridge.cross_covariance()[0];
    let project = |c: f64| {
        let rate = |t: f64| {
            let motion = sigma * sigma * t * (1.0 - t);
            let v = (1.0 - t).powi(2) * s0 + t * t * s1 + 2.0 * t * (1.0 - t) * c + motion;
            ((1.0 - t) * (c - s0) + t * (s1 - c) - sigma * sigma * t) / v
        };
        // Simpson's rule.
        let n = 2000;
        let weight = |i: u32| f64::from(if i == 0 || i == n { 1 } else { 2 + 2 * (i % 2) });
        let sum: f64 = (0..=n)
            .map(|i| weight(i) * rate(f64::from(i) / f64::from(n)))
            .sum();
        s0 * (sum / f64::from(3 * n)).exp()
    };
    assert!(
        (project(exact) - exact).abs() < 1e-9,
        "the bridge is a fixed point"
    );
    // From independent pairs and from the pairs of optimal transport.
    for start in [0.0, (s0 * s1).sqrt()] {
        let mut c: f64 = start;
        let mut errors = vec![(c - exact).abs()];
        for _ in 0..12 {
            c = project(c);
            errors.push((c - exact).abs());
        }
        assert!(
            errors.windows(2).all(|e| e[1] < 0.5 * e[0] || e[1] < 1e-9),
            "{errors:?}"
        );
        assert!(errors[12] < 1e-5, "{errors:?}");
    }
}

/// A drift `a(t) + b(t) x` at the times of a grid.
struct Linear {
    factors: Vec<[f64; 2]>,
}

impl Field for Linear {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let steps = self.factors.len() as f64 - 1.0;
        let [a, b] = self.factors[(t.values()?[0] * steps).round() as usize];
        Ok(x.affine(b, a)?)
    }
}

const STEPS: usize = 40;
const SIGMA: f64 = 0.8;

/// The regression of the drift on the state at each time of the grid, but for the end.
fn fit(x0: &Tensor, x1: &Tensor, sigma: f64, direction: Direction, rng: &mut Generator) -> Linear {
    let path = BridgeDrift::new(sigma, direction).unwrap();
    let mean = |x: &Tensor| x.mean_all().unwrap().to_scalar::<f64>().unwrap();
    let factors = (0..=STEPS).map(|k| {
        let t = k as f64 / STEPS as f64;
        if t == direction.end() {
            return [f64::NAN; 2];
        }
        let point = path.sample(&Time::Shared(t), x0, x1, rng).unwrap();
        let (x, u) = (&point.x, point.velocity().unwrap());
        let (mx, mu) = (mean(x), mean(&u));
        let b = (mean(&(x * &u).unwrap()) - mx * mu) / (mean(&x.sqr().unwrap()) - mx * mx);
        [mu - b * mx, b]
    });
    Linear {
        factors: factors.collect(),
    }
}

/// Optimal transport in one dimension.
struct ByRank;

impl Coupling for ByRank {
    fn pair(&self, x0: &Tensor, x1: &Tensor, _: &mut Generator) -> Result<Pairs> {
        // On the host: candle sorts at most 1,024 numbers on a GPU.
        let order = |x: &Tensor| {
            let on_host = x.flatten_all()?.to_device(&Device::Cpu)?;
            on_host.arg_sort_last_dim(true)?.to_device(x.device())
        };
        Pairs::new(order(x0)?, order(x1)?)
    }
}

/// Four rounds; returns the error of the pairs of each.
fn rounds(
    fitting: &mut MarkovianFitting<Linear, impl Coupling>,
    bridge: &GaussianBridge,
    (x0, x1): (&Tensor, &Tensor),
    rng: &mut Generator,
) -> Vec<f64> {
    let mut errors = Vec::new();
    for _ in 0..4 {
        let (a, b) = fitting.pairs(x0, x1, rng).unwrap();
        errors.push(joint_error(bridge, &a, &b));
        fitting.fitted(fit(&a, &b, SIGMA, fitting.direction(), rng));
    }
    errors
}

#[test]
fn fitting_on_simulated_pairs_comes_to_the_bridge() {
    let source = gaussian(&[-1.0], Covariance::isotropic(1.0).unwrap());
    let target = gaussian(&[2.0], Covariance::isotropic(0.25).unwrap());
    let bridge = GaussianBridge::new(&source, &target, SIGMA).unwrap();
    let mut rng = Generator::from_seed(5);
    let (x0, x1) = (
        sample(&source, 10_000, &mut rng),
        sample(&target, 10_000, &mut rng),
    );
    let sampler = BridgeSampler::new(SIGMA, STEPS).unwrap();
    let mut fitting = MarkovianFitting::new(sampler, Independent);
    let errors = rounds(&mut fitting, &bridge, (&x0, &x1), &mut rng);
    // The first pairs lack all of the cross-covariance, 0.27.
    assert!(errors[0] > 0.25 && errors[3] < 0.03, "{errors:?}");
    let mut fitting = MarkovianFitting::new(sampler, ByRank).starting(Forwards);
    let errors = rounds(&mut fitting, &bridge, (&x0, &x1), &mut rng);
    // Those of optimal transport have 0.5.
    assert!(errors[0] > 0.2 && errors[3] < 0.03, "{errors:?}");
    // Both drifts are kept, and belong to one process.
    for direction in [Forwards, Backwards] {
        let drift = fitting.drift(direction).unwrap();
        let (from, law) = match direction {
            Forwards => (&source, &target),
            Backwards => (&target, &source),
        };
        // Of fewer draws than the drift was fitted on; and by the drift of the other direction, which has none at its end.
        let fresh = sample(from, 2500, &mut rng);
        let mut end = |drift: &dyn Field| {
            let end = sampler.sample(drift, direction, &fresh, rng.split());
            distance(&end.unwrap(), law)
        };
        let step = 1.0 / STEPS as f64;
        let other = fitting.drift(direction.reversed()).unwrap();
        let other = field_fn(|t, x: &Tensor| {
            let t = t.values()?[0].clamp(step, 1.0 - step);
            other.at(&Time::Shared(t), x)
        });
        let (right, wrong) = (end(drift), end(&other));
        assert!(right < 1.0 && wrong > 2.0, "{direction:?}: {right} {wrong}");
        let (t, x) = (
            Time::Shared(0.5),
            Tensor::new(&[[0.3f64]], device()).unwrap(),
        );
        let (found, exact) = (drift.at(&t, &x), bridge.drift(direction).at(&t, &x));
        let error = (found.unwrap() - exact.unwrap()).unwrap().abs().unwrap();
        assert!(
            error.to_vec2::<f64>().unwrap()[0][0] < 0.08,
            "{direction:?}: {error}"
        );
    }
}

#[test]
fn pairs_are_functions_of_the_seed() {
    let sampler = BridgeSampler::new(0.5, 4).unwrap();
    let mut fitting = MarkovianFitting::new(sampler, Independent).starting(Forwards);
    let x = Tensor::zeros((3, 2, 2), DType::F32, device()).unwrap();
    fitting.fitted(field_fn(|_, x: &Tensor| Ok(x.neg()?)));
    let ends = |seed: u64| {
        let (x0, x1) = fitting
            .pairs(&x, &x, &mut Generator::from_seed(seed))
            .unwrap();
        assert_eq!((x0.dims(), x0.dtype()), (x.dims(), DType::F32));
        x1.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    assert!(ends(1) == ends(1) && ends(1) != ends(2));
    // Simulated in another way.
    let (_, x1) = fitting
        .pairs_by(
            &x,
            &x,
            &mut Generator::from_seed(0),
            |drift, direction, x, _| {
                assert_eq!(direction, Forwards);
                drift.at(&Time::Shared(0.0), &(x + 2.0)?)
            },
        )
        .unwrap();
    assert_eq!(
        x1.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        [-2.0; 12]
    );
    for bad in [BridgeSampler::new(0.0, 4), BridgeSampler::new(1.0, 0)] {
        assert!(bad.is_err());
    }
    let drift = field_fn(|_, x: &Tensor| Ok(x.clone()));
    let nan = (&x * f64::NAN).unwrap();
    assert!(
        sampler
            .sample(&drift, Forwards, &nan, Key::from_seed(0))
            .is_err()
    );
    let blows_up = field_fn(|_, x: &Tensor| Ok((x * f64::NAN)?));
    let error = sampler.sample(&blows_up, Backwards, &x, Key::from_seed(0));
    assert!(matches!(error, Err(advect_core::Error::Stopped { .. })));
}

#[test]
fn drifts_of_plans_carry_new_sources() {
    let mut rng = Generator::from_seed(8);
    let means = Tensor::new(&[[-2f64], [2.0]], device()).unwrap();
    let narrow = Covariance::isotropic(0.04).unwrap();
    let target = GaussianMixture::new(&[0.3, 0.7], &means, vec![narrow]).unwrap();
    let source = gaussian(&[0.0], Covariance::isotropic(1.0).unwrap());
    let (x0, x1) = (
        sample(&source, 200, &mut rng),
        sample(&target, 200, &mut rng),
    );
    let drift = EntropicBridge::between(&x0, &x1, 1.0)
        .unwrap()
        .drift(Forwards);
    let sampler = BridgeSampler::new(1.0, 30).unwrap();
    let fresh = sample(&source, 1000, &mut rng);
    let end = sampler
        .sample(&drift, Forwards, &fresh, rng.split())
        .unwrap();
    let right = end.gt(0.0).unwrap().to_dtype(DType::F64).unwrap();
    let right = right.mean_all().unwrap().to_scalar::<f64>().unwrap();
    let of_points = x1.gt(0.0).unwrap().to_dtype(DType::F64).unwrap();
    let of_points = of_points.mean_all().unwrap().to_scalar::<f64>().unwrap();
    assert!((right - of_points).abs() < 0.06, "{right} {of_points}");
}
