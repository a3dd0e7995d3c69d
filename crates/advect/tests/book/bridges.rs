//! Minibatch optimal transport and Schrödinger bridges.

use super::{close, gaussian, mean, normal, number, two_peaks, variance};
use advect::metrics::transport_cost;
use advect::prelude::*;
use advect::transport::{Cost, ExactPlan, Sinkhorn};

// ANCHOR: pairs
fn squared(way: &[f64]) -> f64 {
    way.iter().map(|w| w * w).sum()
}

/// Optimal pairs within a batch cost less, and each batch still has the marginals of both sides.
#[test]
fn optimal_pairs() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let x0 = normal(256, 2, &mut rng)?;
    let x1 = two_peaks()?.sample(256, DType::F64, &Device::Cpu, &mut rng)?;
    let pairs = ExactOt.pair(&x0, &x1, &mut rng)?;
    let (y0, y1) = (pairs.source(&x0)?, pairs.target(&x1)?);
    let [random, optimal] = [
        transport_cost(&x0, &x1, squared)?,
        transport_cost(&y0, &y1, squared)?,
    ];
    assert!(optimal.mean < 0.6 * random.mean, "{optimal:?} {random:?}");
    close(mean(&y0)?, mean(&x0)?, 1e-12);
    close(mean(&y1)?, mean(&x1)?, 1e-12);

    // To train on: OT-CFM without the noise around the lines.
    let objective = Coupled::new(ExactOt, rectified_flow());
    let velocity = field_fn(|_, x| Ok(x.zeros_like()?));
    let loss = number(&objective.loss(&velocity, &x0, &x1, &mut rng)?)?;
    close(loss, 0.5 * optimal.mean, 1e-9); // the mean over two elements
    Ok(())
}
// ANCHOR_END: pairs

// ANCHOR: bridge
/// Velocity and score of a Brownian bridge, against the formulas.
#[test]
fn brownian_bridges() -> Result<()> {
    let (sigma, t) = (0.8, 0.3);
    let at = |x: f64| Tensor::new(&[[x]], &Device::Cpu);
    let path = SchrodingerBridge::new(sigma)?;
    let point = path.at_noise(&Time::Shared(t), &at(1.0)?, &at(5.0)?, &at(-0.7)?)?;
    let (x, mu) = (number(&point.x)?, 1.0 + t * 4.0);
    let wide = t * (1.0 - t);
    close(x, mu - 0.7 * sigma * wide.sqrt(), 1e-12);
    close(
        number(&point.velocity()?)?,
        (1.0 - 2.0 * t) / (2.0 * wide) * (x - mu) + 4.0,
        1e-12,
    );
    close(
        number(&point.score()?)?,
        -(x - mu) / (sigma * sigma * wide),
        1e-12,
    );
    // u + ½ σ² s is the drift of the bridge, (x1 − x)/(1 − t).
    let drift = number(&(point.velocity()? + (point.score()? * (0.5 * sigma * sigma))?)?)?;
    close(drift, (5.0 - x) / (1.0 - t), 1e-12);
    Ok(())
}
// ANCHOR_END: bridge

// ANCHOR: gaussians
/// The bridge of two Gaussians, simulated forwards by its exact drift.
#[test]
fn a_bridge_between_gaussians() -> Result<()> {
    let bridge = GaussianBridge::new(&gaussian(0.0, 1.0)?, &gaussian(3.0, 0.25)?, 1.0)?;
    let start = normal(4000, 1, &mut Generator::from_seed(0))?;
    let sampler = BridgeSampler::new(1.0, 100)?;
    let drift = bridge.drift(Direction::Forwards);
    let ends = sampler.sample(&drift, Direction::Forwards, &start, Key::from_seed(1))?;
    close(mean(&ends)?, 3.0, 0.05);
    close(variance(&ends)?, 0.25, 0.04);
    // The ends are coupled as the plan of entropic transport says.
    let both = mean(&((&start - mean(&start)?)? * (&ends - mean(&ends)?)?)?)?;
    close(both, bridge.cross_covariance()[0], 0.04);
    Ok(())
}
// ANCHOR_END: gaussians

// ANCHOR: exercise_1
/// No two optimal pairs would gain by exchanging their ends, so that their lines don't meet at one time.
#[test]
fn exercise_1_optimal_lines_do_not_cross() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let x0 = normal(40, 2, &mut rng)?;
    let x1 = two_peaks()?.sample(40, DType::F64, &Device::Cpu, &mut rng)?;
    let pairs = ExactOt.pair(&x0, &x1, &mut rng)?;
    let [y0, y1] = [pairs.source(&x0)?, pairs.target(&x1)?].map(|y| y.to_vec2::<f64>());
    let (y0, y1) = (y0?, y1?);
    for i in 0..40 {
        for j in 0..i {
            let product: f64 = (0..2)
                .map(|c| (y0[i][c] - y0[j][c]) * (y1[i][c] - y1[j][c]))
                .sum();
            assert!(product > -1e-12, "{product}");
        }
    }
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// The cross-covariance of the bridge between N(0, a²) and N(m, b²) is √(a² b² + σ⁴/4) − σ²/2.
#[test]
fn exercise_2_how_noise_loosens_pairs() -> Result<()> {
    let (a, b): (f64, f64) = (1.0, 0.5);
    for sigma in [0.01, 1.0, 10.0] {
        let bridge = GaussianBridge::new(&gaussian(0.0, a * a)?, &gaussian(3.0, b * b)?, sigma)?;
        let half = 0.5 * sigma * sigma;
        let expected = (a * a * b * b + half * half).sqrt() - half;
        close(bridge.cross_covariance()[0], expected, 1e-9);
    }
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// As the strength falls, the cost of Sinkhorn's plan falls to that of the best one.
#[test]
fn exercise_3_from_entropic_to_exact() -> Result<()> {
    let mut rng = Generator::from_seed(0);
    let x0 = normal(50, 2, &mut rng)?;
    let x1 = two_peaks()?.sample(50, DType::F64, &Device::Cpu, &mut rng)?;
    let cost = Cost::squared_euclidean(&x0, &x1)?;
    let exact = ExactPlan::uniform(&cost)?.cost(&cost);
    let entropic =
        |strength: f64| Ok::<_, Error>(Sinkhorn::new(strength)?.solve(&cost)?.cost(&cost));
    let [strong, middle, weak] = [entropic(50.0)?, entropic(1.0)?, entropic(0.1)?];
    assert!(strong > middle && middle > weak && weak > exact - 0.01);
    close(weak / exact, 1.0, 0.1);
    Ok(())
}
// ANCHOR_END: exercise_3
