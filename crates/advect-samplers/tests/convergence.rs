//! Deterministic samplers converge to the probability flow, at their orders, on every path.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use advect_core::Key;
use advect_core::testing::measured_order;
use advect_paths::Prediction;
use advect_paths::closed_form::Law;
use advect_paths::schedule::VariancePreserving;
use advect_samplers::diffusion::ForwardDiffusion;
use advect_samplers::grid::GivenTimes;
use advect_samplers::rule::{Ddim, DpmSolver, Edm, Plms, ReverseSde, Rule, SdeMethod, UniPc};
use advect_samplers::{AnyModel, Level, Model, ProbabilityFlow, Run, Sampler};
use advect_solvers::{Solver, controller::Adaptive, stepper::Dopri8};
use candle_core::Tensor;
use common::{from_state, log_snr_times, mixture, paths, states};

type OnTimes = Box<dyn Fn(&[f64]) -> Box<dyn Sampler>>;

fn rule<R: Rule + Copy + 'static>(rule: R) -> OnTimes {
    Box::new(move |times| Box::new(rule.on(GivenTimes::new(times).unwrap())))
}

fn rules() -> Vec<(&'static str, f64, OnTimes)> {
    let dpm = |order| DpmSolver::order(order).unwrap();
    let still = ReverseSde::new(ForwardDiffusion::new(0.0).unwrap());
    vec![
        ("DDIM", 1.0, rule(Ddim::new())),
        ("EDM Euler", 1.0, rule(Edm::euler())),
        ("EDM Heun", 2.0, rule(Edm::heun())),
        ("DPM-Solver++ 1", 1.0, rule(dpm(1))),
        ("DPM-Solver++ 2M", 2.0, rule(dpm(2))),
        ("DPM-Solver++ 3M", 3.0, rule(dpm(3))),
        (
            "DPM-Solver++ 3M, customary",
            2.0,
            rule(DpmSolver::customary_third_order()),
        ),
        ("UniPC 1", 2.0, rule(UniPc::order(1).unwrap())),
        ("UniPC 2", 3.0, rule(UniPc::order(2).unwrap())),
        ("UniPC 3", 4.0, rule(UniPc::order(3).unwrap())),
        ("PLMS", 2.0, rule(Plms)),
        ("Euler", 1.0, rule(still)),
        ("Heun", 2.0, rule(still.method(SdeMethod::Heun))),
    ]
}

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
        for (name, order, on) in rules() {
            let error = |steps: usize| {
                let times = log_snr_times(&schedule, steps, from, to);
                let end = from_state(&*on(&times), &model, &x, 0);
                distance(&end.unwrap(), &truth)
            };
            // With far more steps, the first ones, of lower order, are all that is left of the error.
            let counts = match name {
                "UniPC 3" => [320, 640],
                _ => [160, 320],
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
