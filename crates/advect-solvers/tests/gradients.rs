//! Gradients of solutions against finite differences, and against each other.

use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Error, Field, Result, Time, field_fn};
use advect_ops::{Activation, linear};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Reversible, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed, Norm};
use advect_solvers::stepper::{Dopri5, Euler, Heun, Rk4, Tsit5};
use advect_solvers::{Solution, Solver};
use candle_core::{DType, Tensor, Var};

/// A small network, non-autonomous: `f(t, x) = cos t · W₂ tanh(W₁ x + b₁) − x/2`.
#[derive(Clone)]
struct Net([Var; 3]);

impl Net {
    fn new() -> Self {
        let var = |n: usize, shape: &[usize], shift: f64| {
            let values: Vec<f64> = (0..n)
                .map(|i| (1.7 * i as f64 + shift).sin() * 0.8)
                .collect();
            Var::from_tensor(&Tensor::from_vec(values, shape, device()).unwrap()).unwrap()
        };
        Net([
            var(6, &[3, 2], 0.0),
            var(3, &[3], 1.0),
            var(6, &[2, 3], 2.0),
        ])
    }

    fn parameters(&self) -> Vec<Tensor> {
        self.0.iter().map(|v| v.as_tensor().clone()).collect()
    }
}

impl Field for Net {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let [w1, b1, w2] = &self.0;
        let hidden = linear(x, w1, Some(b1), Activation::Tanh)?;
        let y =
            t.coefficient(f64::cos)?
                .times(&linear(&hidden, w2, None, Activation::Identity)?)?;
        Ok((y - (x * 0.5)?)?)
    }
}

fn start() -> Var {
    Var::new(&[[0.3f64, -1.0], [2.0, 0.7]], device()).unwrap()
}

const TIMES: [f64; 3] = [0.2, 0.9, 1.7];

/// A loss of the states at all times.
fn loss(solution: &Solution) -> Result<Tensor> {
    let early = (&solution.states[1].narrow(1, 0, 1)? * 3.0)?.sum_all()?;
    Ok((solution.end()?.sqr()?.sum_all()? + early)?)
}

fn accurate() -> Solver<Dopri5, Adaptive> {
    Solver::new(Dopri5, Adaptive::new(1e-12, 1e-12).unwrap())
}

/// The gradients of the loss by one strategy: of the parameters, the initial state and the times.
fn gradients(strategy: &impl Adjoint, net: &Net, x0: &Var, times: &[f64]) -> Vec<Vec<f64>> {
    let times = Var::new(times, device()).unwrap();
    let field = Arc::new(net.clone());
    let solution = strategy
        .solve_at(&field, &net.parameters(), x0, &times)
        .unwrap();
    let store = loss(&solution).unwrap().backward().unwrap();
    (net.0.iter().chain([x0, &times]))
        .map(|v| {
            store
                .get(v)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap()
        })
        .collect()
}

/// The loss's derivative by each number, by central differences, with steps that are made afresh.
fn differences(
    solver: &Solver<Dopri5, Adaptive>,
    net: &Net,
    x0: &Var,
    times: &[f64],
) -> Vec<Vec<f64>> {
    let evaluate = |times: &[f64]| -> f64 {
        let plain = Unrolled::new(solver.clone())
            .max_evaluations(10_000)
            .unwrap();
        let solution = plain.solve(&Arc::new(net.clone()), &[], x0, times).unwrap();
        loss(&solution).unwrap().to_scalar().unwrap()
    };
    let h = 1e-4;
    let by = |shift: &dyn Fn(f64) -> f64| {
        // Of order 4.
        let central = |h: f64| (shift(h) - shift(-h)) / (2.0 * h);
        (4.0 * central(h) - central(2.0 * h)) / 3.0
    };
    let mut all = Vec::new();
    for v in net.0.iter().chain([x0]) {
        let original = v.as_tensor().copy().unwrap();
        let values: Vec<f64> = original.flatten_all().unwrap().to_vec1().unwrap();
        let derivative = |i: usize| {
            by(&|h| {
                let mut moved = values.clone();
                moved[i] += h;
                v.set(&Tensor::from_vec(moved, original.shape(), device()).unwrap())
                    .unwrap();
                let value = evaluate(times);
                v.set(&original).unwrap();
                value
            })
        };
        all.push((0..values.len()).map(derivative).collect());
    }
    let derivative = |i: usize| {
        by(&|h| {
            let mut moved = times.to_vec();
            moved[i] += h;
            evaluate(&moved)
        })
    };
    all.push((0..times.len()).map(derivative).collect());
    all
}

