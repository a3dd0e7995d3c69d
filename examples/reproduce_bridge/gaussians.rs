//! A bridge between Gaussians, learned in both ways, and its divergence from the exact one.

use std::time::Instant;

use advect::core::normal::cdf;
use advect::paths::closed_form::Covariance;
use advect::prelude::*;
use advect_examples::bridges::{Problem, markovian_fitting, score_and_flow};
use advect_examples::kolmogorov_smirnov;

use crate::Args;

const SIGMA: f64 = 1.0;
const MEAN: f64 = 0.1;
/// Steps of a process: the 21 times of the comparison are ends of some.
const STEPS: usize = 40;
/// Samples of each end for an entropic plan.
const POOL: usize = 2000;
/// Random directions along which the laws are compared, besides the coordinates.
const DIRECTIONS: usize = 10;

/// The rows of the table, in order.
pub(crate) const ROWS: [&str; 9] = [
    "samples of the law itself",
    "exact drift",
    "[SF]²M",
    "[SF]²M, exact score",
    "[SF]²M, exact velocity",
    "[SF]²M, its ODE",
    "[SF]²M, diffusion 3/2",
    "DSBM",
    "DSBM, backwards",
];

/// How far a process is from the exact one.
#[derive(Clone, Copy)]
pub(crate) struct Distances {
    /// The mean over the times of `KL(p_t ‖ N(m, S))`, with m and S of the states.
    pub(crate) divergence: f64,
    /// The largest distance of Kolmogorov and Smirnov over coordinates and random directions, at t = ½ and at the end.
    pub(crate) largest: [f64; 2],
}

/// What a seed gives in one dimension: the distances of each row, and the seconds of training by \[SF\]²M and by DSBM.
pub(crate) struct Outcome {
    pub(crate) rows: [Distances; ROWS.len()],
    pub(crate) seconds: [f64; 2],
}

/// The largest distance that exact samples exceed once in twenty times at most, by the inequality of Dvoretzky, Kiefer and Wolfowitz, and Bonferroni's.
pub(crate) fn critical(dim: usize, samples: usize) -> f64 {
    let tests = (dim + DIRECTIONS) as f64;
    ((2.0 * tests / 0.05).ln() / (2.0 * samples as f64)).sqrt()
}

/// The exact bridge, and where the distance from it is looked at.
struct Judge {
    bridge: GaussianBridge,
    times: Vec<f64>,
    /// `(dim, tests)`, unit vectors in columns.
    directions: Tensor,
}

impl Judge {
    fn new(bridge: GaussianBridge, dim: usize, rng: &mut Generator) -> Result<Self> {
        let random = rng.normal((dim, DIRECTIONS), DType::F64, &Device::Cpu)?;
        let random = random.broadcast_div(&random.sqr()?.sum_keepdim(0)?.sqrt()?)?;
        let coordinates = Tensor::eye(dim, DType::F64, &Device::Cpu)?;
        Ok(Judge {
            bridge,
            times: (0..=20).map(|k| f64::from(k) / 20.0).collect(),
            directions: Tensor::cat(&[coordinates, random], 1)?,
        })
    }

    /// How far states at the times are, for a process that ends at one of them.
    fn distances(&self, states: &[Tensor], end: usize) -> Result<Distances> {
        let mut sum = 0.0;
        for (t, x) in self.times.iter().zip(states) {
            sum += self.bridge.law(*t)?.kl_divergence(&Gaussian::fit(x)?)?;
        }
        let largest = |k: usize| self.largest(&self.bridge.law(self.times[k])?, &states[k]);
        Ok(Distances {
            divergence: sum / self.times.len() as f64,
            largest: [largest(self.times.len() / 2)?, largest(end)?],
        })
    }

    /// The largest distance of samples from a Gaussian along the directions.
    fn largest(&self, law: &Gaussian, x: &Tensor) -> Result<f64> {
        let dim = law.mean().len();
        let mean = Tensor::from_slice(law.mean(), (1, dim), &Device::Cpu)?;
        let covariance = Tensor::from_vec(law.covariance(), (dim, dim), &Device::Cpu)?;
        let of_law = (covariance.matmul(&self.directions)? * &self.directions)?;
        let deviations = of_law.sum_keepdim(0)?.sqrt()?;
        let centred = x.to_dtype(DType::F64)?.broadcast_sub(&mean)?;
        let along = centred.matmul(&self.directions)?;
        let standard = along.broadcast_div(&deviations)?.t()?.to_vec2::<f64>()?;
        let distances = standard.into_iter().map(|z| kolmogorov_smirnov(z, cdf));
        Ok(distances.fold(0.0, f64::max))
    }

