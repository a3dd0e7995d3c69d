//! Divergences, and densities along flows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use advect_core::testing::assert_close;
use advect_core::{Conditional, Error, Field, Generator, Jvp, Key, Result, Time};
use advect_models::{Activation, Mlp, ParameterStore};
use advect_ops::{Dual, Value, softmax};
use advect_solvers::Solver;
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::{
    Divergence, Exact, Flow, HutchPlusPlus, Hutchinson, Probe, pack, unpack,
};
use advect_solvers::stepper::{Dopri5, Rk4};
use candle_core::{DType, Device, Tensor};

fn network(dim: usize) -> (ParameterStore, Mlp) {
    let store = ParameterStore::new(Key::from_seed(4), DType::F64, &Device::Cpu);
    let config = Mlp::config(dim)
        .hidden(&[16, 16])
        .activation(Activation::Tanh)
        .classes(3);
    let net = config.build(&store.builder()).unwrap();
    (store, net)
}

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F64, &Device::Cpu)
        .unwrap()
}

/// The divergence by central differences.
fn difference(field: &impl Field, t: &Time, x: &Tensor) -> Vec<f64> {
    let (batch, h) = (x.dims()[0], 1e-5);
    let dim = x.elem_count() / batch;
    let rows = x.reshape((batch, dim)).unwrap().to_vec2::<f64>().unwrap();
    let value = |i: usize, j: usize, h: f64| {
        let mut moved = rows.clone();
        moved[i][j] += h;
        let moved = Tensor::new(moved, &Device::Cpu)
            .unwrap()
            .reshape(x.shape())
            .unwrap();
        let y = field.at(t, &moved).unwrap().reshape((batch, dim)).unwrap();
        y.to_vec2::<f64>().unwrap()[i][j]
    };
    let slope = |i: usize, j: usize| (value(i, j, h) - value(i, j, -h)) / (2.0 * h);
    (0..batch)
        .map(|i| (0..dim).map(|j| slope(i, j)).sum())
        .collect()
}

fn assert_near(a: &Tensor, b: &[f64], tolerance: f64) {
    for (a, b) in a.to_vec1::<f64>().unwrap().iter().zip(b) {
        assert!((a - b).abs() < tolerance, "{a}, {b}");
    }
}

#[test]
fn exact_divergences_are_those_of_finite_differences() {
    for shape in [vec![5, 3], vec![2, 2, 3, 3], vec![1, 1]] {
        let x = normal(&shape, 1);
        let (_, net) = network(x.elem_count() / shape[0]);
        for t in [Time::Shared(0.3), Time::PerSample(normal(&shape[..1], 2))] {
            let found = Exact.at(&net, &t, &x).unwrap();
            assert_close(&found.value, &net.at(&t, &x).unwrap(), 1e-12, 1e-12);
            assert_near(&found.divergence, &difference(&net, &t, &x), 1e-7);
        }
        let labels = Tensor::new(vec![1u32; shape[0]], &Device::Cpu).unwrap();
        let given = net.given(&labels);
        let t = Time::Shared(0.7);
        let found = Exact.at(&given, &t, &x).unwrap();
        assert_near(&found.divergence, &difference(&given, &t, &x), 1e-7);
    }
}

