//! Gradients through implicit methods, by the implicit function theorem, against finite differences and closed forms.

use std::sync::Arc;

use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{
    ImplicitEuler, ImplicitRungeKutta, Kvaerno3, Kvaerno4, Kvaerno5, MatrixFree, RadauIia5,
    TrapezoidalRule,
};
use advect_solvers::stepper::{Dopri5, Embedded, Stepper};
use advect_solvers::{Solution, Solver};
use candle_core::{Tensor, Var};

/// Robertson's reactions with rates e^θ.
#[derive(Clone)]
struct Reactions(Var);

impl Reactions {
    fn new() -> Self {
        let logarithms = [0.04f64.ln(), 3e3f64.ln(), 1e2f64.ln()];
        Reactions(Var::new(&logarithms, device()).unwrap())
    }
}

impl Field for Reactions {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        let rates = self.0.exp()?;
        let of = |i: usize| x.narrow(1, i, 1);
        let slow = of(0)?.broadcast_mul(&rates.narrow(0, 0, 1)?)?;
        let quick = of(1)?.sqr()?.broadcast_mul(&rates.narrow(0, 1, 1)?)?;
        let back = (of(1)? * of(2)?)?.broadcast_mul(&rates.narrow(0, 2, 1)?)?;
        let first = (&back - &slow)?;
        let second = ((slow - &quick)? - back)?;
        Ok(Tensor::cat(&[first, second, quick], 1)?)
    }
}

fn start() -> Var {
    Var::new(&[[1f64, 0.0, 0.0], [0.7, 1e-4, 0.3]], device()).unwrap()
}

const TIMES: [f64; 3] = [0.0, 1.0, 8.0];

/// A loss of the states at all times, in which all elements have about the same weight.
fn loss(solution: &Solution) -> Tensor {
    let weights = Tensor::new(&[[1f64, 3e2, -2.0], [0.5, 1e2, 1.0]], device()).unwrap();
    let of = |x: &Tensor| (x * &weights).unwrap().sin().unwrap().sum_all().unwrap();
    solution.end().unwrap();
    (of(&solution.states[1]) + of(&solution.states[2])).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradients of the loss by one strategy: of the parameters and of the initial state.
fn gradients(strategy: &impl Adjoint, field: &Reactions, x: &Var) -> Vec<f64> {
    let solution = strategy
        .solve(
            &Arc::new(field.clone()),
            &[field.0.as_tensor().clone()],
            x,
            &TIMES,
        )
        .unwrap();
    let gradients = loss(&solution).backward().unwrap();
    [&field.0, x]
        .iter()
        .flat_map(|v| numbers(gradients.get(v).unwrap()))
        .collect()
}

/// The same by central differences.
fn differences(
    solve: &dyn Fn(&Reactions, &Tensor) -> Solution,
    field: &Reactions,
    x: &Var,
) -> Vec<f64> {
    let value = || {
        loss(&solve(field, x.as_tensor()))
            .to_scalar::<f64>()
            .unwrap()
    };
    let mut all = Vec::new();
    for (v, step) in [(&field.0, 1e-4), (x, 1e-6)] {
        let original = v.as_tensor().copy().unwrap();
        for i in 0..original.elem_count() {
            let moved = |h: f64| {
                let mut values = numbers(&original);
                values[i] += h;
                v.set(&Tensor::from_vec(values, original.shape(), device()).unwrap())
                    .unwrap();
                let value = value();
                v.set(&original).unwrap();
                value
            };
            let central = |h: f64| (moved(h) - moved(-h)) / (2.0 * h);
            all.push((4.0 * central(step) - central(2.0 * step)) / 3.0);
        }
    }
    all
}

fn assert_near(ours: &[f64], expected: &[f64], tolerance: f64, name: &str) {
    assert_eq!(ours.len(), expected.len());
    for (a, b) in ours.iter().zip(expected) {
        assert!(
            (a - b).abs() <= tolerance * (1.0 + b.abs()),
            "{name}: {ours:?}, not {expected:?}"
        );
    }
}

/// With fixed steps the equations are solved up to rounding, and the gradient is that of the numerical solution.
#[test]
fn gradients_are_exact_for_coarse_steps() {
    fn check<S: Embedded + Clone + Send + Sync + 'static>(stepper: S, name: &str) {
        let (field, x) = (Reactions::new(), start());
        let solver = Solver::new(stepper, Fixed::size(0.25).unwrap());
        let plain = Unrolled::new(solver.clone())
            .max_evaluations(100_000)
            .unwrap();
        let solve = |field: &Reactions, x: &Tensor| {
            plain
                .solve(&Arc::new(field.clone()), &[], x, &TIMES)
                .unwrap()
        };
        let expected = differences(&solve, &field, &x);
        let unrolled = gradients(&plain, &field, &x);
        assert_near(&unrolled, &expected, 2e-6, name);
        let checkpointed = Checkpointed::new(solver, 3).unwrap();
        assert_near(&gradients(&checkpointed, &field, &x), &unrolled, 1e-9, name);
    }
    check(ImplicitEuler, "ImplicitEuler");
    check(TrapezoidalRule, "TrapezoidalRule");
    check(Kvaerno3, "Kvaerno3");
    check(Kvaerno4, "Kvaerno4");
    check(Kvaerno5, "Kvaerno5");
    check(RadauIia5, "RadauIia5");
}

