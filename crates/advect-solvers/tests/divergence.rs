//! Divergences, and densities along flows.

use std::sync::Arc;

use advect_core::normal::log_standard_normal;
use advect_core::testing::{assert_close, device};
use advect_core::{Conditional, Error, Field, Generator, Jvp, Key, Result, Time};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use advect_ops::{Dual, Value, softmax};
use advect_solvers::adjoint::{Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::{Divergence, Exact, Flow, HutchPlusPlus, Hutchinson, Probe};
use advect_solvers::stepper::{Dopri5, Rk4};
use advect_solvers::{Save, Solver};
use candle_core::{DType, Tensor};

fn network(dim: usize) -> (ParameterStore, Mlp) {
    let store = ParameterStore::new(Key::from_seed(4), DType::F64, device());
    let config = Mlp::config(dim)
        .hidden(&[16, 16])
        .activation(Activation::Tanh)
        .classes(3);
    let net = config.build(&store.builder()).unwrap();
    (store, net)
}

fn normal(shape: &[usize], seed: u64) -> Tensor {
    Generator::from_seed(seed)
        .normal(shape, DType::F64, device())
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
        let moved = Tensor::new(moved, device())
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
        let labels = Tensor::new(vec![1u32; shape[0]], device()).unwrap();
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
        let means = Tensor::new(&MEANS, device())?;
        let variance = (t * SPREAD).powi(2) + (1.0 - t).powi(2);
        // ln w_k − |x − t m_k|² / (2 v), less what all have in common.
        let constants: Vec<f64> = (MEANS.iter().zip(WEIGHTS))
            .map(|(m, w)| w.ln() - t * t * (m[0] * m[0] + m[1] * m[1]) / (2.0 * variance))
            .collect();
        let constants = V::constant(Tensor::new(constants, device())?.unsqueeze(0)?);
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

#[test]
fn the_density_of_a_mixture_is_its_closed_form() {
    let x = (normal(&[200, 2], 10) * 1.5).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-8, 1e-8).unwrap());
    let flow = Flow::new(ToMixture, Exact);
    let ours = flow
        .log_density(&solver, &x, log_standard_normal)
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
        .log_density(&coarse, &few, log_standard_normal)
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
            flow.log_density(&coarse, &few, log_standard_normal)
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
            let direct = || {
                flow.log_density(&solver, &x, log_standard_normal)
                    .unwrap()
                    .mean_all()
                    .unwrap()
            };
            macro_rules! by {
                ($strategy:expr) => {{
                    let moved = flow
                        .transport_by(&$strategy, &parameters, &x, 1.0, 0.0)
                        .unwrap();
                    let base = log_standard_normal(&moved.x).unwrap();
                    let loss = (base - moved.log_density_change).unwrap();
                    loss.mean_all().unwrap().backward().unwrap()
                }};
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
                    v.set(&Tensor::from_vec(moved, original.shape(), device()).unwrap())
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
    let state = (normal(&[4, 3], 1), normal(&[4, 2], 1));
    let result = flow.read(&state, 0.0, 1.0);
    assert!(matches!(result, Err(Error::Shape { argument, .. }) if argument == "state"));
    let wrong = solver_of_rk4().solve(&flow, &state, 0.0, 1.0);
    assert!(matches!(wrong, Err(Error::Shape { argument, .. }) if argument == "field"));
    let normed = Flow::new(Quiet, HutchPlusPlus::new(1, 1, &x, &mut rng).unwrap()).jacobian_norm();
    let error = normed.transport(&solver_of_rk4(), &x, 0.0, 1.0);
    assert!(matches!(error, Err(Error::Range { argument, .. }) if argument == "divergence"));
}

fn solver_of_rk4() -> Solver<Rk4, Fixed> {
    Solver::new(Rk4, Fixed::steps(40).unwrap())
}

/// `f(x) = A x` along the last dimension, with a matrix of 3 × 3.
struct Quiet;

const MATRIX: [[f64; 3]; 3] = [[0.5, -0.3, 0.2], [0.1, -0.4, 0.6], [0.0, 0.25, 0.3]];

impl Field for Quiet {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let a = Tensor::new(&MATRIX, x.device())?.to_dtype(x.dtype())?;
        Ok(x.broadcast_matmul(&a.t()?)?)
    }
}

