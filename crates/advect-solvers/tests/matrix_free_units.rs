//! Newton's equations by products do not depend on units, and say where they fail: each case is solved by matrices as well.

use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{
    ImplicitEuler, ImplicitRungeKutta, Kvaerno5, MatrixFree, RadauIia5, TrapezoidalRule,
};
use advect_solvers::stepper::{Embedded, Stepper};
use advect_solvers::{Solver, Status};
use candle_core::{Tensor, Var};

fn row(numbers: &[f64]) -> Tensor {
    Tensor::from_slice(numbers, (1, numbers.len()), device()).unwrap()
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// A pair of rates that are far apart, with a source, as time goes by in other units.
fn steps(stepper: &dyn Embedded, unit: f64) -> (usize, usize, Vec<f64>) {
    let field = field_fn(move |t: &Time, x: &Tensor| {
        let source = t
            .coefficient(|t| (t / unit).sin())?
            .times(&x.ones_like()?)?;
        let decay = x.broadcast_mul(&row(&[-1.0, -2000.0]))?;
        Ok(((decay + source)? / unit)?)
    });
    let adaptive = Adaptive::new(1e-5, 1e-5).unwrap();
    let solver = Solver::new(stepper, adaptive);
    let solution = solver.solve(&field, &row(&[1.0, 1.0]), 0.0, 2.0 * unit);
    let solution = solution.unwrap();
    assert_eq!(solution.status, Status::Reached);
    let statistics = &solution.statistics;
    let end = numbers(&solution.last_state);
    (statistics.accepted, statistics.rejected, end)
}

#[test]
fn steps_do_not_depend_on_the_unit_of_time() {
    let free = MatrixFree::by_differences();
    let methods: [(&str, &dyn Embedded, &dyn Embedded); 3] = [
        ("Euler", &ImplicitEuler, &ImplicitEuler.with_jacobian(free)),
        (
            "trapezia",
            &TrapezoidalRule,
            &TrapezoidalRule.with_jacobian(free),
        ),
        ("Radau", &RadauIia5, &RadauIia5.with_jacobian(free)),
    ];
    for (name, dense, free) in methods {
        let (accepted, rejected, end) = steps(dense, 1.0);
        for unit in [1.0, 1e-6, 1e6] {
            let found = steps(free, unit);
            println!("{name} {unit:e}: {accepted} {rejected}, {found:?}");
            // Products by differences round otherwise, and an estimate is filtered to a hundredth of the tolerance.
            assert!(
                found.0.abs_diff(accepted) <= 2 + accepted / 50,
                "{name} {unit}: {accepted} {found:?}"
            );
            assert!(
                found.1 <= rejected + 3,
                "{name} {unit}: {rejected} {found:?}"
            );
            for (a, b) in found.2.iter().zip(&end) {
                assert!((a - b).abs() < 2e-5, "{name} {unit}: {found:?} {end:?}");
            }
        }
    }
}

/// `x' = sin t` from rest at zero, where nothing tells a size.
#[test]
fn a_start_at_rest_is_left() {
    let field = field_fn(|t: &Time, x: &Tensor| t.coefficient(f64::sin)?.times(&x.ones_like()?));
    let free = MatrixFree::by_differences();
    let end = |stepper: &dyn Stepper| {
        let solver = Solver::new(stepper, Fixed::steps(20).unwrap());
        let solution = solver.solve(&field, &row(&[0.0]), 0.0, 1.0).unwrap();
        numbers(&solution.end().unwrap())[0]
    };
    let exact = 1.0 - 1f64.cos();
    for found in [
        end(&Kvaerno5),
        end(&Kvaerno5.with_jacobian(free)),
        end(&RadauIia5.with_jacobian(free)),
    ] {
        assert!((found - exact).abs() < 1e-8, "{found} {exact}");
    }
}

/// A state of zeros stays, but its derivative by the start does not.
#[test]
fn gradients_at_zero_are_those_of_matrices() {
    fn gradient(stepper: impl Stepper + Clone) -> Vec<f64> {
        let field = Arc::new(field_fn(|_: &Time, x: &Tensor| Ok((x * -5.0)?)));
        let solver = Solver::new(stepper, Fixed::steps(10).unwrap());
        let strategy = Unrolled::new(solver).max_evaluations(10_000).unwrap();
        let x = Var::from_tensor(&row(&[0.0, 1.0, 0.0])).unwrap();
        let solution = strategy.solve(&field, &[], &x, &[0.0, 1.0]).unwrap();
        let end = solution.end().unwrap().sum_all().unwrap();
        numbers(end.backward().unwrap().get(x.as_tensor()).unwrap())
    }
    let free = Kvaerno5.with_jacobian(MatrixFree::by_differences());
    for (found, dense) in gradient(free).iter().zip(gradient(Kvaerno5)) {
        assert!((dense - (-5f64).exp()).abs() < 1e-4, "{dense}");
        assert!((found - dense).abs() < 1e-9, "{found} {dense}");
    }
}

/// An infinite residual is no solved one.
#[test]
fn infinite_slopes_are_told() {
    let field = field_fn(|t: &Time, x: &Tensor| {
        let wall = t.coefficient(|t| if t > 0.0 { f64::INFINITY } else { 0.0 })?;
        Ok((wall.times(&x.ones_like()?)? - x)?)
    });
    let stepper = Kvaerno5.with_jacobian(MatrixFree::by_differences());
    let solver = Solver::new(stepper, Fixed::steps(4).unwrap());
    let solution = solver.solve(&field, &row(&[1.0]), 0.0, 1.0);
    match solution {
        Ok(solution) => assert_ne!(solution.status, Status::Reached),
        Err(error) => assert!(error.to_string().contains("finite"), "{error}"),
    }
}

/// A non-stiff element is solved for too where a stiff one has by far the largest residual.
#[test]
fn small_residuals_beside_large_ones_are_solved() {
    let rates = row(&[-1e6, -1e4, -1.0]);
    let field = field_fn(move |t: &Time, x: &Tensor| {
        let source = t.coefficient(|t| 1.0 + t)?.times(&row(&[1e6, 1e4, 3.0]))?;
        Ok((x.broadcast_mul(&rates)? + source)?)
    });
    let solve = |stepper: &dyn Embedded| {
        let adaptive = Adaptive::new(1e-6, 1e-6).unwrap();
        let solver = Solver::new(stepper, adaptive);
        let solution = solver.solve(&field, &row(&[0.0, 0.0, 0.0]), 0.0, 1.0);
        numbers(&solution.unwrap().end().unwrap())
    };
    let free = MatrixFree::by_differences();
    let (dense, found) = (solve(&Kvaerno5), solve(&Kvaerno5.with_jacobian(free)));
    for (found, dense) in found.iter().zip(&dense) {
        assert!((found - dense).abs() < 3e-6, "{found} {dense}");
    }
}
