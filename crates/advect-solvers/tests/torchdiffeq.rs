//! Against torchdiffeq 0.2.5 (`golden/ode_torchdiffeq.json`; its "rk4" is the 3/8 rule).

use crate::golden_problems::{expected, numbers, problem, rows, start, text};
use advect_core::testing::assert_close;
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{
    Bosh3, Dopri5Shampine, Dopri8, Embedded, EmbeddedRungeKutta, Euler, Heun, Midpoint,
    Rk4ThreeEighths, RungeKutta, Stepper,
};
use advect_solvers::{Interpolant, Save, Solver, Tableau};
use candle_core::Tensor;
use serde_json::Value;

fn golden() -> Vec<Value> {
    rows(include_str!("golden/ode_torchdiffeq.json"))
}

#[test]
fn fixed_steps_agree_to_rounding() {
    let mut compared = 0;
    for row in golden().iter().filter(|row| !row["step"].is_null()) {
        let stepper: Box<dyn Stepper> = match text(row, "method") {
            "euler" => Box::new(Euler),
            "midpoint" => Box::new(Midpoint),
            "heun2" => Box::new(Heun),
            "rk4" => Box::new(Rk4ThreeEighths),
            other => panic!("{other}"),
        };
        let fixed = Fixed::size(row["step"].as_f64().unwrap()).unwrap();
        let ts = numbers(row, "ts");
        let solver = Solver::new(&*stepper, fixed);
        let solution = solver
            .integration(&*problem(row), &start(row), ts[0], ts[ts.len() - 1])
            .save(Save::At(ts.clone()))
            .run()
            .unwrap();
        let states = Tensor::cat(&solution.states, 0).unwrap();
        assert_close(&states, &expected(row), 1e-9, 1e-12);
        let evaluations = row["nfe"].as_u64().unwrap() as usize;
        assert_eq!(solution.statistics.evaluations, evaluations, "{row}");
        compared += 1;
    }
    assert_eq!(compared, 24);
}

/// torchdiffeq's Bogacki–Shampine method: a quartic through a middle that is exact to order 1 only.
struct QuarticBosh3;

impl RungeKutta for QuarticBosh3 {
    const TABLEAU: Tableau =
        Bosh3::TABLEAU.with_interpolant(1, Interpolant::Quartic(&[0.0, 0.5, 0.0, 0.0]));
}

impl EmbeddedRungeKutta for QuarticBosh3 {}

/// torchdiffeq's Dopri8: a quartic through the middle that the method's own interpolant has.
struct QuarticDopri8;

const MIDDLE: [f64; 14] = {
    let mut middle = [0.0; 14];
    if let Interpolant::Stages(polynomials) = Dopri8::TABLEAU.interpolant() {
        let mut i = 0;
        while i < 14 {
            let mut j = polynomials[i].len();
            while j > 0 {
                middle[i] = 0.5 * (middle[i] + polynomials[i][j - 1]);
                j -= 1;
            }
            i += 1;
        }
    }
    middle
};

impl RungeKutta for QuarticDopri8 {
    const TABLEAU: Tableau = Dopri8::TABLEAU.with_interpolant(4, Interpolant::Quartic(&MIDDLE));
}

impl EmbeddedRungeKutta for QuarticDopri8 {}

/// With steps that go beyond the end, the same pairs and the same interpolants: the same steps.
#[test]
fn adaptive_steps_are_the_same() {
    let (mut compared, mut close) = (0, 0);
    for row in golden().iter().filter(|row| row["step"].is_null()) {
        let stepper: Box<dyn Embedded> = match text(row, "method") {
            "bosh3" => Box::new(QuarticBosh3),
            "dopri5" => Box::new(Dopri5Shampine),
            "dopri8" => Box::new(QuarticDopri8),
            other => panic!("{other}"),
        };
        let tolerance = row["rtol"].as_f64().unwrap();
        let adaptive = Adaptive::new(tolerance, tolerance).unwrap().overstep();
        let ts = numbers(row, "ts");
        let solver = Solver::new(&*stepper, adaptive);
        let solution = solver
            .integration(&*problem(row), &start(row), ts[0], ts[ts.len() - 1])
            .save(Save::Interpolated(ts.clone()))
            .run()
            .unwrap();
        let evaluations = row["nfe"].as_u64().unwrap() as usize;
        assert_eq!(solution.statistics.evaluations, evaluations, "{row}");
        let states = Tensor::cat(&solution.states, 0).unwrap();
        // On smooth problems the first error estimate of Dopri8 is rounding, of which the later steps are made: the
        // states then differ by as much as the quartic is wrong.
        let smooth = text(row, "method") == "dopri8" && text(row, "problem") != "van_der_pol";
        let tolerance = if smooth { 3e-6 } else { 1e-9 };
        assert_close(&states, &expected(row), tolerance, tolerance);
        close += usize::from(
            (states - expected(row))
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap()
                < 1e-10,
        );
        compared += 1;
    }
    assert_eq!(compared, 54);
    assert!(close >= 42, "{close} within 1e-10");
}