/// The mean over many probes is the divergence, and the standard errors are those of the estimates.
#[test]
fn estimates_are_unbiased_and_know_their_errors() {
    let (batch, dim, runs) = (3, 8, 1500);
    let (_, net) = network(dim);
    let (x, t) = (normal(&[batch, dim], 3), Time::Shared(0.5));
    let exact = Exact
        .at(&net, &t, &x)
        .unwrap()
        .divergence
        .to_vec1::<f64>()
        .unwrap();
    let mut rng = Generator::from_seed(5);
    let mut spreads = Vec::new();
    for kind in 0..3 {
        let (mut sum, mut squares, mut stated) =
            (vec![0.0; batch], vec![0.0; batch], vec![0.0; batch]);
        for _ in 0..runs {
            let estimator: Box<dyn Divergence> = match kind {
                0 => Box::new(Hutchinson::new(Probe::Rademacher, 4, &x, &mut rng).unwrap()),
                1 => Box::new(Hutchinson::new(Probe::Gaussian, 4, &x, &mut rng).unwrap()),
                _ => Box::new(HutchPlusPlus::new(2, 2, &x, &mut rng).unwrap()),
            };
            let found = estimator.at(&net, &t, &x).unwrap();
            let errors = found.standard_error.unwrap().to_vec1::<f64>().unwrap();
            for (i, e) in found
                .divergence
                .to_vec1::<f64>()
                .unwrap()
                .iter()
                .enumerate()
            {
                sum[i] += e;
                squares[i] += (e - exact[i]).powi(2);
                stated[i] += errors[i].powi(2);
            }
        }
        let n = f64::from(runs);
        for i in 0..batch {
            let spread = (squares[i] / n).sqrt();
            let bias = (sum[i] / n - exact[i]).abs();
            assert!(
                bias < 4.0 * spread / n.sqrt(),
                "kind {kind}: bias {bias}, {spread}"
            );
            let stated = (stated[i] / n).sqrt();
            assert!(
                (stated / spread - 1.0).abs() < 0.15,
                "kind {kind}: {stated}, {spread}"
            );
            spreads.push(spread);
        }
    }
    for i in 0..batch {
        let [rademacher, gaussian, plus] = [spreads[i], spreads[batch + i], spreads[2 * batch + i]];
        assert!(rademacher < gaussian && plus < rademacher, "{spreads:?}");
    }
}

/// `f(x) = u (w · x)`, a Jacobian of rank 1.
struct RankOne(Tensor, Tensor);

impl Field for RankOne {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok(x.matmul(&self.1)?.matmul(&self.0)?)
    }
}

impl Jvp for RankOne {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

#[test]
fn hutch_plus_plus_is_exact_for_low_rank() {
    let (u, w, x) = (
        normal(&[1, 10], 6),
        normal(&[10, 1], 7),
        normal(&[4, 10], 8),
    );
    let field = RankOne(u, w);
    let t = Time::Shared(0.0);
    let mut rng = Generator::from_seed(9);
    let exact = Exact
        .at(&field, &t, &x)
        .unwrap()
        .divergence
        .to_vec1::<f64>()
        .unwrap();
    for sketches in [1, 3] {
        let plus = HutchPlusPlus::new(sketches, 1, &x, &mut rng).unwrap();
        assert_near(&plus.at(&field, &t, &x).unwrap().divergence, &exact, 1e-10);
    }
}

/// The marginal velocity that takes N(0, 1) to a mixture of normal laws along straight lines.
struct ToMixture;

const MEANS: [[f64; 2]; 3] = [[2.0, 0.0], [-1.0, 1.5], [0.0, -2.0]];
const WEIGHTS: [f64; 3] = [0.5, 0.3, 0.2];
const SPREAD: f64 = 0.4;

impl ToMixture {
    fn velocity<V: Value>(&self, t: &Time, x: &V) -> Result<V> {
        let Time::Shared(t) = *t else {
            panic!("one clock")
        };
        let means = Tensor::new(&MEANS, &Device::Cpu)?;
        let variance = (t * SPREAD).powi(2) + (1.0 - t).powi(2);
        // ln w_k − |x − t m_k|² / (2 v), less what all have in common.
        let constants: Vec<f64> = (MEANS.iter().zip(WEIGHTS))
            .map(|(m, w)| w.ln() - t * t * (m[0] * m[0] + m[1] * m[1]) / (2.0 * variance))
            .collect();
        let constants = V::constant(Tensor::new(constants, &Device::Cpu)?.unsqueeze(0)?);
        let logits = x
            .map_linear(|x| Ok((x.matmul(&means.t()?)? * (t / variance))?))?
            .plus(&constants)?;
        let mean = softmax(&logits)?.map_linear(|p| Ok(p.matmul(&means)?))?;
        let slope = (t * SPREAD * SPREAD - (1.0 - t)) / variance;
        x.map_linear(|x| Ok((x * slope)?))?
            .plus(&mean.map_linear(|m| Ok((m * (1.0 - slope * t))?))?)
    }
}

impl Field for ToMixture {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.velocity(t, x)
    }
}