fn assert_near(ours: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64, what: &str) {
    for (a, b) in ours.iter().flatten().zip(expected.iter().flatten()) {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{what}: {a}, {b}"
        );
    }
}

#[test]
fn all_three_agree_with_finite_differences() {
    let (net, x0) = (Net::new(), start());
    for times in [TIMES, [1.7, 0.9, 0.2]] {
        let expected = differences(&accurate(), &net, &x0, &times);
        let unrolled = Unrolled::new(accurate()).max_evaluations(10_000).unwrap();
        let unrolled = gradients(&unrolled, &net, &x0, &times);
        assert_near(&unrolled, &expected, 1e-6, "unrolled");
        let checkpointed = Checkpointed::new(accurate(), 7).unwrap();
        let checkpointed = gradients(&checkpointed, &net, &x0, &times);
        assert_near(&checkpointed, &unrolled, 1e-12, "checkpointed");
        let backsolve = gradients(&Backsolve::new(accurate()), &net, &x0, &times);
        assert_near(&backsolve, &expected, 1e-6, "backsolve");
        let measured = gradients(&Backsolve::new(accurate()).measure_all(), &net, &x0, &times);
        assert_near(&measured, &backsolve, 1e-8, "all measured");
    }
}

/// With coarse steps the discrete gradients are those of the numerical solution, whatever that is worth.
#[test]
fn discrete_gradients_are_exact_for_coarse_steps() {
    let (net, x0) = (Net::new(), start());
    for checkpoints in [1, 2, 5, 100] {
        macro_rules! both {
            ($solver:expr) => {
                let unrolled = gradients(&Unrolled::new($solver), &net, &x0, &TIMES);
                let by_points = Checkpointed::new($solver, checkpoints).unwrap();
                let discrete = gradients(&by_points, &net, &x0, &TIMES);
                assert_near(&discrete, &unrolled, 1e-13, "checkpoints");
                let continuous = gradients(&Backsolve::new($solver), &net, &x0, &TIMES);
                assert_near(&continuous, &unrolled, 0.1, "roughly");
            };
        }
        both!(Solver::new(Rk4, Fixed::steps(4).unwrap()));
        both!(Solver::new(Heun, Fixed::size(0.21).unwrap()));
        both!(Solver::new(
            Tsit5,
            Adaptive::new(1e-3, 1e-3).unwrap().norm_by(Norm::Max)
        ));
    }
    // And they are the derivatives of it: with fixed steps that is what finite differences see.
    let solver = Solver::new(Heun, Fixed::grid(&[0.5, 0.9, 1.4]).unwrap());
    let field = Arc::new(net.clone());
    let value = || {
        let solution = solver.solve(&net, &x0, 0.2, 1.7).unwrap();
        solution.end().unwrap().sqr().unwrap().sum_all().unwrap()
    };
    let discrete = Checkpointed::new(solver.clone(), 2).unwrap();
    let solution = discrete
        .solve(&field, &net.parameters(), &x0, &[0.2, 1.7])
        .unwrap();
    let loss = solution.end().unwrap().sqr().unwrap().sum_all().unwrap();
    let gradient = loss.backward().unwrap();
    let gradient = gradient.get(&net.0[0]).unwrap().to_vec2::<f64>().unwrap()[1][0];
    let original = net.0[0].as_tensor().copy().unwrap();
    let moved = |h: f64| {
        let mut w = original.to_vec2::<f64>().unwrap();
        w[1][0] += h;
        net.0[0].set(&Tensor::new(w, device()).unwrap()).unwrap();
        let value = value().to_scalar::<f64>().unwrap();
        net.0[0].set(&original).unwrap();
        value
    };
    let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
    assert!((gradient - difference).abs() < 1e-8 * (1.0 + difference.abs()));
}

