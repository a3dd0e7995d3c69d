//! Rows for the pictures of work and precision that `benches/work_precision.py --stiff` draws, and a problem that takes too
//! long for each run of the tests. Both are ignored, and run by `-- --ignored --nocapture`.

use std::time::Instant;

use crate::stiff_problems::*;
use advect_core::Time;
use advect_solvers::implicit::{
    ImplicitRungeKutta, Kvaerno3, Kvaerno5, Matrices, RadauIia5, Rodas5P, Rosenbrock, jacobian_fn,
};
use advect_solvers::stepper::Embedded;
use advect_solvers::{Solver, controller::Adaptive};

#[test]
#[ignore = "prints figures, which benches/work_precision.py reads"]
fn work_precision_rows() {
    let methods: [(&str, &dyn Embedded); 4] = [
        ("Kvaerno3", &Kvaerno3),
        ("Kvaerno5", &Kvaerno5),
        ("RadauIia5", &RadauIia5),
        ("Rodas5P", &Rodas5P.by_differences()),
    ];
    for (method, stepper) in methods {
        for digits in 3..=8 {
            for problem in [VDPOL_THOUSAND, ROBERTSON, HIRES, OREGO] {
                let tolerance = 10f64.powi(-digits);
                let adaptive = Adaptive::new(tolerance, tolerance * problem.absolute).unwrap();
                let solver = Solver::new(stepper, adaptive);
                let run = || {
                    let begun = Instant::now();
                    let solution =
                        solver.solve(&problem.field(), &problem.initial(), 0.0, problem.end);
                    (begun.elapsed().as_secs_f64(), solution.unwrap())
                };
                let mut runs = [run(), run(), run()];
                runs.sort_by(|a, b| a.0.total_cmp(&b.0));
                let (seconds, solution) = &runs[1];
                let end = solution.end().unwrap().flatten_all().unwrap();
                let (end, name) = (end.to_vec1::<f64>().unwrap(), problem.name);
                let evaluations = solution.statistics.evaluations;
                println!(
                    r#"
{{"library": "advect", "method": "{method}", "tolerance": {tolerance:e}, "problem": "{name}", "evaluations": {evaluations}, "seconds": {seconds:e}, "end": {end:?}}}"#
                );
            }
        }
    }
}

/// Tens of thousands of steps, with the exact Jacobian of the recorded equations.
#[test]
#[ignore = "takes most of a minute; run every night"]
fn ring_modulator_is_solved() {
    let field = ring_modulator::field();
    let jacobian = |t: &Time, x: &[f64; 15]| Ok(Matrices::one(field.jacobian_of_numbers(t, x)?));
    for (tolerance, worst) in [(1e-5, 4e3), (1e-7, 4e3)] {
        let adaptive = Adaptive::new(tolerance, tolerance * 1e-2)
            .unwrap()
            .max_steps(1_000_000)
            .unwrap();
        let solver = Solver::new(Kvaerno5.with_jacobian(jacobian_fn(jacobian)), adaptive);
        let solution = solver
            .solve(&field, &[0f64; 15], 0.0, ring_modulator::END)
            .unwrap();
        let pairs = solution
            .end()
            .unwrap()
            .into_iter()
            .zip(ring_modulator::SOLUTION);
        let error = pairs.map(|(x, y)| (x / y - 1.0).abs()).fold(0.0, f64::max) / tolerance;
        println!(
            "{tolerance:e}: {:?}, error {error:.2} tolerances",
            solution.statistics
        );
        assert!(error < worst, "{error}");
    }
}
