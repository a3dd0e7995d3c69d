//! Derivatives of what is in no graph, and of energies' gradients.

use std::sync::Arc;

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Generator, Jvp, Key, Result, Time, field_fn};
use advect_models::Mlp;
use advect_nn::{Activation, ParameterStore};
use advect_ops::{with_graph, without_graph};
use advect_solvers::Solver;
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::divergence::{Divergence, Exact, Flow, Hutchinson, Probe, Transposed};
use advect_solvers::energy::{Energy, GradientField, Summed};
use advect_solvers::stepper::{Dopri5, Rk4};
use candle_core::{DType, Tensor, Var};

const TIMES: [f64; 3] = [0.0, 0.4, 1.0];

fn network(dim: usize) -> (ParameterStore, Mlp) {
    let store = ParameterStore::new(Key::from_seed(4), DType::F64, device());
    let config = Mlp::config(dim)
        .hidden(&[9, 7])
        .activation(Activation::Tanh);
    let net = config.build(&store.builder()).unwrap();
    (store, net)
}

fn normal(shape: &[usize], seed: u64) -> Tensor {
    let mut rng = Generator::from_seed(seed);
    rng.normal(shape, DType::F64, device()).unwrap()
}

fn fixed() -> Solver<Rk4, Fixed> {
    Solver::new(Rk4, Fixed::steps(5).unwrap())
}

/// The gradients of the squares of the last state, or the error of whichever pass fails.
fn gradients<G: Adjoint, F: Field + Send + Sync + 'static>(
    strategy: &G,
    field: F,
    parameters: &[Tensor],
    x0: &Tensor,
) -> Result<candle_core::backprop::GradStore> {
    let solution = strategy.solve(&Arc::new(field), parameters, x0, &TIMES)?;
    Ok(solution.end()?.sqr()?.sum_all()?.backward()?)
}

/// Calls a macro with each of the strategies.
macro_rules! each_strategy {
    ($check:ident) => {
        $check(&Unrolled::new(fixed()), "unrolled");
        $check(&Checkpointed::new(fixed(), 3).unwrap(), "checkpointed");
        $check(&Backsolve::new(fixed()), "backsolve");
    };
}