impl Jvp for Quiet {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

/// The integrals beside a flow of a linear field: ∫ tr A, ∫ ‖A‖², and ∫ |A x|² by Simpson's rule, of samples of any shape, in
/// both directions, by solvers and adjoints alike.
#[test]
fn integrals_along_a_flow_are_known() {
    let trace: f64 = (0..3).map(|i| MATRIX[i][i]).sum();
    let squares: f64 = MATRIX.iter().flatten().map(|a| a * a).sum();
    let x = normal(&[4, 2, 3], 21);
    let flow = Arc::new(Flow::new(Quiet, Exact).kinetic_energy().jacobian_norm());
    let solver = solver_of_rk4();
    for (start, end) in [(0.25, 1.0), (1.0, 0.25)] {
        let moved = flow.transport(&solver, &x, start, end).unwrap();
        // Two rows of three elements, each with the matrix.
        assert_near(
            &moved.log_density_change,
            &[-2.0 * trace * (end - start); 4],
            1e-12,
        );
        let norm = moved.jacobian_norm.as_ref().unwrap();
        assert_near(norm, &[2.0 * squares * 0.75; 4], 1e-12);
        let panels = 100;
        let times: Vec<f64> = (0..=panels)
            .map(|i| start + (end - start) * f64::from(i) / f64::from(panels))
            .collect();
        let way = solver
            .integration(&Quiet, &x, start, end)
            .save(Save::At(times))
            .run()
            .unwrap();
        let mut sum = Tensor::zeros(4, DType::F64, device()).unwrap();
        for (i, x) in way.states.iter().enumerate() {
            let weight = match i {
                0 | 100 => 1.0,
                i => 2.0 + 2.0 * (i % 2) as f64,
            };
            let speed = Quiet.at(&Time::Shared(0.0), x).unwrap();
            let energy = advect_core::shape::sum_squares_per_sample(&speed).unwrap();
            sum = (sum + (energy * (weight * 0.75 / 300.0)).unwrap()).unwrap();
        }
        let energy = moved.kinetic_energy.as_ref().unwrap();
        assert_close(energy, &sum, 1e-7, 1e-7);
        for by in [
            flow.transport_by(&Unrolled::new(solver.clone()), &[], &x, start, end),
            flow.transport_by(
                &Checkpointed::new(solver.clone(), 3).unwrap(),
                &[],
                &x,
                start,
                end,
            ),
            flow.transport_by(&Backsolve::new(solver.clone()), &[], &x, start, end),
        ] {
            let by = by.unwrap();
            assert_close(&by.x, &moved.x, 1e-12, 1e-12);
            for (a, b) in [
                (&by.log_density_change, &moved.log_density_change),
                (by.kinetic_energy.as_ref().unwrap(), energy),
                (by.jacobian_norm.as_ref().unwrap(), norm),
            ] {
                assert_close(a, b, 1e-12, 1e-12);
            }
        }
    }
}

/// The change by each probe is its quadratic form, whose mean and standard error are told; the norms average to ‖A‖².
#[test]
fn each_probe_of_a_flow_is_told_apart() {
    let x = normal(&[5, 3], 22);
    let probes: Vec<Tensor> = (0..4).map(|i| normal(&[5, 3], 30 + i)).collect();
    let by_probes = Hutchinson::with_probes(probes.clone()).unwrap();
    let flow = Flow::new(Quiet, by_probes).jacobian_norm();
    let moved = flow.transport(&solver_of_rk4(), &x, 1.0, 0.0).unwrap();
    let apart = moved.by_probe.clone().unwrap();
    assert_eq!(apart.dims(), [5, 4]);
    let mut norms = Tensor::zeros(5, DType::F64, device()).unwrap();
    for (i, v) in probes.iter().enumerate() {
        let image = Quiet.at(&Time::Shared(0.0), v).unwrap();
        let form = (v * &image).unwrap().sum(1).unwrap();
        let column = apart.narrow(1, i, 1).unwrap().squeeze(1).unwrap();
        assert_close(&column, &form, 1e-12, 1e-12);
        norms = (norms + image.sqr().unwrap().sum(1).unwrap()).unwrap();
    }
    let norms = (norms / 4.0).unwrap();
    assert_close(moved.jacobian_norm.as_ref().unwrap(), &norms, 1e-12, 1e-12);
    let (mean, error) = moved.log_density_estimate().unwrap();
    assert_close(&mean, &moved.log_density_change, 1e-12, 1e-12);
    let rows = apart.to_vec2::<f64>().unwrap();
    for (row, error) in rows.iter().zip(error.unwrap().to_vec1::<f64>().unwrap()) {
        let mean = row.iter().sum::<f64>() / 4.0;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 3.0;
        assert!((error - (variance / 4.0).sqrt()).abs() < 1e-12);
    }
}
