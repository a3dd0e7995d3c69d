//! Objectives that contain derivatives, trained through: gradients of all parameters of a network are those of finite
//! differences.

use crate::common;
use std::sync::Arc;

use crate::common::pairs;
use advect_core::normal::log_standard_normal;
use advect_core::testing::{assert_close, device, gradient};
use advect_core::{Error, Field, Generator, Jvp, Key, Time, field_fn};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use advect_objectives::decoder::Discretized;
use advect_objectives::objective::*;
use advect_ops::{Dual, Value};
use advect_paths::Prediction;
use advect_paths::path::{ConditionalGaussian, SchrodingerBridge, moments_fn};
use advect_paths::schedule::DiscreteDiffusion;
use advect_solvers::Solver;
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::divergence::{Exact, Hutchinson, Probe};
use advect_solvers::stepper::Rk4;
use candle_core::{DType, Tensor};

fn network(seed: u64) -> (ParameterStore, Mlp) {
    network_of(seed, 2)
}

fn network_of(seed: u64, outputs: usize) -> (ParameterStore, Mlp) {
    let store = ParameterStore::new(Key::from_seed(seed), DType::F64, device());
    let net = Mlp::config(2)
        .outputs(outputs)
        .hidden(&[7, 5])
        .activation(Activation::Tanh)
        .build(&store.builder())
        .unwrap();
    (store, net)
}

/// Compares the gradients of a loss with finite differences, for every parameter of the store.
fn check(store: &ParameterStore, loss: impl Fn() -> Tensor) {
    let grads = loss().backward().unwrap();
    let vars = store.parameters();
    assert!(!vars.is_empty());
    for (name, var) in &vars {
        let start = var.as_detached_tensor().copy().unwrap();
        let numeric = gradient(
            |value| {
                var.set(value)?;
                Ok(loss().to_scalar::<f64>()?)
            },
            &start,
            1e-4,
        )
        .unwrap();
        var.set(&start).unwrap();
        let ours = match grads.get(var) {
            Some(gradient) => gradient.clone(),
            // A field's own offset says nothing of its divergence.
            None => start.zeros_like().unwrap(),
        };
        println!("{name}");
        assert_close(&ours, &numeric, 1e-6, 1e-8);
    }
}

#[test]
fn implicit_score_matching() {
    let (store, net) = network(0);
    let (_, x) = pairs(6, &mut Generator::from_seed(1));
    let t = Time::Shared(0.7);
    let mean = |losses: advect_core::Result<Tensor>| losses.unwrap().mean_all().unwrap();
    check(&store, || {
        mean(ImplicitScoreMatching::new(Exact).losses(&net, &t, &x))
    });
    let probes = Hutchinson::new(Probe::Rademacher, 2, &x, &mut Generator::from_seed(2)).unwrap();
    let objective = ImplicitScoreMatching::new(probes);
    check(&store, || mean(objective.losses(&net, &t, &x)));
    let sliced = SlicedScoreMatching::new(Probe::Gaussian, 2).unwrap();
    check(&store, || {
        mean(sliced.losses(&net, &t, &x, &mut Generator::from_seed(3)))
    });
}

#[test]
fn maximum_likelihood_with_regularisers() {
    let (store, net) = network(4);
    let (net, parameters) = (Arc::new(net), store.tensors());
    let (_, x1) = pairs(3, &mut Generator::from_seed(5));
    let solver = || Solver::new(Rk4, Fixed::steps(4).unwrap());
    fn each<G: Adjoint>(
        gradient: G,
        probe: Option<Probe>,
        (store, net, parameters): (&ParameterStore, &Arc<Mlp>, &[Tensor]),
        x1: &Tensor,
    ) {
        let objective = MaximumLikelihood::new(gradient);
        let objective = objective.kinetic(0.3).unwrap().jacobian(0.2).unwrap();
        let objective = match probe {
            Some(probe) => objective.hutchinson(probe),
            None => objective,
        };
        check(store, || {
            let rng = &mut Generator::from_seed(6);
            let losses = objective.losses(net, parameters, x1, log_standard_normal, rng);
            losses.unwrap().mean_all().unwrap()
        });
    }
    let all = (&store, &net, &parameters[..]);
    each(Unrolled::new(solver()), None, all, &x1);
    each(Checkpointed::new(solver(), 3).unwrap(), None, all, &x1);
    each(Unrolled::new(solver()), Some(Probe::Gaussian), all, &x1);
}

/// `v(x) = A x` on samples of any shape.
struct Matrix(Tensor);

impl Field for Matrix {
    fn at(&self, _: &Time, x: &Tensor) -> advect_core::Result<Tensor> {
        let rows = x.reshape((x.dims()[0], ()))?.matmul(&self.0.t()?)?;
        Ok(rows.reshape(x.shape())?)
    }
}