fn assert_detached(error: Error, name: &str, part: &str, what: &str) {
    match &error {
        Error::Detached { argument, reason } => {
            assert_eq!(argument, name, "{what}");
            assert!(reason.contains(part), "{what}: {reason}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

/// The gradient of an energy, by candle's backward pass within the field.
fn taken_inside(net: &Mlp, t: &Time, x: &Tensor) -> Result<Tensor> {
    let x = Var::from_tensor(&x.detach())?;
    let energy = with_graph(|| net.at(t, x.as_tensor()))?.sum_all()?;
    Ok(energy.backward()?.get(&x).unwrap().clone())
}

#[test]
fn gradients_taken_inside_a_field_are_told() {
    fn check(strategy: &impl Adjoint, what: &str) {
        let (store, net) = network(2);
        let x0 = Var::from_tensor(&normal(&[3, 2], 1)).unwrap();
        // By the state and by parameters, with and without a part that is in the graph.
        let field = field_fn(move |t, x| taken_inside(&net, t, x));
        let error = gradients(strategy, field, &[], &x0).unwrap_err();
        assert_detached(error, "field", "GradientField", what);
        let (_, net) = network(2);
        let field = field_fn(move |t, x| taken_inside(&net, t, x));
        let error = gradients(strategy, field, &store.tensors(), &x0).unwrap_err();
        assert_detached(error, "field", "GradientField", what);
    }
    each_strategy!(check);
}

#[test]
fn states_that_are_detached_inside_a_field_are_told() {
    fn check(strategy: &impl Adjoint, what: &str) {
        let (store, net) = network(2);
        let x0 = Var::from_tensor(&normal(&[3, 2], 1)).unwrap();
        let field = field_fn(move |t, x| net.at(t, &x.detach()));
        let result = gradients(strategy, field, &store.tensors(), &x0);
        assert_detached(result.unwrap_err(), "field", "changes with x", what);
    }
    // Unrolled, such a value has a graph, that of the parameters: only a second evaluation each could tell.
    check(&Checkpointed::new(fixed(), 3).unwrap(), "checkpointed");
    check(&Backsolve::new(fixed()), "backsolve");
}

#[test]
fn parameters_without_a_gradient_are_named() {
    fn check(strategy: &impl Adjoint, what: &str) {
        let (store, net) = network(2);
        let x0 = Var::from_tensor(&normal(&[3, 2], 1)).unwrap();
        let parameters = store.tensors();
        let twin = net.on(&store.frozen()).unwrap();
        let field = field_fn(move |t, x| twin.at(t, x));
        let error = gradients(strategy, field, &parameters, &x0).unwrap_err();
        assert_detached(error, "parameters", "number 0, of shape [9, ", what);
        // One of many.
        let unused = Var::zeros((4, 5), DType::F64, device()).unwrap();
        let mut more = parameters.clone();
        more.push(unused.as_tensor().clone());
        let (trained, last) = (net.clone(), more.len() - 1);
        let field = field_fn(move |t, x| trained.at(t, x));
        let error = gradients(strategy, field, &more, &x0).unwrap_err();
        let part = format!("number {last}, of shape [4, 5]");
        assert_detached(error, "parameters", &part, what);
        // Declared, it is no part of it.
        more[last] = unused.as_tensor().detach();
        let field = field_fn(move |t, x| net.at(t, x));
        assert!(gradients(strategy, field, &more, &x0).is_ok(), "{what}");
    }
    // Unrolled, they have no gradient among those of the graph, as ever.
    check(&Checkpointed::new(fixed(), 3).unwrap(), "checkpointed");
    check(&Backsolve::new(fixed()), "backsolve");
}

/// Fields that don't change with the state, with it for a while, or without parameters are no faults.
#[test]
fn derivatives_that_are_0_are_0() {
    fn check(strategy: &impl Adjoint, what: &str) {
        let x0 = Var::from_tensor(&normal(&[3, 2], 1)).unwrap();
        let constant = field_fn(|_, x| Ok(x.ones_like()?));
        let by_x =
            |field: candle_core::backprop::GradStore, x0: &Var| field.get(x0).unwrap().clone();
        let found = by_x(gradients(strategy, constant, &[], &x0).unwrap(), &x0);
        let expected = ((x0.as_tensor() + 1.0).unwrap() * 2.0).unwrap();
        assert_close(&found, &expected, 1e-9, 1e-9);
        let late = field_fn(|t, x| match t {
            Time::Shared(t) if *t > 0.5 => Ok(x.neg()?),
            _ => Ok(x.zeros_like()?),
        });
        assert!(gradients(strategy, late, &[], &x0).is_ok(), "{what}");
        // By a parameter alone.
        let shift = Var::new(&[[0.3f64, -1.0]], device()).unwrap();
        let parameter = shift.as_tensor().clone();
        let parameters = [parameter.clone()];
        let field = field_fn(move |_, x| Ok(parameter.broadcast_as(x.shape())?));
        let found = gradients(strategy, field, &parameters, &x0).unwrap();
        let end = x0.broadcast_add(&shift).unwrap();
        let expected = (end * 2.0).unwrap();
        assert_close(&by_x(found, &x0), &expected, 1e-9, 1e-9);
        // And without asking for any derivative.
        let (_, net) = network(2);
        let field = Arc::new(field_fn(move |t, x| taken_inside(&net, t, x)));
        let solution = without_graph(|| strategy.solve(&field, &[], &x0, &TIMES));
        assert!(!solution.unwrap().end().unwrap().track_op(), "{what}");
    }
    each_strategy!(check);
}

/// `½ |x|² + Σ f(t, x)`.
#[derive(Clone)]
struct Bowl(Summed<Mlp>);

impl Energy for Bowl {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((self.0.at(t, x)? + (x.sqr()?.sum(1)? * 0.5)?)?)
    }

    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (_, along) = self.0.jvp(t, x, dt, dx)?;
        Ok((self.at(t, x)?, (along + (x * dx)?.sum(1)?)?))
    }
}

/// The derivative of `loss` by one number of a variable, by central differences of order 4.
fn difference(v: &Var, i: usize, loss: &dyn Fn() -> f64) -> f64 {
    let original = v.as_tensor().copy().unwrap();
    let values: Vec<f64> = original.flatten_all().unwrap().to_vec1().unwrap();
    let at = |h: f64| {
        let mut moved = values.clone();
        moved[i] += h;
        let moved = Tensor::from_vec(moved, original.shape(), device()).unwrap();
        v.set(&moved).unwrap();
        let value = loss();
        v.set(&original).unwrap();
        value
    };
    let central = |h: f64| (at(h) - at(-h)) / (2.0 * h);
    (4.0 * central(1e-4) - central(2e-4)) / 3.0
}

#[test]
fn gradient_fields_are_gradients_and_have_them() {
    let (store, net) = network(3);
    let bowl = Bowl(Summed(net));
    let field = GradientField::new(bowl.clone(), &store.tensors()).unwrap();
    let x = Var::from_tensor(&normal(&[4, 3], 2)).unwrap();
    for t in [
        Time::Shared(0.3),
        Time::per_sample(&[0.1, 0.9, 0.5, 0.0]).unwrap(),
    ] {
        // The value.
        let energy = || {
            bowl.at(&t, &x)
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar()
                .unwrap()
        };
        let value = field.at(&t, x.as_tensor()).unwrap();
        for (i, v) in value
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap()
            .iter()
            .enumerate()
        {
            assert!((v - difference(&x, i, &energy)).abs() < 1e-8);
        }
        // Its derivatives, in a loss with other parts.
        let weights = normal(&[4, 3], 3);
        let loss = || {
            let value = field.at(&t, x.as_tensor())?;
            let other = (bowl.at(&t, &x)? * 0.3)?.sum_all()?;
            Ok::<_, Error>(((value.sqr()? * &weights)?.sum_all()? + other)?)
        };
        let found = loss().unwrap().backward().unwrap();
        let number = || loss().unwrap().to_scalar::<f64>().unwrap();
        let variables = store
            .parameters()
            .into_iter()
            .map(|(name, v)| (name.to_string(), v.clone()));
        for (name, v) in variables.chain([("x".into(), x.clone())]) {
            let gradient: Vec<f64> = found
                .get(&v)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            for i in [0, gradient.len() / 2, gradient.len() - 1] {
                let expected = difference(&v, i, &number);
                assert!(
                    (gradient[i] - expected).abs() < 1e-7 * (1.0 + expected.abs()),
                    "{name}[{i}]: {}, {expected}",
                    gradient[i]
                );
            }
        }
    }
    // The Hessian.
    let t = Time::Shared(0.3);
    let plain = x.as_tensor().detach();
    let frozen = GradientField::new(bowl.clone(), &[]).unwrap();
    let v = normal(&[4, 3], 5);
    let (value, product) = frozen.jvp(&t, &plain, 0.0, &v).unwrap();
    assert_close(&value, &field.at(&t, &plain).unwrap(), 1e-13, 1e-13);
    let moved = |h: f64| {
        frozen
            .at(&t, &(&plain + (&v * h).unwrap()).unwrap())
            .unwrap()
    };
    let expected = ((moved(1e-5) - moved(-1e-5)).unwrap() / 2e-5).unwrap();
    assert_close(&product, &expected, 1e-7, 1e-7);
    assert!(frozen.jvp(&t, &plain, 1.0, &v).is_err());
}

/// A conservative flow is trained through each strategy like any other.
#[test]
fn gradient_fields_are_trained_through() {
    fn check(strategy: &impl Adjoint, what: &str) {
        let (store, net) = network(2);
        let field = GradientField::new(Bowl(Summed(net)), &store.tensors()).unwrap();
        let x0 = Var::from_tensor(&normal(&[3, 2], 1)).unwrap();
        let found = gradients(strategy, field.clone(), &store.tensors(), &x0).unwrap();
        let loss = || {
            let end = fixed().solve(&field, x0.as_tensor(), 0.0, 1.0).unwrap();
            let squares = end.end().unwrap().sqr().unwrap().sum_all().unwrap();
            squares.to_scalar::<f64>().unwrap()
        };
        // The steps of the strategies end at 0.4 too, which 5 steps of 0.2 do anyway; the continuous one is inexact.
        let tolerance = if what == "backsolve" { 2e-2 } else { 1e-7 };
        let variables = store.parameters().into_iter().map(|(_, v)| v.clone());
        for v in variables.chain([x0.clone()]) {
            let gradient: Vec<f64> = found
                .get(&v)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            let i = gradient.len() / 2;
            let expected = difference(&v, i, &loss);
            assert!(
                (gradient[i] - expected).abs() < tolerance * (1.0 + expected.abs()),
                "{what}: {}, {expected}",
                gradient[i]
            );
        }
    }
    each_strategy!(check);
}

#[test]
fn energies_that_end_their_graph_are_told() {
    struct Frozen(Mlp);
    impl Energy for Frozen {
        fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
            Ok(self.0.at(t, x)?.sum(1)?.detach())
        }
        fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
            let (value, along) = self.0.jvp(t, x, dt, dx)?;
            Ok((value.sum(1)?, along.sum(1)?))
        }
    }
    let (store, net) = network(2);
    let x = normal(&[3, 2], 1);
    let t = Time::Shared(0.2);
    let field = GradientField::new(Frozen(net.clone()), &[]).unwrap();
    assert_detached(
        field.at(&t, &x).unwrap_err(),
        "energy",
        "changes with x",
        "value",
    );
    // Listed parameters of a frozen twin.
    let field =
        GradientField::new(Summed(net.on(&store.frozen()).unwrap()), &store.tensors()).unwrap();
    let value = field.at(&t, &x).unwrap();
    let error = Error::from(
        value
            .sqr()
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .unwrap_err(),
    );
    assert_detached(error, "parameters", "frozen twin", "parameters");
    // The wrong shape.
    struct Wide;
    impl Energy for Wide {
        fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
            Ok(x.sqr()?)
        }
        fn jvp(&self, _: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
            Ok((x.sqr()?, (x * dx)?))
        }
    }
    let field = GradientField::new(Wide, &[]).unwrap();
    assert!(matches!(field.at(&t, &x), Err(Error::Shape { argument, .. }) if argument == "energy"));
    let computed = [store.tensors()[0].exp().unwrap()];
    assert!(GradientField::new(Summed(net), &computed).is_err());
}

