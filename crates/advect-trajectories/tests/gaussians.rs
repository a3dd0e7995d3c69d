//! Gaussian populations, whose velocities, potentials and growth are known.

use advect_core::testing::device;
use advect_core::{Energy, Generator, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use advect_paths::coupling::{Coupling, ExactOt, Independent, Pairs};
use advect_paths::path::{Affine, ConstantSigma};
use advect_paths::schedule::CondOt;
use advect_solvers::Solver;
use advect_solvers::controller::Fixed;
use advect_solvers::energy::GradientField;
use advect_solvers::stepper::Rk4;
use advect_train::learning_rate::WarmupCosine;
use advect_train::{AdamW, AdamWConfig, Trainer};
use advect_trajectories::objective::{ActionMatching, FlowMatching};
use advect_trajectories::path::{
    Chain, CurvePoints, Hermite, NaturalCubic, PiecewiseLinear, SnapshotPath, Spline,
    UnbalancedChain,
};
use advect_trajectories::{Comparison, Snapshots};
use advect_transport::Sinkhorn;
use candle_core::{DType, Tensor, Var};

/// Samples of N(0, 1) that are stretched and moved: at time t, `(1 + t) z + t²`.
fn snapshots(count: usize, times: &[f64], rng: &mut Generator) -> Snapshots {
    let samples: Vec<Tensor> = (times.iter())
        .map(|t| {
            let z = rng.normal((count, 1), DType::F64, device()).unwrap();
            z.affine(1.0 + t, t * t).unwrap()
        })
        .collect();
    Snapshots::new(times, &samples).unwrap()
}

/// A potential `s(t, x) = ½ a(t) x² + b(t) x` with polynomials a and b of time.
struct Quadratic {
    coefficients: Tensor,
}

impl Quadratic {
    /// `(1, t, t², x²/2 …)`: the functions of which the potential is a combination, and their derivatives along a direction.
    fn features(t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let t = t.tensor(x)?.unsqueeze(1)?;
        let (mut values, mut along) = (Vec::new(), Vec::new());
        let shapes = [((x.sqr()? * 0.5)?, (x * dx)?), (x.clone(), dx.clone())];
        for (shape, slope) in shapes {
            for power in 0..3 {
                let factor = t.powf(f64::from(power))?;
                let rate = match power {
                    0 => t.zeros_like()?,
                    _ => (t.powf(f64::from(power - 1))? * (f64::from(power) * dt))?,
                };
                values.push((&shape * &factor)?);
                along.push(((&shape * rate)? + (&slope * &factor)?)?);
            }
        }
        Ok((Tensor::cat(&values, 1)?, Tensor::cat(&along, 1)?))
    }
}

impl Energy for Quadratic {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(self.jvp(t, x, 0.0, &x.zeros_like()?)?.0)
    }

    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (value, along) = Quadratic::features(t, x, dt, dx)?;
        let sum =
            |f: Tensor| -> Result<Tensor> { Ok(f.broadcast_mul(&self.coefficients)?.sum(1)?) };
        Ok((sum(value)?, sum(along)?))
    }
}

/// The minimiser of a quadratic function of six numbers, by its gradients.
fn minimiser(gradient: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    let n = 6;
    let start = gradient(&vec![0.0; n]);
    let mut rows: Vec<Vec<f64>> = vec![vec![0.0; n + 1]; n];
    for j in 0..n {
        let mut unit = vec![0.0; n];
        unit[j] = 1.0;
        let column = gradient(&unit);
        (0..n).for_each(|i| rows[i][j] = column[i] - start[i]);
    }
    (0..n).for_each(|i| rows[i][n] = -start[i]);
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))
            .unwrap();
        rows.swap(i, pivot);
        for k in (0..n).filter(|k| *k != i) {
            let factor = rows[k][i] / rows[i][i];
            (i..=n).for_each(|j| rows[k][j] -= factor * rows[i][j]);
        }
    }
    (0..n).map(|i| rows[i][n] / rows[i][i]).collect()
}

/// The exact curves of the population: `x_t = (1 + t) z + t²`, at random times.
struct Exact(usize);

impl SnapshotPath for Exact {
    fn sample(&self, _: &Snapshots, rng: &mut Generator) -> Result<CurvePoints> {
        let times = rng.values(&rand_distr::StandardUniform, self.0)?;
        let z = rng.normal((self.0, 1), DType::F64, device())?;
        let column = |f: &dyn Fn(f64) -> f64| {
            Tensor::from_vec(times.iter().map(|t| f(*t)).collect(), (self.0, 1), device())
        };
        let x = ((&z * column(&|t| 1.0 + t)?)? + column(&|t| t * t)?)?;
        let velocity = (&z + column(&|t| 2.0 * t)?)?;
        let durations = vec![1.0 / self.0 as f64; self.0];
        Ok(CurvePoints::new(times, x, velocity, durations))
    }
}