impl Jvp for Matrix {
    fn jvp(
        &self,
        t: &Time,
        x: &Tensor,
        _: f64,
        dx: &Tensor,
    ) -> advect_core::Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, self.at(t, dx)?))
    }
}

#[test]
fn regularisers_have_their_values() {
    // A is nilpotent but for its trace: exp(−A) x = e^(−a) (x − b y, y) with A = [[a, b], [0, a]].
    let (a, b) = (0.3f64, -0.7);
    let matrix = Tensor::new(&[[a, b], [0.0, a]], device()).unwrap();
    let net = Arc::new(Matrix(matrix));
    let x1 = Tensor::new(&[[[[0.5f64], [1.2]]], [[[-0.8], [0.3]]]], device()).unwrap();
    assert_eq!(x1.dims(), [2, 1, 2, 1]);
    let rows = [[0.5, 1.2], [-0.8, 0.3]];
    let solver = || Solver::new(Rk4, Fixed::steps(40).unwrap());
    let mut rng = Generator::from_seed(0);
    let (kinetic, jacobian) = (0.3, 0.2);
    let objective = MaximumLikelihood::new(Unrolled::new(solver()));
    let objective = objective
        .kinetic(kinetic)
        .unwrap()
        .jacobian(jacobian)
        .unwrap();
    let losses = objective
        .losses(&net, &[], &x1, log_standard_normal, &mut rng)
        .unwrap();
    let frobenius = 2.0 * a * a + b * b;
    let at = |s: f64, [x, y]: [f64; 2]| {
        // The state s before the end.
        let shrink = (-a * s).exp();
        [shrink * (x - b * s * y), shrink * y]
    };
    for (row, loss) in rows.into_iter().zip(losses.to_vec1::<f64>().unwrap()) {
        let [x, y] = at(1.0, row);
        let log_density = -0.5 * (x * x + y * y) - (2.0 * std::f64::consts::PI).ln() - 2.0 * a;
        let speed = |s: f64| {
            let [x, y] = at(s, row);
            (a * x + b * y).powi(2) + (a * y).powi(2)
        };
        // Simpson's rule.
        let n = 400;
        let energy: f64 = (0..=n)
            .map(|i| {
                let weight = [1.0, 4.0, 2.0][if i == 0 || i == n { 0 } else { 2 - i % 2 }];
                weight * speed(i as f64 / n as f64) / (3.0 * n as f64)
            })
            .sum();
        let expected = -log_density + kinetic * energy + jacobian * frobenius;
        assert!((loss - expected).abs() < 1e-7, "{loss} {expected}");
    }
    // Probes give the same on average.
    let estimate = objective.hutchinson(Probe::Gaussian);
    let rounds = 400;
    let mut sum = 0.0;
    for _ in 0..rounds {
        let losses_here = estimate
            .losses(&net, &[], &x1, log_standard_normal, &mut rng)
            .unwrap();
        sum += common::mean(&losses_here) / f64::from(rounds);
    }
    assert!(
        (sum - common::mean(&losses)).abs() < 0.15,
        "{sum} {}",
        common::mean(&losses)
    );
}

#[test]
fn likelihoods_that_do_not_fit_are_refused() {
    let net = Arc::new(Matrix(Tensor::zeros((2, 2), DType::F64, device()).unwrap()));
    let objective =
        MaximumLikelihood::new(Unrolled::new(Solver::new(Rk4, Fixed::steps(2).unwrap())));
    let mut rng = Generator::from_seed(0);
    let x1 = Tensor::zeros((3, 2), DType::F64, device()).unwrap();
    let half = x1.to_dtype(DType::BF16).unwrap();
    let error = objective
        .losses(&net, &[], &half, log_standard_normal, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::DType { argument, .. } if argument == "x1"));
    let column = |x: &Tensor| Ok(x.narrow(1, 0, 1)?);
    let error = objective
        .losses(&net, &[], &x1, column, &mut rng)
        .unwrap_err();
    assert!(matches!(error, Error::Shape { argument, .. } if argument == "base"));
}

#[test]
fn regressions_of_two_fields() {
    let (store, net) = network(7);
    let (_, other) = network(8);
    let (x0, x1) = pairs(5, &mut Generator::from_seed(9));
    let objective = ScoreAndFlow::new(SchrodingerBridge::new(0.7).unwrap());
    for score in [false, true] {
        check(&store, || {
            let rng = &mut Generator::from_seed(10);
            let losses = match score {
                true => objective.losses(&other, &net, &x0, &x1, rng),
                false => objective.losses(&net, &other, &x0, &x1, rng),
            };
            losses.unwrap().total().unwrap()
        });
    }
}

