//! A bridge between Gaussians, learned in both ways, and its divergence from the exact one.

use std::time::Instant;

use advect::paths::closed_form::Covariance;
use advect::prelude::*;
use advect_examples::bridges::{Problem, markovian_fitting, score_and_flow};

use crate::Args;

const SIGMA: f64 = 1.0;
const MEAN: f64 = 0.1;
/// Steps of a process: the 21 times of the comparison are ends of some.
const STEPS: usize = 40;

/// The rows of the table, in order.
pub(crate) const ROWS: [&str; 6] = [
    "samples of the law itself",
    "[SF]²M",
    "[SF]²M, its ODE",
    "[SF]²M, diffusion 3/2",
    "DSBM",
    "DSBM, backwards",
];

/// What a seed gives in one dimension: the mean divergence of each row, and the seconds of training by \[SF\]²M and by DSBM.
pub(crate) struct Outcome {
    pub(crate) divergences: [f64; ROWS.len()],
    pub(crate) seconds: [f64; 2],
}

/// The exact bridge, and where its divergence is looked at.
struct Judge {
    bridge: GaussianBridge,
    times: Vec<f64>,
}

impl Judge {
    /// The mean over the times of `KL(p_t ‖ N(m, S))`, with m and S of the states.
    fn divergence(&self, states: &[Tensor]) -> Result<f64> {
        let mut sum = 0.0;
        for (t, x) in self.times.iter().zip(states) {
            sum += self.bridge.law(*t)?.kl_divergence(&Gaussian::fit(x)?)?;
        }
        Ok(sum / self.times.len() as f64)
    }

    /// That of a process with a drift.
    fn of_process(
        &self,
        drift: &dyn Field,
        direction: Direction,
        diffusion: f64,
        start: &Tensor,
        key: Key,
    ) -> Result<f64> {
        let sampler = BridgeSampler::new(diffusion, STEPS)?;
        let mut at = self.times.clone();
        if direction == Direction::Backwards {
            at.reverse();
        }
        let way = sampler.run(drift, direction, start, Save::At(at), key)?;
        let mut states = way.states;
        if direction == Direction::Backwards {
            states.reverse();
        }
        self.divergence(&states)
    }
}

/// Learns and measures the bridge of a dimension.
pub(crate) fn measure(dim: usize, args: &Args, key: &Key) -> Result<Outcome> {
    let law = |mean: f64| {
        let mean = Tensor::full(mean, dim, &Device::Cpu)?;
        Gaussian::new(&mean, Covariance::isotropic(1.0)?)
    };
    let (source, target) = (law(-MEAN)?, law(MEAN)?);
    let judge = Judge {
        bridge: GaussianBridge::new(&source, &target, SIGMA)?,
        times: (0..=20).map(|k| f64::from(k) / 20.0).collect(),
    };
    let mut rng = Generator::from(key.named("data"));
    let mut draw = |law: &Gaussian, n| law.sample(n, DType::F32, &Device::Cpu, &mut rng);
    let (x0, x1) = (draw(&source, args.points)?, draw(&target, args.points)?);
    let (test0, test1) = (draw(&source, args.samples)?, draw(&target, args.samples)?);
    let problem = Problem {
        x0: &x0,
        x1: &x1,
        sigma: SIGMA,
        times: STEPS,
    };

    let mut rng = Generator::from(key.named("exact"));
    let exact = judge.times.iter().map(|t| {
        let law = judge.bridge.law(*t)?;
        law.sample(args.samples, DType::F64, &Device::Cpu, &mut rng)
    });
    let exact = judge.divergence(&exact.collect::<Result<Vec<_>>>()?)?;

    let started = Instant::now();
    let [velocity, score] = score_and_flow(problem, args.steps, &key.named("[SF]²M"))?;
    let of_flow = started.elapsed().as_secs_f64();
    let process = |diffusion: f64| {
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

    let started = Instant::now();
    let fitting = markovian_fitting(problem, args.steps, &key.named("DSBM"))?;
    let of_fitting = started.elapsed().as_secs_f64();
    let fitted = |direction, start: &Tensor| {
        let drift = fitting.drift(direction);
        let drift = drift.ok_or_else(|| Error::range("rounds", 0, "a round of each direction"))?;
        judge.of_process(drift, direction, SIGMA, start, key.named("DSBM's process"))
    };
    Ok(Outcome {
        divergences: [
            exact,
            process(SIGMA)?,
            judge.divergence(&flow.states)?,
            process(1.5)?,
            fitted(Direction::Forwards, &test0)?,
            fitted(Direction::Backwards, &test1)?,
        ],
        seconds: [of_flow, of_fitting],
    })
}