/// The least kinetic velocity of `(1 + t) z + t²` is `(x − t²)/(1 + t) + 2t`: the gradient of a potential whose coefficients are
/// no polynomials, but nearly.
/// `s = a x² max(0, 1 − t/δ)`.
struct Fading {
    a: f64,
    delta: f64,
}

impl Energy for Fading {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(self.jvp(t, x, 0.0, &x.zeros_like()?)?.0)
    }

    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let left = t.tensor(x)?.affine(-1.0 / self.delta, 1.0)?;
        let inside = left.gt(0.0)?.to_dtype(DType::F64)?;
        let left = (left * &inside)?;
        let squares = (x.sqr()?.sum(1)? * self.a)?;
        let slope = ((x * dx)?.sum(1)? * (2.0 * self.a))?;
        let rate = (&squares * inside)?.affine(-dt / self.delta, 0.0)?;
        Ok(((&squares * &left)?, (rate + (slope * left)?)?))
    }
}

/// Noise around curves that stand still is N(0, 1) at all times: no potential is better than none, at the ends either.
#[test]
fn noise_at_the_ends_counts_in_the_action() {
    let zeros = Tensor::zeros((4, 1), DType::F64, device()).unwrap();
    let snapshots = Snapshots::new(&[0.0, 1.0], &[zeros.clone(), zeros]).unwrap();
    let spline = Spline::new(Independent, PiecewiseLinear, 400_000).unwrap();
    let chain = |batch| Chain::new(Independent, ConstantSigma::new(1.0).unwrap(), batch).unwrap();
    let objective = ActionMatching::new(spline.noise(1.0).unwrap());
    let pairs = ActionMatching::new(chain(400_000));
    for (a, delta) in [(1.0, 0.3), (2.0, 0.1)] {
        let potential = || GradientField::new(Fading { a, delta }, &[]).unwrap();
        // ½ ∫ E (2 a x max(0, 1 − t/δ))² dt.
        let expected = 2.0 * a * a * delta / 3.0;
        let rng = || Generator::from_seed(1);
        for loss in [
            objective.loss(&potential(), &snapshots, &mut rng()),
            pairs.loss(&potential(), &snapshots, &mut rng()),
        ] {
            let loss = loss.unwrap().to_scalar::<f64>().unwrap();
            assert!((loss / expected - 1.0).abs() < 0.2, "{loss} {expected}");
        }
    }
}

#[test]
fn action_matching_finds_the_potential_of_least_action() {
    let mut rng = Generator::from_seed(0);
    let population = snapshots(100_000, &[0.0, 1.0], &mut rng);
    let objective = ActionMatching::new(Exact(100_000));
    let gradient = |values: &[f64]| {
        let coefficients = {
            let values = Tensor::from_slice(values, (1, 6), device()).unwrap();
            Var::from_tensor(&values).unwrap()
        };
        let tensor = coefficients.as_tensor().clone();
        let energy = Quadratic {
            coefficients: tensor.clone(),
        };
        let velocity = GradientField::new(energy, &[tensor]).unwrap();
        let loss = objective
            .loss(&velocity, &population, &mut Generator::from_seed(1))
            .unwrap();
        let gradients = loss.backward().unwrap();
        gradients
            .get(&coefficients)
            .unwrap()
            .to_vec2::<f64>()
            .unwrap()[0]
            .clone()
    };
    let found = minimiser(gradient);
    let polynomial = |c: &[f64], t: f64| c[0] + c[1] * t + c[2] * t * t;
    for t in [0.1f64, 0.5, 0.9] {
        for x in [-0.5f64, 1.0, 2.0] {
            let ours = polynomial(&found[..3], t) * x + polynomial(&found[3..], t);
            let truth = (x - t * t) / (1.0 + t) + 2.0 * t;
            assert!((ours - truth).abs() < 0.25, "{t} {x}: {ours} {truth}");
        }
    }
}