#[test]
fn untracked_arguments_and_constant_fields() {
    let field = Arc::new(field_fn(|_, x| Ok(x.ones_like()?)));
    let x0 = Tensor::new(&[[1f32]], device()).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(3).unwrap());
    let discrete = Checkpointed::new(solver.clone(), 1).unwrap();
    let solution = discrete.solve(&field, &[], &x0, &[0.0, 1.0]).unwrap();
    assert!(!solution.end().unwrap().track_op());
    // A field that does not depend on the state: the gradient goes straight through.
    let x0 = Var::from_tensor(&x0).unwrap();
    let check = |solution: Solution| {
        let sum = solution.end().unwrap().sum_all().unwrap();
        let gradients = sum.backward().unwrap();
        let gradient = gradients.get(&x0).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(gradient, [[1.0]]);
    };
    check(discrete.solve(&field, &[], &x0, &[0.0, 1.0]).unwrap());
    let continuous = Backsolve::new(solver);
    check(continuous.solve(&field, &[], &x0, &[0.0, 1.0]).unwrap());
}

#[test]
fn ten_thousand_steps_fit_the_stack() {
    let (net, x0) = (Net::new(), start());
    let solver = Solver::new(Heun, Fixed::steps(10_000).unwrap());
    let run = move || {
        let discrete = Checkpointed::new(solver.clone(), 20).unwrap();
        let a = gradients(&discrete, &net, &x0, &TIMES);
        // One step more, to end at the time in the middle. With 20 checkpoints four repetitions at most are needed.
        let statistics = discrete.backward_statistics();
        assert_eq!(statistics.vjps, 10_001);
        assert!(statistics.accepted <= 4 * 10_001, "{statistics:?}");
        let continuous = Backsolve::new(solver.clone());
        let b = gradients(&continuous, &net, &x0, &TIMES);
        assert_near(&a, &b, 1e-6, "both");
        let unrolled = Unrolled::new(solver.clone());
        let field = Arc::new(net.clone());
        let refused = unrolled.solve(&field, &net.parameters(), &x0, &TIMES);
        assert!(matches!(refused, Err(Error::Range { argument, .. }) if argument == "evaluations"));
    };
    let small = std::thread::Builder::new().stack_size(1 << 20);
    small.spawn(run).unwrap().join().unwrap();
}

#[test]
fn failures_are_reported() {
    let explosion = Arc::new(field_fn(|_, x| Ok(x.sqr()?)));
    let x0 = Var::new(&[1f64], device()).unwrap();
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap());
    let discrete = Checkpointed::new(solver.clone(), 3).unwrap();
    let solution = discrete
        .solve(&explosion, &[], &x0, &[0.0, 0.5, 2.0])
        .unwrap();
    assert!(matches!(solution.end(), Err(Error::Stopped { .. })));
    // What was reached has its gradient: x(t) = 1/(1/x0 − t), so ∂x/∂x0 = 4 at t = 0.5.
    let gradients = solution.states[1].sum_all().unwrap().backward().unwrap();
    let gradient = gradients.get(&x0).unwrap().to_vec1::<f64>().unwrap()[0];
    assert!((gradient - 4.0).abs() < 1e-3, "{gradient}");
    for times in [
        vec![],
        vec![0.0],
        vec![0.0, 0.0],
        vec![0.0, 1.0, 0.5],
        vec![0.0, f64::NAN],
    ] {
        let result = discrete.solve(&explosion, &[], &x0, &times);
        assert!(matches!(result, Err(Error::Range { argument, .. }) if argument == "times"));
    }
    let wrong = Tensor::zeros((2, 1), DType::F64, device()).unwrap();
    let result = discrete.solve_at(&explosion, &[], &x0, &wrong);
    assert!(matches!(result, Err(Error::Shape { .. })));
    assert!(Checkpointed::new(solver, 0).is_err());
}