#[test]
fn the_variational_bound_with_either_decoder() {
    let (store, net) = network(11);
    let (x0, x1) = pairs(8, &mut Generator::from_seed(12));
    let steps = DiscreteDiffusion::linear(3, 0.1, 0.4).unwrap();
    let bound = VariationalBound::new(steps);
    let loss = |objective: &dyn Objective, x1: &Tensor| {
        let rng = &mut Generator::from_seed(13);
        objective.loss(&net, &x0, x1, rng).unwrap()
    };
    check(&store, || loss(&bound, &x1));
    // On a grid of levels in [−1, 1].
    let grid = x1.clamp(-1.0, 1.0).unwrap().affine(2.0, 0.0).unwrap();
    let grid = (grid.round().unwrap() / 2.0).unwrap();
    let discrete = bound.clone().decoder(Discretized::new(5).unwrap());
    check(&store, || loss(&discrete, &grid));
}

/// A path whose mean bends and whose deviation falls as its parameters say, for each coordinate.
#[test]
fn parameters_of_a_path_are_differentiated() {
    let (store, net) = network(4);
    let parameter = |name: &str, values: [f64; 2]| {
        store.builder().get((1, 2), name).unwrap();
        let (_, var) = store.parameters().pop().unwrap();
        var.set(&Tensor::new(&[values], device()).unwrap()).unwrap();
        var
    };
    let (bend, rate) = (
        parameter("bend", [0.3, -0.2]),
        parameter("rate", [1.2, 0.7]),
    );
    // μ = t x1 + t (1 − t) bend, and σ = exp(−rate t).
    let path = ConditionalGaussian::new(moments_fn(|t: &Dual, x1| {
        let back = t.map_elements(|t| Ok(t.affine(-1.0, 1.0)?), |t| Ok(t.ones_like()?.neg()?))?;
        let detour = t
            .times(&back)?
            .times(&Dual::constant(bend.as_tensor().clone()))?;
        let mean = t.times(&Dual::constant(x1.clone()))?.plus(&detour)?;
        let fall = t.times(&Dual::constant(rate.neg()?))?;
        Ok((mean, fall.map_elements(|x| Ok(x.exp()?), |x| Ok(x.exp()?))?))
    }));
    let (x0, x1) = pairs(3, &mut Generator::from_seed(1));
    for prediction in [Prediction::Velocity, Prediction::Score] {
        let objective = Regression::new(&path, prediction);
        check(&store, || {
            let mut rng = Generator::from_seed(6);
            objective.loss(&net, &x0, &x1, &mut rng).unwrap()
        });
    }
}

#[test]
fn learned_variances_with_either_decoder() {
    let (store, net) = network_of(14, 4);
    let (x0, x1) = pairs(8, &mut Generator::from_seed(12));
    let steps = DiscreteDiffusion::linear(3, 0.1, 0.4).unwrap();
    let bound = VariationalBound::new(steps).variance(ReverseVariance::Learned);
    let loss = |objective: &dyn Objective, x1: &Tensor| {
        let rng = &mut Generator::from_seed(13);
        objective.loss(&net, &x0, x1, rng).unwrap()
    };
    check(&store, || loss(&bound, &x1));
    let grid = x1.clamp(-1.0, 1.0).unwrap().round().unwrap();
    let discrete = bound.clone().decoder(Discretized::new(3).unwrap());
    check(&store, || loss(&discrete, &grid));
}

/// The bound in the hybrid loss teaches the variances, and nothing to the noise.
#[test]
fn the_mean_learns_nothing_from_the_bound() {
    let ((means, mean), (scales, scale)) = (network(15), network(16));
    let field = field_fn(|t, x| Ok(Tensor::cat(&[mean.at(t, x)?, scale.at(t, x)?], 1)?));
    let (x0, x1) = pairs(8, &mut Generator::from_seed(12));
    let steps = DiscreteDiffusion::linear(3, 0.1, 0.4).unwrap();
    let gradients = |objective: &dyn Objective, store: &ParameterStore| -> Vec<Option<Tensor>> {
        let rng = &mut Generator::from_seed(13);
        let loss = objective.loss(&field, &x0, &x1, rng).unwrap();
        let grads = loss.backward().unwrap();
        let vars = store.vars();
        vars.iter().map(|v| grads.get(v).cloned()).collect()
    };
    let hybrid = |weight: f64| HybridLoss::new(steps.clone()).weight(weight).unwrap();
    let without = gradients(&hybrid(0.0), &means);
    for (a, b) in gradients(&hybrid(5.0), &means).iter().zip(&without) {
        assert_close(a.as_ref().unwrap(), b.as_ref().unwrap(), 0.0, 0.0);
    }
    let bound = VariationalBound::new(steps.clone()).variance(ReverseVariance::Learned);
    let whole = gradients(&bound, &scales);
    for (a, b) in gradients(&hybrid(5.0), &scales).iter().zip(&whole) {
        let expected = (b.as_ref().unwrap() * 2.5).unwrap();
        assert_close(a.as_ref().unwrap(), &expected, 1e-12, 1e-14);
    }
}
