//! Deterministic samplers converge to the probability flow, at their orders, on every path.

use crate::common::rules::{Row, rows};
use crate::common::{from_state, log_snr_times, mixture, paths, states};
use advect_core::Key;
use advect_core::testing::measured_order;
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::schedule::VariancePreserving;
use advect_samplers::grid::GivenTimes;
use advect_samplers::rule::{DpmSolver, Rule};
use advect_samplers::{AnyModel, Level, Model, ProbabilityFlow, Run, Sampler};
use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri8};
use candle_core::Tensor;

/// Where the flow leads, from the first time to the last.
fn exact(model: &dyn AnyModel, x: &Tensor, start: f64, end: f64) -> Tensor {
    let solver = Solver::new(Dopri8, Adaptive::new(1e-12, 1e-12).unwrap());
    let flow = ProbabilityFlow::new(solver).within(start, end).unwrap();
    flow.run(&mut Run::new(model, Key::from_seed(0)), x)
        .unwrap()
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let mean = (a - b).unwrap().sqr().unwrap().mean_all().unwrap();
    mean.to_scalar::<f64>().unwrap().sqrt()
}

#[test]
fn rules_converge_at_their_orders_on_every_path() {
    let law = mixture();
    for (path, schedule) in paths() {
        let field = law.field(Prediction::Noise, &schedule);
        let model = Model::new(&field, Prediction::Noise, &schedule);
        let (from, to) = (49.0, 0.1);
        let ends = log_snr_times(&schedule, 1, from, to);
        let x = states(&law, &Level::at(&schedule, ends[0]), 32, 0).unwrap();
        let truth = exact(&model, &x, ends[0], ends[1]);
        for Row {
            name,
            order,
            on_times,
            ..
        } in rows()
        {
            let Some((order, counts)) = order else {
                continue;
            };
            let error = |steps: usize| {
                let times = log_snr_times(&schedule, steps, from, to);
                let end = from_state(&*on_times(&times), &model, &x, 0);
                distance(&end.unwrap(), &truth)
            };
            let measured = measured_order(&counts, error);
            println!("{path:15} {name:28} {order} {measured:.2}");
            assert!((measured - order).abs() < 0.2, "{path}, {name}: {measured}");
        }
    }
}

/// What is in use as "3M" has half of the second derivative.
#[test]
fn a_third_order_is_worth_its_name() {
    let law = mixture();
    let schedule = VariancePreserving::default();
    let field = law.field(Prediction::Data, &schedule);
    let model = Model::new(&field, Prediction::Data, &schedule);
    let times = log_snr_times(&schedule, 160, 49.0, 0.1);
    let x = states(&law, &Level::at(&schedule, times[0]), 32, 1).unwrap();
    let truth = exact(&model, &x, times[0], times[160]);
    let error = |rule: DpmSolver| {
        let sampler = rule.on(GivenTimes::new(&times).unwrap());
        let end = from_state(&sampler, &model, &x, 0);
        distance(&end.unwrap(), &truth)
    };
    let ours = error(DpmSolver::order(3).unwrap());
    let customary = error(DpmSolver::customary_third_order());
    println!("{ours:.1e} {customary:.1e}");
    assert!(10.0 * ours < customary, "{ours} {customary}");
}
