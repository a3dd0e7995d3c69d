//! What holds for every stepper; each stepper's file calls it.

use advect_core::testing::measured_order;
use advect_core::testing::problems::{Forced, Problem, Rotation};
use candle_core::Tensor;

use super::Stepper;
use crate::{Solver, controller::Fixed};

/// The largest error at t = 1 after `n` steps from the problem's solution at t = 0.
fn error(stepper: &dyn Stepper, problem: &impl Problem, n: usize) -> f64 {
    let x0 = problem.solution(0.0).unwrap();
    let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
    let end = solver.solve(problem, &x0, 0.0, 1.0).unwrap().end().unwrap();
    let difference: Tensor = (end - problem.solution(1.0).unwrap()).unwrap();
    difference
        .abs()
        .unwrap()
        .max_all()
        .unwrap()
        .to_scalar()
        .unwrap()
}

/// Checks the measured order on an autonomous linear and a non-autonomous nonlinear problem, and the
/// number of evaluations of n steps.
pub(crate) fn check(stepper: &dyn Stepper, order: usize, evaluations: usize) {
    assert_eq!(stepper.order(), order);
    let counts = [64, 96, 128, 192];
    for (name, measured) in [
        (
            "rotation",
            measured_order(&counts, |n| error(stepper, &Rotation { omega: 2.0 }, n)),
        ),
        (
            "forced",
            measured_order(&counts, |n| error(stepper, &Forced, n)),
        ),
    ] {
        assert!(
            (measured - order as f64).abs() < 0.2,
            "{name}: order {measured}"
        );
    }
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(stepper, Fixed::steps(10).unwrap());
    let count = solver
        .solve(&Forced, &x0, 0.0, 1.0)
        .unwrap()
        .statistics
        .evaluations;
    // A reused last stage costs one evaluation once.
    assert!(
        (10 * evaluations..=10 * evaluations + 1).contains(&count),
        "{count} evaluations"
    );
}

macro_rules! stepper_contract {
    ($stepper:ident, order = $order:literal, evaluations = $evaluations:literal) => {
        #[test]
        fn keeps_the_contract() {
            crate::stepper::contract::check(&$stepper, $order, $evaluations);
        }
    };
}
pub(crate) use stepper_contract;