#[test]
fn what_cannot_be_differentiated_is_refused() {
    let field = Arc::new(field_fn(|_, x| Ok(x.neg()?)));
    let x0 = Var::new(&[1f64], device()).unwrap();
    let computed = [x0.as_tensor().exp().unwrap()];
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6).unwrap());
    let discrete = Checkpointed::new(solver.clone(), 3).unwrap();
    let continuous = Backsolve::new(solver);
    for result in [
        discrete.solve(&field, &computed, &x0, &[0.0, 1.0]),
        continuous.solve(&field, &computed, &x0, &[0.0, 1.0]),
    ] {
        assert!(matches!(result, Err(Error::Range { argument, .. }) if argument == "parameters"));
    }
    let beyond = Adaptive::new(1e-6, 1e-6).unwrap().overstep();
    let beyond = Solver::new(Dopri5, beyond);
    let discrete = Checkpointed::new(beyond.clone(), 3).unwrap();
    let result = discrete.solve(&field, &[], &x0, &[0.0, 1.0]);
    assert!(matches!(result, Err(Error::Range { argument, .. }) if argument == "controller"));
    // The other two can.
    for solution in [
        Unrolled::new(beyond.clone()).solve(&field, &[], &x0, &[0.0, 1.0]),
        Backsolve::new(beyond).solve(&field, &[], &x0, &[0.0, 1.0]),
    ] {
        let gradients = solution.unwrap().end().unwrap().backward().unwrap();
        let gradient = gradients.get(&x0).unwrap().to_vec1::<f64>().unwrap()[0];
        assert!((gradient - (-1f64).exp()).abs() < 1e-4, "{gradient}");
    }
}

/// A solution by an adjoint, of a field with parameters from a state.
type Solve<'a> = &'a dyn Fn(&Arc<dyn Field + Send + Sync>, &[Tensor], &Tensor) -> Solution;

/// Parameters of 16 bits which a field in f32 casts. Their gradients are sums of many terms, and no concern of the tolerance.
#[test]
fn gradients_of_16_bits_are_summed_in_f32() {
    let steps = || Fixed::steps(1000).unwrap();
    let euler = Solver::new(Euler, steps());
    let adaptive = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-5).unwrap());
    for dtype in [DType::BF16, DType::F16] {
        let check = |name: &str, solve: Solve<'_>| {
            let w = Tensor::new(&[0.5f32], device()).unwrap();
            let w = Var::from_tensor(&w.to_dtype(dtype).unwrap()).unwrap();
            let x0 = Tensor::new(&[0f32], device()).unwrap();
            let constant = w.as_tensor().clone();
            let field = field_fn(move |_, x: &Tensor| {
                Ok(constant.to_dtype(DType::F32)?.broadcast_as(x.shape())?)
            });
            let field: Arc<dyn Field + Send + Sync> = Arc::new(field);
            let end = solve(&field, &[w.as_tensor().clone()], &x0).end().unwrap();
            let gradients = end.sum_all().unwrap().backward().unwrap();
            let gradient = gradients.get(&w).unwrap();
            assert_eq!(gradient.dtype(), dtype, "{name}");
            let gradient = gradient.to_dtype(DType::F32).unwrap();
            let gradient = gradient.to_vec1::<f32>().unwrap()[0];
            assert!(
                (gradient - 1.0).abs() < 5e-3,
                "{name}, {dtype:?}: {gradient}"
            );
        };
        check("Checkpointed", &|f, p, x| {
            let adjoint = Checkpointed::new(euler.clone(), 10).unwrap();
            adjoint.solve(f, p, x, &[0.0, 1.0]).unwrap()
        });
        check("Reversible", &|f, p, x| {
            let adjoint = Reversible::new(steps());
            adjoint.solve(f, p, x, &[0.0, 1.0]).unwrap()
        });
        check("Backsolve", &|f, p, x| {
            let adjoint = Backsolve::new(euler.clone());
            adjoint.solve(f, p, x, &[0.0, 1.0]).unwrap()
        });
        check("Backsolve, adaptive", &|f, p, x| {
            let adjoint = Backsolve::new(adaptive.clone());
            adjoint.solve(f, p, x, &[0.0, 1.0]).unwrap()
        });
    }
}
