//! The 25 problems of DETEST (Hull, Enright, Fellen and Sedgwick 1972), by class: evaluations, and errors at the end as multiples of the tolerance.
//!
//! `cargo run --release --example reproduce_detest`; `-- --digits 3,6` takes less time. Writes `detest.png`, errors against evaluations.
//!
//! Protocol: classes A (single equations), B (small systems), C (moderate systems), D (orbits of eccentricity 0.1 to 0.9) and E (of higher order),
//! five problems each, from t = 0 to 20 in f64; the tolerance, relative and absolute, is 10⁻³, 10⁻⁶ or 10⁻⁹. An error is the root mean square of
//! `(x − exact) / (1 + |exact|)` at the end, where "exact" is by the solver of order 8 at 10⁻¹³. Evaluations are summed over a class, as in the
//! paper; errors are the largest of a class. There is nothing random, hence one run. The paper's own methods are of its time, and its errors are those of steps: its
//! figures can't be laid beside these. torchdiffeq's dopri5 on the same problems, at the same tolerances, is.

mod torchdiffeq;

use std::path::PathBuf;

use advect::core::testing::detest::{Detest, END, problems};
use advect::prelude::*;
use advect::solvers::stepper::{Bosh3, Embedded};
use advect_examples::Table;
use advect_examples::plot::work_precision;
use clap::Parser;

/// Reproduce a table of DETEST.
#[derive(Parser)]
struct Args {
    /// Digits of the tolerances.
    #[arg(long, value_delimiter = ',', default_value = "3,6,9")]
    digits: Vec<i32>,
    /// Folder for the picture.
    #[arg(long, default_value = "out")]
    out: PathBuf,
}

const CLASSES: [char; 5] = ['A', 'B', 'C', 'D', 'E'];

/// What a method does on a problem.
struct Run {
    class: char,
    evaluations: usize,
    error: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    advect_examples::prepare_pictures(&args.out)?;
    let methods: [(&str, &dyn Embedded); 4] = [
        ("Bosh3", &Bosh3),
        ("Dopri5", &Dopri5),
        ("Tsit5", &Tsit5),
        ("Dopri8", &Dopri8),
    ];
    let problems = problems();
    let exact: Vec<Vec<f64>> = (problems.iter())
        .map(|problem| Ok(solve(&Dopri8, 1e-13, problem)?.0))
        .collect::<Result<_>>()?;
    let titles = ["tolerance", "method", "A", "B", "C", "D", "E", "all"];
    let mut evaluations = Table::new(titles);
    let mut errors = Table::new(titles);
    let mut curves: Vec<(&str, Vec<[f64; 2]>)> = Vec::new();
    for &digits in &args.digits {
        let tolerance = 10f64.powi(-digits);
        for (name, method) in methods {
            // Of order 3, more digits take millions of steps.
            if name == "Bosh3" && digits > 8 {
                continue;
            }
            let runs = problems.iter().zip(&exact).map(|(problem, exact)| {
                let (end, evaluations) = solve(method, tolerance, problem)?;
                Ok(Run {
                    class: problem.name.chars().next().unwrap_or('?'),
                    evaluations,
                    error: difference(&end, exact),
                })
            });
            let runs: Vec<Run> = runs.collect::<Result<_>>()?;
            let (mut of_calls, mut of_errors) = (Vec::new(), Vec::new());
            for class in CLASSES.map(Some).into_iter().chain([None]) {
                let inside = || {
                    runs.iter()
                        .filter(|run| class.is_none_or(|c| c == run.class))
                };
                of_calls.push(
                    inside()
                        .map(|run| run.evaluations)
                        .sum::<usize>()
                        .to_string(),
                );
                let largest = inside().map(|run| run.error).fold(0.0, f64::max);
                of_errors.push(format!("{:.2}", largest / tolerance));
            }
            let row = [format!("1e-{digits}"), name.to_string()];
            evaluations.row(row.iter().chain(&of_calls));
            errors.row(row.iter().chain(&of_errors));
            let point = mean(&runs);
            match curves.iter_mut().find(|(of, _)| *of == name) {
                Some((_, points)) => points.push(point),
                None => curves.push((name, vec![point])),
            }
        }
        if let Some((calls, multiples)) = torchdiffeq::figures(digits) {
            let row = [format!("1e-{digits}"), "torchdiffeq, dopri5".to_string()];
            evaluations.row(row.iter().cloned().chain(calls.map(|n| n.to_string())));
            errors.row(row.into_iter().chain(multiples.map(|n| n.to_string())));
        }
    }
    println!(
        "evaluations\n\n{evaluations}\nlargest error at the end, over the tolerance\n\n{errors}"
    );
    let picture = args.out.join("detest.png");
    let names = [
        "evaluations, geometric mean",
        "error at the end, geometric mean",
    ];
    work_precision(&picture, "the 25 problems of DETEST", names, &curves)?;
    println!("picture {}", picture.display());
    Ok(())
}

/// The state at the end, and the evaluations.
fn solve(method: &dyn Embedded, tolerance: f64, problem: &Detest) -> Result<(Vec<f64>, usize)> {
    let adaptive = Adaptive::new(tolerance, tolerance)?.max_steps(1_000_000)?;
    let solution = Solver::new(method, adaptive).solve(problem, &problem.start()?, 0.0, END)?;
    let end = solution.end()?.flatten_all()?.to_vec1::<f64>()?;
    Ok((end, solution.statistics.evaluations))
}

/// The root mean square of `(x − exact) / (1 + |exact|)`.
fn difference(x: &[f64], exact: &[f64]) -> f64 {
    let squares = x.iter().zip(exact);
    let squares = squares.map(|(x, exact)| ((x - exact) / (1.0 + exact.abs())).powi(2));
    (squares.sum::<f64>() / x.len() as f64).sqrt()
}

/// The geometric means of evaluations and errors.
fn mean(runs: &[Run]) -> [f64; 2] {
    let mean = |figure: &dyn Fn(&Run) -> f64| {
        let logarithms = runs.iter().map(|run| figure(run).max(1e-17).ln());
        (logarithms.sum::<f64>() / runs.len() as f64).exp()
    };
    [mean(&|run| run.evaluations as f64), mean(&|run| run.error)]
}
