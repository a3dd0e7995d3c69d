//! Against torchdiffeq 0.2.5 (`golden/ode_torchdiffeq.json`; its "rk4" is the 3/8 rule, and its
//! adaptive methods interpolate where ours end a step).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use advect_core::testing::assert_close;
use advect_core::{Field, Result, Time};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri5, Euler, Heun, Midpoint, Rk4ThreeEighths, Stepper};
use advect_solvers::{Save, Solution, Solver};
use candle_core::{Device, Tensor};
use serde_json::Value;

/// Two-dimensional problems are given as `f(x, y)`, on a state of shape (1, 2).
fn planar(f: fn(f64, f64) -> [f64; 2]) -> impl Field {
    move |_: &Time, x: &Tensor| -> Result<Tensor> {
        let v = x.flatten_all()?.to_vec1::<f64>()?;
        Ok(Tensor::new(&[f(v[0], v[1])], x.device())?)
    }
}

fn problem(name: &str) -> Box<dyn Field> {
    match name {
        "decay" | "backward_decay" => Box::new(|_: &Time, x: &Tensor| Ok(x.neg()?)),
        "rotation" => Box::new(planar(|x, y| [2.0 * y, -2.0 * x])),
        "forced" => Box::new(|t: &Time, x: &Tensor| t.coefficient(f64::cos)?.times(x)),
        "lotka_volterra" => Box::new(planar(|a, b| [1.5 * a - a * b, -3.0 * b + a * b])),
        "van_der_pol" => Box::new(planar(|x, v| [v, 5.0 * (1.0 - x * x) * v - x])),
        other => panic!("unknown problem {other}"),
    }
}

fn solve(row: &Value) -> Option<Solution> {
    let numbers = |v: &Value| serde_json::from_value::<Vec<f64>>(v.clone()).unwrap();
    let field = problem(row["problem"].as_str().unwrap());
    let (y0, ts) = (numbers(&row["y0"]), numbers(&row["ts"]));
    let y0 = Tensor::from_slice(&y0, (1, y0.len()), &Device::Cpu).unwrap();
    let (start, end) = (ts[0], ts[ts.len() - 1]);
    let save = Save::At(ts);
    let stepper: Box<dyn Stepper> = match row["method"].as_str().unwrap() {
        "euler" => Box::new(Euler),
        "midpoint" => Box::new(Midpoint),
        "heun2" => Box::new(Heun),
        "rk4" => Box::new(Rk4ThreeEighths),
        "dopri5" => {
            let tolerance = row["rtol"].as_f64().unwrap();
            let adaptive = Adaptive::new(tolerance, tolerance).unwrap();
            let solver = Solver::new(Dopri5, adaptive).save(save);
            return Some(solver.solve(&*field, &y0, start, end).unwrap());
        }
        _ => return None,
    };
    let fixed = Fixed::size(row["step"].as_f64().unwrap()).unwrap();
    let solver = Solver::new(&*stepper, fixed).save(save);
    Some(solver.solve(&*field, &y0, start, end).unwrap())
}

fn golden() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("golden/ode_torchdiffeq.json")).unwrap();
    golden["rows"].as_array().unwrap().clone()
}

fn expected(row: &Value) -> Tensor {
    let ys: Vec<Vec<f64>> = serde_json::from_value(row["ys"].clone()).unwrap();
    Tensor::new(ys, &Device::Cpu).unwrap()
}

#[test]
fn fixed_steps_agree_to_rounding() {
    let mut compared = 0;
    for row in golden().iter().filter(|row| !row["step"].is_null()) {
        let Some(solution) = solve(row) else { continue };
        let states = Tensor::cat(&solution.states, 0).unwrap();
        assert_close(&states, &expected(row), 1e-9, 1e-12);
        let evaluations = row["nfe"].as_u64().unwrap() as usize;
        assert_eq!(
            solution.statistics.evaluations, evaluations,
            "{}",
            row["problem"]
        );
        compared += 1;
    }
    assert_eq!(compared, 24);
}

#[test]
fn dopri5_agrees_to_the_tolerance() {
    let mut compared = 0;
    for row in golden().iter().filter(|row| row["method"] == "dopri5") {
        let Some(solution) = solve(row) else { continue };
        let states = Tensor::cat(&solution.states, 0).unwrap();
        // Errors of a step add up; the oscillators amplify them.
        let tolerance = 100.0 * row["rtol"].as_f64().unwrap();
        assert_close(&states, &expected(row), tolerance, tolerance);
        // Steps that end at the saved times cost at most one more step each.
        let (ours, theirs) = (
            solution.statistics.evaluations,
            row["nfe"].as_u64().unwrap() as usize,
        );
        assert!(
            ours <= theirs + theirs / 10 + 18,
            "{}: {ours}, {theirs}",
            row["problem"]
        );
        compared += 1;
    }
    assert_eq!(compared, 18);
}