/// With a diffusion, the drift is the velocity and half of σ² times the score, `−(x − t²)/(1 + t)²`.
#[test]
fn entropic_action_matching_finds_the_drift() {
    let (sigma, count) = (0.8, 100_000);
    let population = snapshots(count, &[0.0, 1.0], &mut Generator::from_seed(0));
    let objective = ActionMatching::new(Exact(count)).diffusion(sigma).unwrap();
    let gradient = |values: &[f64]| {
        let values = Tensor::from_slice(values, (1, 6), device()).unwrap();
        let coefficients = Var::from_tensor(&values).unwrap();
        let tensor = coefficients.as_tensor().clone();
        let energy = Quadratic {
            coefficients: tensor.clone(),
        };
        let velocity = GradientField::new(energy, &[tensor]).unwrap();
        let loss = objective
            .loss(&velocity, &population, &mut Generator::from_seed(1))
            .unwrap();
        let gradients = loss.backward().unwrap();
        let found = gradients.get(&coefficients).unwrap();
        found.to_vec2::<f64>().unwrap()[0].clone()
    };
    let found = minimiser(gradient);
    let polynomial = |c: &[f64], t: f64| c[0] + c[1] * t + c[2] * t * t;
    for t in [0.1f64, 0.5, 0.9] {
        for x in [-0.5f64, 1.0, 2.0] {
            let ours = polynomial(&found[..3], t) * x + polynomial(&found[3..], t);
            let away = (x - t * t) / (1.0 + t);
            let truth = away + 2.0 * t - 0.5 * sigma * sigma * away / (1.0 + t);
            assert!((ours - truth).abs() < 0.25, "{t} {x}: {ours} {truth}");
        }
    }
}

/// Two populations that move by 0.5: one keeps its mass, the other grows by e. An unbalanced plan tells both rates, and the masses
/// at all times; a balanced one would carry a quarter of one to the other.
#[test]
fn the_growth_of_a_mixture_is_found() {
    let mut rng = Generator::from_seed(5);
    let count = 400;
    let mut cloud = |place: f64| {
        let z = rng.normal((count, 1), DType::F64, device()).unwrap();
        z.affine(0.3, place).unwrap()
    };
    let start = Tensor::cat(&[cloud(-4.0), cloud(4.0)], 0).unwrap();
    let end = Tensor::cat(&[cloud(-3.5), cloud(4.5)], 0).unwrap();
    let e = std::f64::consts::E;
    let weights: Vec<f64> = (0..2 * count)
        .map(|i| if i < count { 1.0 } else { e })
        .collect();
    let population = Snapshots::new(&[0.0, 1.0], &[start, end])
        .and_then(|p| p.weighted(1, &weights))
        .and_then(|p| p.masses(&[2.0, 1.0 + e]))
        .unwrap();
    let plans = Sinkhorn::new(0.05)
        .and_then(|s| s.unbalanced(10.0))
        .and_then(|s| s.tolerance(1e-5))
        .unwrap();
    let chain = UnbalancedChain::new(plans, Affine::new(CondOt::default()), 400).unwrap();
    let (mut sums, batches) = ([[0.0; 3]; 2], 10);
    for _ in 0..batches {
        let points = chain.sample(&population, &mut rng).unwrap();
        let x = points.x.squeeze(1).unwrap().to_vec1::<f64>().unwrap();
        let v = points
            .velocity
            .squeeze(1)
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        for i in 0..x.len() {
            let side = &mut sums[usize::from(x[i] > 0.0)];
            let mass = points.masses[i] * points.durations[i] / f64::from(batches);
            side[0] += mass;
            side[1] += mass * v[i];
            side[2] += mass * points.growth[i];
        }
    }
    for (side, rate) in sums.iter().zip([0.0, 1.0]) {
        let (mass, v, growth) = (side[0], side[1] / side[0], side[2] / side[0]);
        // The mean over a unit of time: 1, and e − 1.
        let expected = if rate == 0.0 { 1.0 } else { e - 1.0 };
        println!("mass {mass:.3} for {expected:.3}, velocity {v:.3}, growth {growth:.3}");
        assert!(
            (mass - expected).abs() < 0.06 * expected,
            "{mass} {expected}"
        );
        assert!((v - 0.5).abs() < 0.03, "{v}");
        assert!((growth - rate).abs() < 0.06, "{growth} {rate}");
    }
}

/// A population that stays in place and grows by e in one unit of time: `s = γ`, if s is constant in space.
#[test]
fn action_matching_finds_growth() {
    /// `a + b x` with b = 0.
    struct Level(Tensor);
    impl Energy for Level {
        fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
            Ok(self.jvp(t, x, 0.0, x)?.0)
        }
        fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
            let (level, slope) = (self.0.narrow(0, 0, 1)?, self.0.narrow(0, 1, 1)?);
            let value = x.squeeze(1)?.broadcast_mul(&slope)?.broadcast_add(&level)?;
            Ok((value, dx.squeeze(1)?.broadcast_mul(&slope)?))
        }
    }
    let x = Tensor::new(&[[0f64], [1.0]], device()).unwrap();
    let population = Snapshots::new(&[0.0, 1.0], &[x.clone(), x]).unwrap();
    let population = population.masses(&[1.0, std::f64::consts::E]).unwrap();
    let price = 0.7;
    let path = Spline::new(ExactOt, NaturalCubic, 4000).unwrap();
    let objective = ActionMatching::new(path).growth(price).unwrap();
    let slope = |level: f64| {
        let level = Var::new(&[level, 0.0], device()).unwrap();
        let tensor = level.as_tensor().clone();
        let velocity = GradientField::new(Level(tensor.clone()), &[tensor]).unwrap();
        let loss = objective
            .loss(&velocity, &population, &mut Generator::from_seed(0))
            .unwrap();
        loss.backward()
            .unwrap()
            .get(&level)
            .unwrap()
            .to_vec1::<f64>()
            .unwrap()[0]
    };
    // The loss is quadratic: 1 − e + γ⁻¹ s (e − 1).
    let (at_0, at_1) = (slope(0.0), slope(1.0));
    let found = -at_0 / (at_1 - at_0);
    assert!((found - price).abs() < 1e-4, "{found}");
}