impl Jvp for ToMixture {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        self.velocity(t, &Dual::new(x.clone(), dx.clone())?)?
            .into_parts()
    }
}

fn log_normal(x: &Tensor) -> Result<Tensor> {
    let dim = x.dims()[1] as f64;
    Ok(x.sqr()?
        .sum(1)?
        .affine(-0.5, -0.5 * dim * (2.0 * std::f64::consts::PI).ln())?)
}

#[test]
fn the_density_of_a_mixture_is_its_closed_form() {
    let x = (normal(&[200, 2], 10) * 1.5).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    let flow = Flow::new(ToMixture, Exact);
    let ours = flow
        .log_density(&solver, &x, log_normal)
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    let density = |x: &[f64]| -> f64 {
        let part = |(m, w): (&[f64; 2], f64)| {
            let distance = (x[0] - m[0]).powi(2) + (x[1] - m[1]).powi(2);
            let variance = SPREAD * SPREAD;
            w * (-0.5 * distance / variance).exp() / (2.0 * std::f64::consts::PI * variance)
        };
        MEANS.iter().zip(WEIGHTS).map(part).sum()
    };
    let rows = x.to_vec2::<f64>().unwrap();
    let mut largest = 0f64;
    for (row, ours) in rows.iter().zip(&ours) {
        largest = largest.max((density(row).ln() - ours).abs());
    }
    eprintln!("largest error of the log-density: {largest:.1e} nats");
    assert!(largest < 1e-4, "{largest}");
    // There and back.
    let there = flow.transport(&solver, &x, 1.0, 0.0).unwrap();
    let back = flow.transport(&solver, &there.x, 0.0, 1.0).unwrap();
    assert_close(&back.x, &x, 1e-4, 1e-4);
    let sum = (back.log_density_change + there.log_density_change).unwrap();
    assert_near(&sum, &[0.0; 200], 1e-3);

    // The mean of Hutchinson's estimates over many draws is the same, within its standard error.
    let few = x.narrow(0, 0, 4).unwrap();
    let coarse = Solver::new(Rk4, Fixed::steps(20).unwrap());
    let exact = flow
        .log_density(&coarse, &few, log_normal)
        .unwrap()
        .to_vec1::<f64>()
        .unwrap();
    let runs = 200;
    let mut rng = Generator::from_seed(11);
    let mut all = Vec::new();
    for _ in 0..runs {
        let probe = Hutchinson::new(Probe::Rademacher, 1, &few, &mut rng).unwrap();
        let flow = Flow::new(ToMixture, probe);
        all.push(
            flow.log_density(&coarse, &few, log_normal)
                .unwrap()
                .to_vec1::<f64>()
                .unwrap(),
        );
    }
    for i in 0..4 {
        let mean = all.iter().map(|run| run[i]).sum::<f64>() / f64::from(runs);
        let variance =
            all.iter().map(|run| (run[i] - mean).powi(2)).sum::<f64>() / f64::from(runs - 1);
        let error = (variance / f64::from(runs)).sqrt();
        assert!(
            (mean - exact[i]).abs() < 4.0 * error + 1e-9,
            "{mean} ± {error}, {}",
            exact[i]
        );
    }
}

