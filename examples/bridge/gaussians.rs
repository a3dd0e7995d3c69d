//! The published benchmark: from N(−0.1, I) to N(0.1, I) with σ = 1, where the bridge is known (Tong et al. 2024b).

use std::time::Instant;

use advect::core::normal::cdf;
use advect::paths::closed_form::Covariance;
use advect::prelude::*;

use crate::Args;
use crate::learning::{Problem, markovian_fitting, score_and_flow};

const SIGMA: f64 = 1.0;
const MEAN: f64 = 0.1;
/// Steps of a process: the 21 times of the comparison are ends of some.
const STEPS: usize = 40;

/// The mean divergences that the paper has for \[SF\]²M with exact pairs.
const PUBLISHED: [(usize, f64); 3] = [(5, 0.006), (20, 0.028), (50, 0.258)];

pub(crate) fn print_title() {
    println!(
        "from N(-0.1, I) to N(0.1, I)   mean KL at 21 times   published   KS sqrt(n) at the end"
    );
}

/// Prints the lines of a dimension.
pub(crate) fn compare(dim: usize, args: &Args, key: &Key) -> Result<()> {
    let samples = args.samples;
    let ends = [-MEAN, MEAN].map(|mean| {
        let mean = Tensor::full(mean, dim, &Device::Cpu)?;
        Gaussian::new(&mean, Covariance::isotropic(1.0)?)
    });
    let [source, target] = ends;
    let (source, target) = (source?, target?);
    let bridge = GaussianBridge::new(&source, &target, SIGMA)?;
    let mut rng = Generator::from(key.named("data"));
    let mut draw = |law: &Gaussian, n| law.sample(n, DType::F32, &Device::Cpu, &mut rng);
    let (x0, x1) = (draw(&source, args.points)?, draw(&target, args.points)?);
    let (test0, test1) = (draw(&source, samples)?, draw(&target, samples)?);
    let problem = Problem {
        x0: &x0,
        x1: &x1,
        sigma: SIGMA,
        times: STEPS,
    };

    let times: Vec<f64> = (0..=20).map(|k| f64::from(k) / 20.0).collect();
    let print = |name: &str, states: &[Tensor], end: &Tensor, mean: f64| -> Result<()> {
        let mut divergence = 0.0;
        for (t, x) in times.iter().zip(states) {
            divergence += bridge.law(*t)?.kl_divergence(&Gaussian::fit(x)?)? / 21.0;
        }
        let published = PUBLISHED
            .iter()
            .find(|(d, _)| *d == dim && name == "[SF]²M");
        let published = published.map_or(String::new(), |(_, kl)| format!("{kl:.3}"));
        let distance = kolmogorov_smirnov(end, mean)? * (samples as f64).sqrt();
        println!("{dim:>2}  {name:<26}{divergence:>20.4}{published:>12}{distance:>24.2}");
        Ok(())
    };
    let run = |name: &str, drift: &dyn Field, direction: Direction, diffusion: f64| -> Result<()> {
        let (start, mean) = match direction {
            Direction::Forwards => (&test0, MEAN),
            Direction::Backwards => (&test1, -MEAN),
        };
        let sampler = BridgeSampler::new(diffusion, STEPS)?;
        let mut at = times.clone();
        if direction == Direction::Backwards {
            at.reverse();
        }
        let way = sampler.run(drift, direction, start, Save::At(at), key.named(name))?;
        let mut states = way.states.clone();
        if direction == Direction::Backwards {
            states.reverse();
        }
        print(name, &states, &way.end()?, mean)
    };

    // The least that so many samples can have.
    let mut rng = Generator::from(key.named("exact"));
    let mut exact = Vec::new();
    for t in &times {
        exact.push(
            bridge
                .law(*t)?
                .sample(samples, DType::F64, &Device::Cpu, &mut rng)?,
        );
    }
    print("the law itself", &exact, &exact[20], MEAN)?;

    let started = Instant::now();
    let [velocity, score] = score_and_flow(problem, args.steps, &key.named("[SF]²M"))?;
    let of_flow = started.elapsed().as_secs_f64();
    let drift = |diffusion: f64| {
        let (velocity, score) = (&velocity, &score);
        field_fn(move |t, x: &Tensor| {
            Ok((velocity.at(t, x)? + (score.at(t, x)? * (0.5 * diffusion * diffusion))?)?)
        })
    };
    run("[SF]²M", &drift(SIGMA), Direction::Forwards, SIGMA)?;
    for (name, diffusion) in [
        ("[SF]²M, diffusion 1/2", 0.5),
        ("[SF]²M, diffusion 3/2", 1.5),
    ] {
        run(name, &drift(diffusion), Direction::Forwards, diffusion)?;
    }
    let flow = Solver::new(Midpoint, Fixed::steps(STEPS)?)
        .integration(&velocity, &test0, 0.0, 1.0)
        .save(Save::At(times.clone()))
        .run()?;
    print("[SF]²M, ODE", &flow.states, &flow.end()?, MEAN)?;

    let started = Instant::now();
    let fitting = markovian_fitting(problem, args.steps, &key.named("DSBM"))?;
    let of_fitting = started.elapsed().as_secs_f64();
    for (name, direction) in [
        ("DSBM", Direction::Forwards),
        ("DSBM, backwards", Direction::Backwards),
    ] {
        if let Some(drift) = fitting.drift(direction) {
            run(name, drift, direction, SIGMA)?;
        }
    }
    println!("training            {of_flow:.1} s and {of_fitting:.1} s");
    Ok(())
}

/// The distance of the distribution of a coordinate from that of N(mean, 1), on average over the coordinates. Times
/// √n, true samples have 0.87.
fn kolmogorov_smirnov(x: &Tensor, mean: f64) -> Result<f64> {
    let columns = x.to_dtype(DType::F64)?.t()?.to_vec2::<f64>()?;
    let dim = columns.len() as f64;
    let distances = columns.into_iter().map(|mut values| {
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        values.iter().enumerate().fold(0f64, |distance, (i, x)| {
            let p = cdf(x - mean);
            distance
                .max((p - i as f64 / n).abs())
                .max((p - (i + 1) as f64 / n).abs())
        })
    });
    Ok(distances.sum::<f64>() / dim)
}