#[test]
fn losses_of_transposed_products_fail_and_values_train() {
    let (store, net) = network(2);
    let (x, t) = (normal(&[5, 2], 6), Time::Shared(0.4));
    let mut rng = Generator::from_seed(7);
    let probe = Hutchinson::new(Probe::Rademacher, 1, &x, &mut rng).unwrap();
    for way in [&Exact as &dyn Divergence, &probe] {
        let found = way.at(&Transposed::new(&net), &t, &x).unwrap();
        let fit = found.value.sqr().unwrap().sum_all().unwrap();
        let penalty = found.divergence.sqr().unwrap().sum_all().unwrap();
        let error = Error::from((&fit + &penalty).unwrap().backward().unwrap_err());
        assert_detached(error, "Transposed", "implement Jvp", "penalty");
        // The rest of the loss is what it is, and the penalty can be watched.
        let direct = net.at(&t, &x).unwrap().sqr().unwrap().sum_all().unwrap();
        let (a, b) = (fit.backward().unwrap(), direct.backward().unwrap());
        for v in store.tensors() {
            assert_close(a.get(&v).unwrap(), b.get(&v).unwrap(), 1e-12, 1e-12);
        }
        let native = way.at(&net, &t, &x).unwrap();
        assert_close(&found.divergence, &native.divergence, 1e-12, 1e-12);
        // Frozen, nothing is tracked, unless x is.
        let frozen = net.on(&store.frozen()).unwrap();
        let frozen = Transposed::new(&frozen);
        let found = way.at(&frozen, &t, &x).unwrap();
        assert!(!found.value.track_op() && !found.divergence.track_op());
        let tracked = Var::from_tensor(&x).unwrap();
        let found = way.at(&frozen, &t, &tracked).unwrap();
        assert!(found.divergence.sum_all().unwrap().backward().is_err());
        let gradients = found.value.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&tracked).is_some());
    }
    // A field that takes its value out of the graph.
    let cut = field_fn(|t, x| Ok(net.at(t, x)?.detach()));
    let error = Exact.at(&Transposed::new(&cut), &t, &x).unwrap_err();
    assert_detached(error, "field", "changes with x", "cut");
    let constant = field_fn(|_, x| Ok(x.ones_like()?));
    let found = Exact.at(&Transposed::new(&constant), &t, &x).unwrap();
    assert_eq!(found.divergence.to_vec1::<f64>().unwrap(), [0.0; 5]);
}