/// With tight tolerances two methods and both strategies have the derivatives of the true solution.
#[test]
fn strategies_agree_for_adaptive_steps() {
    let (field, x) = (Reactions::new(), start());
    let adaptive = Adaptive::new(1e-8, 1e-12).unwrap();
    let kvaerno = Solver::new(Kvaerno5, adaptive);
    let unrolled = Unrolled::new(kvaerno.clone())
        .max_evaluations(100_000)
        .unwrap();
    let unrolled = gradients(&unrolled, &field, &x);
    let checkpointed = Checkpointed::new(kvaerno, 10).unwrap();
    assert_near(
        &gradients(&checkpointed, &field, &x),
        &unrolled,
        1e-6,
        "checkpointed",
    );
    let radau = Checkpointed::new(Solver::new(RadauIia5, adaptive), 10).unwrap();
    assert_near(&gradients(&radau, &field, &x), &unrolled, 1e-5, "Radau");
}

/// Backsolve takes an implicit method forwards, and an explicit one backwards.
#[test]
fn backsolve_goes_back_by_an_explicit_method() {
    // x' = −5 (x − θ): ∂x(1)/∂θ = 1 − e⁻⁵, ∂x(1)/∂x0 = e⁻⁵
    let theta = Var::new(0.3f64, device()).unwrap();
    let of = theta.clone();
    let field = Arc::new(field_fn(move |_, x: &Tensor| {
        Ok((x.broadcast_sub(&of)? * -5.0)?)
    }));
    let x = Var::new(&[[1f64]], device()).unwrap();
    let forwards = Solver::new(Kvaerno5, Adaptive::new(1e-9, 1e-9).unwrap());
    let backwards = Solver::new(Dopri5, Adaptive::new(1e-9, 1e-9).unwrap());
    let strategy = Backsolve::new(forwards).backward(backwards);
    let parameters = [theta.as_tensor().clone()];
    let solution = strategy
        .solve(&field, &parameters, &x, &[0.0, 1.0])
        .unwrap();
    let gradients = solution
        .end()
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let of = |v: &Var| numbers(gradients.get(v).unwrap())[0];
    assert!((of(&theta) - (1.0 - (-5f64).exp())).abs() < 1e-7);
    assert!((of(&x) - (-5f64).exp()).abs() < 1e-7);
}

/// Implicit steps go backwards as well, with matrices and without.
#[test]
fn backsolve_goes_back_by_an_implicit_method() {
    // x' = −5 (x − θ): ∂x(1)/∂θ = 1 − e⁻⁵, ∂x(1)/∂x0 = e⁻⁵
    let theta = Var::new(0.3f64, device()).unwrap();
    let x = Var::new(&[[1f64, -2.0], [0.5, 0.0]], device()).unwrap();
    let parameters = [theta.as_tensor().clone()];
    let of = theta.clone();
    let field = Arc::new(field_fn(move |_, x: &Tensor| {
        Ok((x.broadcast_sub(&of)? * -5.0)?)
    }));
    let gradients = |solution: Solution| {
        let gradients = solution.end()?.sum_all()?.backward()?;
        let of = |v: &Var| numbers(gradients.get(v).unwrap());
        Ok::<_, Error>([of(&theta), of(&x)].concat())
    };
    let forwards = Solver::new(Kvaerno5, Adaptive::new(1e-8, 1e-8).unwrap());
    let dense = Backsolve::new(forwards.clone());
    let free = Kvaerno5.with_jacobian(MatrixFree::by_differences());
    let tolerances = Adaptive::new(1e-8, 1e-8).unwrap();
    let free = Backsolve::new(forwards).backward(Solver::new(free, tolerances));
    let span = [0.0, 1.0];
    let found = [
        dense.solve(&field, &parameters, &x, &span),
        free.solve(&field, &parameters, &x, &span),
    ];
    for found in found {
        let found = gradients(found.unwrap()).unwrap();
        let of_x = (-5f64).exp();
        assert!((found[0] - 4.0 * (1.0 - of_x)).abs() < 1e-6, "{found:?}");
        assert!(
            found[1..].iter().all(|g| (g - of_x).abs() < 1e-6),
            "{found:?}"
        );
    }
    assert!(dense.backward_statistics().jacobians > 0);
    let statistics = free.backward_statistics();
    assert!(
        statistics.products > 0 && statistics.jacobians == 0,
        "{statistics:?}"
    );
}