/// Curves have the law of the snapshots at their times, and the mean velocity in between.
#[test]
fn splines_go_through_the_snapshots() {
    let mut rng = Generator::from_seed(2);
    let times = [0.0, 0.4, 1.0, 2.0];
    let population = snapshots(500, &times, &mut rng);
    for path in [
        &Spline::new(ExactOt, NaturalCubic, 500).unwrap() as &dyn SnapshotPath,
        &Spline::new(ExactOt, Hermite, 500).unwrap(),
    ] {
        // Sorted samples are paired in one dimension, and mean velocities follow `2t`.
        let points = path.sample(&population, &mut rng).unwrap();
        let v = points
            .velocity
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        let pairs = points.times.iter().zip(&v).filter(|(t, _)| **t > 0.2);
        let off: Vec<f64> = pairs.map(|(t, v)| v - 2.0 * t).collect();
        let mean = off.iter().sum::<f64>() / off.len() as f64;
        assert!(mean.abs() < 0.25, "{mean}");
        let total: f64 = points.durations.iter().sum();
        assert!((total - 2.0).abs() < 1e-12);
    }
}

/// One network on three snapshots carries the first to the last, and comes near one in between that it has not seen.
#[test]
fn flow_matching_predicts_a_time_that_was_left_out() {
    let mut rng = Generator::from_seed(3);
    let all = snapshots(200, &[0.0, 0.5, 1.0, 1.5], &mut rng);
    let (kept, left_out) = all.without(1).unwrap();
    let store = ParameterStore::new(Key::from_seed(0), DType::F64, device());
    let net = Mlp::config(1).hidden(&[32; 2]).activation(Activation::Silu);
    let net = net.build(&store.builder()).unwrap();
    let objective =
        FlowMatching::new(Chain::new(ExactOt, Affine::new(CondOt::default()), 64).unwrap());
    let optimizer = AdamW::from_store(&store, AdamWConfig::default()).unwrap();
    let steps = 300;
    let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(1))
        .learning_rate(WarmupCosine::new(1e-2, 20, steps).unwrap());
    let loss = |_: usize, rng: &mut Generator| objective.loss(&net, &kept, rng);
    trainer.run(steps, loss, &mut ()).unwrap();

    let start = all.at(0).samples();
    let carried = |end: f64| {
        let solver = Solver::new(Rk4, Fixed::steps(20).unwrap());
        solver.solve(&net, start, 0.0, end).unwrap().end().unwrap()
    };
    let last = Comparison::new(&carried(1.5), all.at(3), &mut rng).unwrap();
    let middle = Comparison::new(&carried(0.5), &left_out, &mut rng).unwrap();
    let before = Comparison::new(start, &left_out, &mut rng).unwrap();
    println!("{last:?}\n{middle:?}\n{before:?}");
    assert!(last.predicted.wasserstein1 < 0.5);
    assert!(middle.predicted.wasserstein1 < 0.8 * before.predicted.wasserstein1);
}

/// A coupling that pairs by rank, against the chain's own pairs.
#[test]
fn chains_use_the_coupling() {
    struct Reversed;
    impl Coupling for Reversed {
        fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
            ExactOt.pair(&x0.neg()?, x1, rng)
        }
    }
    let mut rng = Generator::from_seed(4);
    let population = snapshots(300, &[0.0, 1.0], &mut rng);
    let energy = |coupling: &dyn Coupling, rng: &mut Generator| {
        let chain = Chain::new(coupling, Affine::new(CondOt::default()), 300).unwrap();
        let v = chain.sample(&population, rng).unwrap().velocity;
        v.sqr()
            .unwrap()
            .mean_all()
            .unwrap()
            .to_scalar::<f64>()
            .unwrap()
    };
    // (2 z + 1 − z)² against (−2 z + 1 − z)².
    assert!((energy(&ExactOt, &mut rng) - 2.0).abs() < 0.6);
    assert!((energy(&Reversed, &mut rng) - 10.0).abs() < 2.5);
}