/// Where no graph is built the products are those of where one is.
#[test]
fn transposed_products_within_forward_passes_without_a_graph() {
    let (store, net) = network(2);
    let frozen = net.on(&store.frozen()).unwrap();
    let (x, t) = (normal(&[5, 2], 6), Time::Shared(0.4));
    let expected = Exact.at(&frozen, &t, &x).unwrap().divergence;
    let found = without_graph(|| Exact.at(&Transposed::new(&frozen), &t, &x)).unwrap();
    assert_close(&found.divergence, &expected, 1e-12, 1e-12);
    // A density that is carried along, by a strategy whose forward pass builds none.
    let solver = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9).unwrap());
    let flow = Flow::new(frozen.clone(), Exact);
    let native = flow.transport(&solver, &x, 1.0, 0.0).unwrap();
    let flow = Arc::new(Flow::new(Owned(frozen), Exact));
    let discrete = Checkpointed::new(solver, 3).unwrap();
    let moved = flow.transport_by(&discrete, &[], &x, 1.0, 0.0).unwrap();
    assert_close(
        &moved.log_density_change,
        &native.log_density_change,
        1e-8,
        1e-8,
    );
}

/// A network whose products are those of its transposed Jacobian.
struct Owned(Mlp);

impl Field for Owned {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        self.0.at(t, x)
    }
}

impl Jvp for Owned {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Transposed::new(&self.0).jvp(t, x, dt, dx)
    }
}