/// Gradients converge as quickly as values: x' = θ x² cos t has x(t) = 1 / (1/x0 − θ sin t).
#[test]
fn gradients_have_the_order_of_the_method() {
    fn check<S: Stepper + Clone>(stepper: S, order: f64) {
        let theta = Var::new(1f64, device()).unwrap();
        let x = Var::new(&[[0.7f64], [-0.5]], device()).unwrap();
        let of = theta.clone();
        let field = Arc::new(field_fn(move |t: &Time, x: &Tensor| {
            t.coefficient(f64::cos)?
                .times(&x.sqr()?.broadcast_mul(&of)?)
        }));
        let error = |n: usize| {
            let solver = Solver::new(stepper.clone(), Fixed::steps(n).unwrap());
            let strategy = Unrolled::new(solver).max_evaluations(100_000).unwrap();
            let solution = strategy.solve(&field, &[], &x, &[0.0, 1.0]).unwrap();
            let gradients = solution
                .end()
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            let end = |x: f64| 1.0 / (1.0 / x - 1f64.sin());
            let of_x = [0.7f64, -0.5].map(|x| (end(x) / x).powi(2));
            let of_theta = 1f64.sin() * (end(0.7).powi(2) + end(-0.5).powi(2));
            let mut found = numbers(gradients.get(&x).unwrap());
            found.extend(numbers(gradients.get(&theta).unwrap()));
            let pairs = found.iter().zip(of_x.iter().chain([&of_theta]));
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let counts = if order < 4.0 {
            [32, 48, 64]
        } else {
            [12, 16, 24]
        };
        let measured = measured_order(&counts, error);
        assert!((measured - order).abs() < 0.3, "{order}: {measured}");
    }
    check(ImplicitEuler, 1.0);
    check(TrapezoidalRule, 2.0);
    check(Kvaerno3, 3.0);
    check(Kvaerno4, 4.0);
    check(Kvaerno5, 5.0);
    check(RadauIia5, 5.0);
}

/// A value taken out of the graph has no derivative, and none is made up.
#[test]
fn detached_fields_are_refused() {
    let field = Arc::new(field_fn(|_, x: &Tensor| Ok(x.detach().sqr()?.neg()?)));
    let x = Var::new(&[[1f64]], device()).unwrap();
    let solver = Solver::new(Kvaerno3, Fixed::steps(3).unwrap());
    let error = Unrolled::new(solver.clone())
        .solve(&field, &[], &x, &[0.0, 1.0])
        .unwrap_err();
    assert!(matches!(error, Error::Detached { .. }), "{error}");
    let solution = Checkpointed::new(solver, 2)
        .unwrap()
        .solve(&field, &[], &x, &[0.0, 1.0]);
    assert!(
        solution
            .unwrap()
            .end()
            .unwrap()
            .sum_all()
            .unwrap()
            .backward()
            .is_err()
    );
    // A constant field has the derivative 0.
    let constant = Arc::new(field_fn(|_, x: &Tensor| Ok(x.ones_like()?)));
    let solver = Solver::new(Kvaerno3, Fixed::steps(3).unwrap());
    let solution = Unrolled::new(solver)
        .solve(&constant, &[], &x, &[0.0, 1.0])
        .unwrap();
    let gradients = solution
        .end()
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    assert_eq!(numbers(gradients.get(&x).unwrap()), [1.0]);
}
