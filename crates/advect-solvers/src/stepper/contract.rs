//! The properties of every Runge–Kutta stepper: its order at the end of a step and within, and its number of evaluations.

use advect_core::testing::measured_order;
use advect_core::testing::problems::{Forced, Problem, Rotation};
use advect_core::{Field, Result, Time};
use candle_core::Tensor;

use super::Stepper;
use crate::{Save, Solver, controller::Fixed};

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    difference.to_scalar().unwrap()
}

/// The mean over the steps of the largest error at the ends of `n` steps from 0 to 1, from the problem's solution at t = 0.
fn error(stepper: &dyn Stepper, problem: &impl Problem, n: usize) -> f64 {
    let x0 = problem.solution(0.0).unwrap();
    let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
    let solution = solver
        .integration(problem, &x0, 0.0, 1.0)
        .save(Save::Every(1))
        .run()
        .unwrap();
    let steps = solution.times.iter().zip(&solution.states);
    let error = |(&t, x): (&f64, &Tensor)| difference(x, &problem.solution(t).unwrap());
    steps.map(error).sum::<f64>() / n as f64
}

/// The largest error at places within the steps.
fn error_within(stepper: &dyn Stepper, problem: &impl Problem, n: usize) -> f64 {
    let x0 = problem.solution(0.0).unwrap();
    let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
    let solution = solver
        .integration(problem, &x0, 0.0, 1.0)
        .save(Save::Dense)
        .run()
        .unwrap();
    let at = |i: usize| (i as f64 + 0.5) / (7 * n) as f64;
    let error = |t: f64| difference(&solution.at(t).unwrap(), &problem.solution(t).unwrap());
    (0..7 * n).map(|i| error(at(i))).fold(0.0, f64::max)
}

/// A problem that runs through more of its time.
struct Faster<P>(P, f64);

impl<P: Problem> Field for Faster<P> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let Time::Shared(t) = t else {
            return self.0.at(t, x);
        };
        Ok((self.0.at(&Time::Shared(t * self.1), x)? * self.1)?)
    }
}

impl<P: Problem> Problem for Faster<P> {
    fn solution(&self, t: f64) -> Result<Tensor> {
        self.0.solution(t * self.1)
    }
}

/// Checks the measured orders on an autonomous linear and a non-autonomous nonlinear problem, and the
/// number of evaluations of n steps.
pub(crate) fn check(stepper: &dyn Stepper, order: usize, evaluations: usize, within: usize) {
    assert_eq!(stepper.order(), order as f64);
    let turn = Rotation { omega: 2.0 };
    // So many that the error is its leading term, so few that rounding is not seen.
    let counts = |order: usize| match order {
        1..=5 => [64, 96, 128, 192],
        6 => [24, 32, 48, 64],
        _ => [16, 20, 24, 32],
    };
    let fast = Faster(Forced, 4.0);
    let counts_fast = match order {
        5 => [256, 320, 384, 512],
        _ => counts(order),
    };
    let close = |what: &str, measured: f64, expected: usize| {
        let error = measured - expected as f64;
        assert!(
            error.abs() < 0.2,
            "{what}: order {measured}, not {expected}"
        );
    };
    close(
        "forced",
        measured_order(&counts_fast, |n| error(stepper, &fast, n)),
        order,
    );
    close(
        "within",
        measured_order(&counts(within), |n| error_within(stepper, &turn, n)),
        within,
    );
    close(
        "within",
        measured_order(&counts(within), |n| error_within(stepper, &Forced, n)),
        within,
    );
    if order <= 6 {
        close(
            "rotation",
            measured_order(&counts(order), |n| error(stepper, &turn, n)),
            order,
        );
    } else {
        // The next coefficient of Prince and Dormand's method is within 0.2 % of the exponential's.
        let faster = Faster(turn, 6.0);
        let measured = measured_order(&counts(order), |n| error(stepper, &faster, n));
        assert!(measured > order as f64 - 0.2, "rotation: order {measured}");
    }
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(stepper, Fixed::steps(10).unwrap());
    let count = |save: Save| {
        let solution = solver
            .integration(&Forced, &x0, 0.0, 1.0)
            .save(save)
            .run()
            .unwrap();
        solution.statistics.evaluations
    };
    // A reused last stage costs one evaluation once, and so does the slope at the end.
    for save in [Save::End, Save::Dense] {
        let count = count(save);
        assert!(
            (10 * evaluations..=10 * evaluations + 1).contains(&count),
            "{count} evaluations"
        );
    }
}

macro_rules! stepper_contract {
    ($stepper:ident, order = $order:literal, evaluations = $evaluations:literal, within = $within:literal) => {
        #[test]
        fn keeps_the_contract() {
            crate::stepper::contract::check(&$stepper, $order, $evaluations, $within);
        }
    };
}
pub(crate) use stepper_contract;
