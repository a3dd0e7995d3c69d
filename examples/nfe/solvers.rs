//! Errors of four solvers against the evaluations that they take.

use advect::prelude::*;
use advect::solvers::stepper::Stepper;

use crate::{END, Outcome};

/// Evaluations of the methods with equal steps.
const BUDGETS: [usize; 5] = [4, 8, 16, 32, 64];
/// Tolerances of the adaptive method.
const TOLERANCES: [f64; 4] = [1e-1, 1e-2, 1e-3, 1e-4];

/// A solver's evaluations, and how far its samples are from those of a solution without error: root mean squares.
pub(crate) struct Errors {
    pub(crate) solver: &'static str,
    pub(crate) points: Vec<(usize, f64)>,
}

/// Solves with each of the solvers from noise to samples.
pub(crate) fn errors(velocity: &impl Field, noise: &Tensor, exact: &Tensor) -> Result<Vec<Errors>> {
    let distance = |x: &Tensor| -> Result<f64> {
        let squares = (x - exact)?.sqr()?.mean_all()?.to_dtype(DType::F64)?;
        Ok((2.0 * squares.to_scalar::<f64>()?).sqrt())
    };
    let mut all = vec![
        of_steps("Euler", Euler, 1, velocity, noise, &distance)?,
        of_steps("midpoint", Midpoint, 2, velocity, noise, &distance)?,
        of_steps("RK4", Rk4, 4, velocity, noise, &distance)?,
    ];
    let mut points = Vec::new();
    for tolerance in TOLERANCES {
        let solver = Solver::new(Dopri5, Adaptive::new(tolerance, tolerance)?);
        let solution = solver.solve(velocity, noise, 0.0, END)?;
        points.push((solution.statistics.evaluations, distance(&solution.end()?)?));
    }
    let solver = "Dopri5";
    all.push(Errors { solver, points });
    Ok(all)
}

/// A method with equal steps, within each budget.
fn of_steps<S: Stepper + Clone>(
    solver: &'static str,
    stepper: S,
    each: usize,
    velocity: &impl Field,
    noise: &Tensor,
    distance: &impl Fn(&Tensor) -> Result<f64>,
) -> Result<Errors> {
    let mut points = Vec::new();
    for budget in BUDGETS {
        let steps = Fixed::steps(budget / each)?;
        let solution = Solver::new(stepper.clone(), steps).solve(velocity, noise, 0.0, END)?;
        points.push((budget, distance(&solution.end()?)?));
    }
    Ok(Errors { solver, points })
}

/// Prints the quality against training steps, and the errors against evaluations.
pub(crate) fn print(outcomes: &[Outcome]) {
    let cells = |cells: &mut dyn Iterator<Item = String>| -> String {
        cells.map(|cell| format!("{cell:>9}")).collect()
    };
    println!("energy distance after steps");
    if let Some(first) = outcomes.first() {
        let mut steps = first.quality.iter().map(|(step, _)| step.to_string());
        println!("{:<20}{}", "", cells(&mut steps));
    }
    for outcome in outcomes {
        let mut distances = outcome.quality.iter().map(|(_, d)| format!("{d:.4}"));
        println!("{:<20}{}", outcome.name, cells(&mut distances));
    }
    println!("error of samples with so many evaluations");
    println!(
        "{:<31}{}",
        "",
        cells(&mut BUDGETS.iter().map(usize::to_string))
    );
    for outcome in outcomes {
        for errors in &outcome.errors {
            let label = format!("{:<20}{:<11}", outcome.name, errors.solver);
            let fixed = errors.solver != "Dopri5";
            let mut told = errors
                .points
                .iter()
                .map(|(evaluations, error)| match fixed {
                    true => format!("{error:.4}"),
                    false => format!("  {evaluations}: {error:.4}"),
                });
            println!("{label}{}", cells(&mut told));
        }
    }
}
