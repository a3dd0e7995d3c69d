//! The errors that are made, against the tolerance asked, on the problems of DETEST (`golden/detest.py`).

use advect_core::observer_fn;
use advect_core::testing::detest::{Detest, END, problems};
use advect_solvers::controller::Adaptive;
use advect_solvers::stepper::{
    AdaptiveAdams, Bosh3, Dopri5, Dopri5Shampine, Dopri8, Embedded, Heun, Midpoint, Ralston, Tsit5,
};
use advect_solvers::{DenseStep, Solver};
use candle_core::Tensor;
use serde_json::Value;

fn adaptive(tolerance: f64) -> Adaptive {
    let adaptive = Adaptive::new(tolerance, tolerance).unwrap();
    adaptive.max_steps(10_000_000).unwrap()
}

fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

/// The root mean square of `(a − b) / (tolerance (1 + |b|))`.
fn error(a: &Tensor, b: &[f64], tolerance: f64) -> f64 {
    let scaled = |(a, b): (&f64, &f64)| ((a - b) / (tolerance * (1.0 + b.abs()))).powi(2);
    let a = values(a);
    (a.iter().zip(b).map(scaled).sum::<f64>() / a.len() as f64).sqrt()
}

static ADAMS: AdaptiveAdams = AdaptiveAdams::new();

/// Methods with the tolerances that are in their reach: those of order 2 need ten million evaluations at 1e-9.
fn runs() -> Vec<(&'static str, &'static dyn Embedded, &'static [f64])> {
    vec![
        ("Midpoint", &Midpoint, &[1e-3, 1e-6]),
        ("Heun", &Heun, &[1e-3, 1e-6]),
        ("Ralston", &Ralston, &[1e-3, 1e-6]),
        ("Bosh3", &Bosh3, &[1e-3, 1e-6, 1e-9]),
        ("Dopri5", &Dopri5, &[1e-3, 1e-6, 1e-9]),
        ("Dopri5Shampine", &Dopri5Shampine, &[1e-3, 1e-6, 1e-9]),
        ("Tsit5", &Tsit5, &[1e-3, 1e-6, 1e-9]),
        ("Dopri8", &Dopri8, &[1e-3, 1e-6, 1e-9]),
        ("AdaptiveAdams", &ADAMS, &[1e-3, 1e-4, 1e-6, 1e-9]),
    ]
}

/// Steps of a problem whose errors are looked at.
const LOOKED_AT: usize = 25;

/// The largest error of a step, of about [`LOOKED_AT`] of them, against very accurate ones from the same state.
fn step_error(method: &dyn Embedded, problem: &Detest, tolerance: f64) -> f64 {
    let start = problem.start().unwrap();
    let solver = Solver::new(method, adaptive(tolerance));
    let count = solver
        .solve(problem, &start, 0.0, END)
        .unwrap()
        .statistics
        .accepted;
    let fine = Solver::new(Dopri8, adaptive(1e-13));
    let (mut step, mut largest) = (0, 0f64);
    let observer = observer_fn(|piece: &DenseStep| -> advect_core::Result<()> {
        step += 1;
        if step % (count / LOOKED_AT).max(1) == 0 {
            let exact = fine
                .solve(problem, &piece.x, piece.start, piece.end)?
                .end()?;
            largest = largest.max(error(&piece.end_x, &values(&exact), tolerance));
        }
        Ok(())
    });
    let observed = solver
        .integration(problem, &start, 0.0, END)
        .observe_within(observer)
        .run();
    observed.unwrap().end().unwrap();
    largest
}

/// What error control promises, and the measure of DETEST: the error of each step is that of the tolerance, or less.
#[test]
fn errors_of_steps_are_within_the_tolerance() {
    for (name, method, tolerances) in runs() {
        for &tolerance in tolerances {
            let mut worst = ("", 0f64);
            for problem in problems() {
                let error = step_error(method, &problem, tolerance);
                if error > worst.1 {
                    worst = (problem.name, error);
                }
            }
            eprintln!(
                "{name} at {tolerance:e}: {:.2} tolerances, on {}",
                worst.1, worst.0
            );
            // At 1e-3 steps are so long that an estimate may miss an error now and then.
            let bound = if tolerance > 1e-4 { 60.0 } else { 10.0 };
            assert!(worst.1 < bound, "{name} at {tolerance:e}: {worst:?}");
        }
    }
}

/// Errors at the end are what the problem makes of those of the steps: orbits (D) let phases drift apart, B1 and B4 too.
#[test]
fn errors_at_the_end_follow_the_tolerance() {
    let golden: Value = serde_json::from_str(include_str!("golden/detest_scipy.json")).unwrap();
    for (name, method, tolerances) in runs() {
        for &tolerance in tolerances {
            let mut errors = Vec::new();
            let mut evaluations = 0;
            for problem in problems() {
                let solver = Solver::new(method, adaptive(tolerance));
                let solution = solver
                    .solve(&problem, &problem.start().unwrap(), 0.0, END)
                    .unwrap();
                evaluations += solution.statistics.evaluations;
                let exact = serde_json::from_value(golden["ends"][problem.name].clone()).unwrap();
                let exact: Vec<f64> = exact;
                errors.push(error(&solution.end().unwrap(), &exact, tolerance));
            }
            eprintln!("D: {:.0?}", &errors[15..20]);
            errors.sort_by(f64::total_cmp);
            let within = errors.iter().filter(|e| **e <= 10.0).count();
            let (median, largest) = (errors[12], errors[24]);
            eprintln!(
                "{name} at {tolerance:e}: {within} of 25 within 10 tolerances, median {median:.2}, largest {largest:.0}, \
                 {evaluations} evaluations"
            );
            eprintln!("the largest: {:.0?}", &errors[20..]);
            // About 3,200 and 2,400 on orbits (D), where VODE's Adams method has 1,154 and 726.
            let is_far = name == "AdaptiveAdams" && tolerance == 1e-4;
            let most = if is_far { 4e3 } else { 2e3 };
            assert!(
                within >= 14 && median < 10.0 && largest < most,
                "{name} at {tolerance:e}"
            );
        }
    }
}
