//! The evaluations that methods need and the errors that they achieve on the problems of DETEST, as rows of JSON.
//!
//! `cargo run --release --example work_precision`; `benches/work_precision.py` draws them beside torchdiffeq's.

use advect::core::testing::detest::{END, problems};
use advect::prelude::*;
use advect::solvers::stepper::{Bosh3, Dopri5Shampine, Embedded};

fn main() -> Result<()> {
    let methods: [(&str, &dyn Embedded); 5] = [
        ("Bosh3", &Bosh3),
        ("Dopri5", &Dopri5),
        ("Dopri5Shampine", &Dopri5Shampine),
        ("Tsit5", &Tsit5),
        ("Dopri8", &Dopri8),
    ];
    for (name, method) in methods {
        for digits in 3..=10 {
            // Of order 3, more digits take millions of steps.
            if name == "Bosh3" && digits > 8 {
                continue;
            }
            let tolerance = 10f64.powi(-digits);
            let adaptive = Adaptive::new(tolerance, tolerance)?.max_steps(1_000_000)?;
            let solver = Solver::new(method, adaptive);
            for problem in problems() {
                let solution = solver.solve(&problem, &problem.start()?, 0.0, END)?;
                let end = solution.end()?.flatten_all()?.to_vec1::<f64>()?;
                let (problem, evaluations) = (problem.name, solution.statistics.evaluations);
                println!(
                    r#"{{"library": "advect", "method": "{name}", "tolerance": {tolerance:e}, "problem": "{problem}", "evaluations": {evaluations}, "end": {end:?}}}"#
                );
            }
        }
    }
    Ok(())
}