    /// That of a process with a drift.
    fn of_process(
        &self,
        drift: &dyn Field,
        direction: Direction,
        diffusion: f64,
        start: &Tensor,
        key: Key,
    ) -> Result<Distances> {
        let sampler = BridgeSampler::new(diffusion, STEPS)?;
        let (mut at, last) = (self.times.clone(), self.times.len() - 1);
        if direction == Direction::Backwards {
            at.reverse();
        }
        let way = sampler.run(drift, direction, start, Save::At(at), key)?;
        way.end()?;
        let mut states = way.states;
        if direction == Direction::Backwards {
            states.reverse();
            return self.distances(&states, 0);
        }
        self.distances(&states, last)
    }
}

/// Learns and measures the bridge of a dimension.
pub(crate) fn measure(dim: usize, args: &Args, key: &Key) -> Result<Outcome> {
    let law = |mean: f64| {
        let mean = Tensor::full(mean, dim, &Device::Cpu)?;
        Gaussian::new(&mean, Covariance::isotropic(1.0)?)
    };
    let (source, target) = (law(-MEAN)?, law(MEAN)?);
    let bridge = GaussianBridge::new(&source, &target, SIGMA)?;
    let judge = Judge::new(bridge, dim, &mut Generator::from(key.named("directions")))?;
    let mut rng = Generator::from(key.named("data"));
    let mut draw = |law: &Gaussian, n| law.sample(n, DType::F32, &Device::Cpu, &mut rng);
    let (x0, x1) = (draw(&source, args.points)?, draw(&target, args.points)?);
    let (test0, test1) = (draw(&source, args.samples)?, draw(&target, args.samples)?);
    let problem = Problem {
        x0: &x0,
        x1: &x1,
        sigma: SIGMA,
        times: STEPS,
        pool: POOL,
    };

    let mut rng = Generator::from(key.named("exact"));
    let exact = judge.times.iter().map(|t| {
        let law = judge.bridge.law(*t)?;
        law.sample(args.samples, DType::F64, &Device::Cpu, &mut rng)
    });
    let last = judge.times.len() - 1;
    let exact = judge.distances(&exact.collect::<Result<Vec<_>>>()?, last)?;

    let started = Instant::now();
    let [velocity, score] = score_and_flow(problem, args.steps, &key.named("[SF]²M"))?;
    let of_flow = started.elapsed().as_secs_f64();
    let process = |velocity: &dyn Field, score: &dyn Field, diffusion: f64| {
        let drift = field_fn(|t, x: &Tensor| {
            Ok((velocity.at(t, x)? + (score.at(t, x)? * (0.5 * diffusion * diffusion))?)?)
        });
        let key = key.named(&format!("process {diffusion}"));
        judge.of_process(&drift, Direction::Forwards, diffusion, &test0, key)
    };
    let flow = Solver::new(Midpoint, Fixed::steps(STEPS)?)
        .integration(&velocity, &test0, 0.0, 1.0)
        .save(Save::At(judge.times.clone()))
        .run()?;
    flow.end()?;
    let (true_velocity, true_score) = (judge.bridge.velocity(), judge.bridge.score());

    let started = Instant::now();
    let fitting = markovian_fitting(problem, args.steps, &key.named("DSBM"))?;
    let of_fitting = started.elapsed().as_secs_f64();
    let fitted = |direction, start: &Tensor| {
        let drift = fitting.drift(direction);
        let drift = drift.ok_or_else(|| Error::range("rounds", 0, "a round of each direction"))?;
        judge.of_process(drift, direction, SIGMA, start, key.named("DSBM's process"))
    };
    Ok(Outcome {
        rows: [
            exact,
            process(&true_velocity, &true_score, SIGMA)?,
            process(&velocity, &score, SIGMA)?,
            process(&velocity, &true_score, SIGMA)?,
            process(&true_velocity, &score, SIGMA)?,
            judge.distances(&flow.states, last)?,
            process(&velocity, &score, 1.5)?,
            fitted(Direction::Forwards, &test0)?,
            fitted(Direction::Backwards, &test1)?,
        ],
        seconds: [of_flow, of_fitting],
    })
}