/// The gradient of a log-likelihood reaches every parameter, by each strategy and estimator.
#[test]
fn likelihoods_are_differentiable() {
    let (store, net) = network(2);
    let x = normal(&[5, 2], 12);
    let mut rng = Generator::from_seed(13);
    let hutchinson = Hutchinson::new(Probe::Gaussian, 1, &x, &mut rng).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(6).unwrap());
    let parameters = store.tensors();
    macro_rules! check {
        ($divergence:expr) => {
            let flow = Arc::new(Flow::new(net.clone(), $divergence));
            let loss = |end: &Tensor| -> Result<Tensor> {
                let (x0, change) = unpack(end, x.dims())?;
                Ok((log_normal(&x0)? - change)?.mean_all()?)
            };
            let direct = || {
                flow.log_density(&solver, &x, log_normal)
                    .unwrap()
                    .mean_all()
                    .unwrap()
            };
            let packed = pack(&x).unwrap();
            macro_rules! by {
                ($strategy:expr) => {
                    loss(
                        &$strategy
                            .solve(&flow, &parameters, &packed, &[1.0, 0.0])
                            .unwrap()
                            .end()
                            .unwrap(),
                    )
                    .unwrap()
                    .backward()
                    .unwrap()
                };
            }
            let all = [
                direct().backward().unwrap(),
                by!(Unrolled::new(solver.clone())),
                by!(Checkpointed::new(solver.clone(), 3).unwrap()),
                by!(Backsolve::new(Solver::new(
                    Dopri5,
                    Adaptive::new(1e-9, 1e-9).unwrap()
                ))),
            ];
            for (name, v) in store.parameters() {
                let original = v.as_tensor().copy().unwrap();
                let values: Vec<f64> = original.flatten_all().unwrap().to_vec1().unwrap();
                let i = values.len() / 2;
                let at = |h: f64| {
                    let mut moved = values.clone();
                    moved[i] += h;
                    v.set(&Tensor::from_vec(moved, original.shape(), &Device::Cpu).unwrap())
                        .unwrap();
                    let value = direct().to_scalar::<f64>().unwrap();
                    v.set(&original).unwrap();
                    value
                };
                let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                for (k, gradients) in all.iter().enumerate() {
                    let gradient = gradients
                        .get(&v)
                        .unwrap_or_else(|| panic!("{name} has a gradient"));
                    let gradient: f64 = gradient.flatten_all().unwrap().to_vec1().unwrap()[i];
                    // The continuous one is that of another discretisation.
                    let tolerance = if k == 3 { 1e-3 } else { 1e-7 };
                    assert!(
                        (gradient - difference).abs() < tolerance,
                        "{name}, {k}: {gradient}, {difference}"
                    );
                }
            }
        };
    }
    check!(Exact);
    check!(hutchinson);
}

#[test]
fn probes_that_don_t_fit_are_refused() {
    let (_, net) = network(3);
    let x = normal(&[4, 3], 14);
    let mut rng = Generator::from_seed(0);
    assert!(Hutchinson::new(Probe::Gaussian, 0, &x, &mut rng).is_err());
    assert!(Hutchinson::with_probes(vec![]).is_err());
    assert!(HutchPlusPlus::new(4, 1, &x, &mut rng).is_err());
    assert!(HutchPlusPlus::new(1, 0, &x, &mut rng).is_err());
    let probe = Hutchinson::new(Probe::Gaussian, 1, &x, &mut rng).unwrap();
    let fewer = x.narrow(0, 0, 2).unwrap();
    let result = probe.at(&net, &Time::Shared(0.0), &fewer);
    assert!(matches!(result, Err(Error::Shape { argument, .. }) if argument == "probe"));
    let flow = Flow::new(net, Exact);
    let result = Field::at(&flow, &Time::Shared(0.0), &normal(&[4], 1));
    assert!(matches!(result, Err(Error::Shape { .. })));
    let result = unpack(&normal(&[4], 1), &[4]);
    assert!(matches!(result, Err(Error::Shape { argument, .. }) if argument == "state"));
}
