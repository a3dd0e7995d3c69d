//! Adams methods of adaptive order.

use advect_core::testing::detest::{END, problems};
use advect_core::testing::problems::{Forced, Problem, Rotation};
use advect_core::testing::{device, measured_order};
use advect_core::{Field, Result, Time, field_fn, system_fn};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{AdaptiveAdams, Euler, Memory, Method, Step, Stepper};
use advect_solvers::{DenseStep, Event, Interval, Save, Solver, Status};
use candle_core::{DType, Tensor};
use serde_json::Value;

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

fn solver(tolerance: f64) -> Solver<AdaptiveAdams, Adaptive> {
    Solver::new(AdaptiveAdams::new(), adaptive(tolerance))
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    difference.to_scalar().unwrap()
}

fn number(x: &Tensor) -> f64 {
    x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
}

/// `dx/dt = g(t)`.
fn of_time(g: impl Fn(f64) -> f64) -> impl Field {
    field_fn(move |t, x: &Tensor| t.coefficient(&g)?.times(&x.ones_like()?))
}

/// Equal steps, each from the problem's solution: those of the longest past.
fn exact_steps(
    method: AdaptiveAdams,
    problem: &impl Problem,
    (from, h, count): (f64, f64, usize),
) -> Vec<(f64, Step)> {
    let mut memory = Memory::default();
    let step = |i: usize| {
        let at = |i: usize| from + i as f64 * h;
        let (start, end) = (at(i), at(i + 1));
        let x = problem.solution(start).unwrap();
        let interval = Interval::Shared { start, end };
        let step = method.step_with(&mut memory, problem, &interval, &x, None);
        (end, step.unwrap())
    };
    (0..count).map(step).collect()
}

/// One more with each step, up to the highest, and high where the solution is smooth.
#[test]
fn orders_climb() {
    let turn = Rotation { omega: 1.0 };
    for highest in [2, 5, 13] {
        let method = AdaptiveAdams::up_to(highest).unwrap();
        let steps = exact_steps(method, &turn, (0.0, 0.1, 40));
        // A step has a slope for each order.
        let orders: Vec<usize> = steps.iter().map(|(_, step)| step.slopes.len()).collect();
        let climbing = highest.min(7);
        assert!(
            (2..=climbing).eq(orders[..climbing - 1].iter().copied()),
            "{orders:?}"
        );
        assert!(orders.iter().all(|order| *order <= highest), "{orders:?}");
        assert!(
            orders[15..].iter().all(|order| *order >= climbing),
            "{orders:?}"
        );
    }
    // Where it is not, they fall: by the 30th step the slope has a corner.
    let corner = of_time(|t| (t - 3.0).abs());
    let mut memory = Memory::default();
    let mut x = Tensor::new(&[0f64], device()).unwrap();
    let mut orders = Vec::new();
    for i in 0..36 {
        let (start, end) = (0.11 * f64::from(i), 0.11 * f64::from(i + 1));
        let interval = Interval::Shared { start, end };
        let step = AdaptiveAdams::new().step_with(&mut memory, &corner, &interval, &x, None);
        let step = step.unwrap();
        orders.push(step.slopes.len());
        x = step.x;
    }
    assert!(orders[30..].iter().min() <= Some(&3), "{orders:?}");
}

/// From a past of exact slopes the error of a step of order p is O(h^(p + 1)).
#[test]
fn steps_and_dense_output_have_their_order() {
    let turn = Rotation { omega: 1.0 };
    for order in 2..=7 {
        let method = AdaptiveAdams::up_to(order).unwrap();
        let error = |n: usize| {
            let h = 4.0 / n as f64;
            let from = 1.0 - order as f64 * h;
            let (end, step) = exact_steps(method, &turn, (from, h, order)).pop().unwrap();
            assert_eq!(step.slopes.len(), order);
            difference(&step.x, &turn.solution(end).unwrap())
        };
        let measured = measured_order(&[16, 24, 32, 48], error);
        assert!(
            (measured - order as f64 - 1.0).abs() < 0.25,
            "{measured}, not {order} + 1"
        );
    }
    // The states that an integration shows within its steps are as exact as those at the ends.
    for (from, to) in [(0.0, 20.0), (20.0, 0.0)] {
        let x = turn.solution(from).unwrap();
        let solver = solver(1e-8);
        let solution = solver
            .integration(&turn, &x, from, to)
            .save(Save::Dense)
            .run();
        let solution = solution.unwrap();
        let error = |t: f64| difference(&solution.at(t).unwrap(), &turn.solution(t).unwrap());
        let ends = solution
            .steps
            .iter()
            .map(|step: &DenseStep| error(step.end));
        let ends = ends.fold(0.0, f64::max);
        let within = (1..2000)
            .map(|i| error(f64::from(i) * 0.01))
            .fold(0.0, f64::max);
        assert!(within < 1.2 * ends && ends < 2e-7, "{within}, {ends}");
        // Without a jump at the ends of the steps.
        for step in &solution.steps {
            let before = step.at(step.end - 1e-9 * (step.end - step.start)).unwrap();
            assert!(difference(&before, &step.end_x) < 1e-8);
        }
        let times: Vec<f64> = (0..=10)
            .map(|i| from + (to - from) * f64::from(i) / 10.0)
            .collect();
        let cost = solution.statistics.evaluations;
        let run = solver
            .integration(&turn, &x, from, to)
            .save(Save::Interpolated(times));
        let solution = run.run().unwrap();
        assert_eq!(
            (solution.states.len(), solution.statistics.evaluations),
            (11, cost)
        );
        for (t, x) in solution.times.iter().zip(&solution.states) {
            assert!(difference(x, &turn.solution(*t).unwrap()) < 2e-7);
        }
    }
}

/// Steps of order p integrate polynomials of degree p − 1 without error.
#[test]
fn polynomials_are_exact() {
    let power = of_time(|t| 6.0 * t.powi(5));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let fixed = Solver::new(AdaptiveAdams::new(), Fixed::steps(20).unwrap());
    let run = fixed.integration(&power, &x, 0.0, 1.0).save(Save::Every(1));
    let solution = run.run().unwrap();
    for i in 6..20 {
        let change = number(&solution.states[i + 1]) - number(&solution.states[i]);
        let expected = solution.times[i + 1].powi(6) - solution.times[i].powi(6);
        assert!(
            (change - expected).abs() < 1e-14,
            "{i}: {change}, {expected}"
        );
    }
}

/// Two evaluations per step and one for each more try, beside two for the first step size; the tolerance is met in f64 and
/// f32, for numbers, tensors and pairs, and in both directions.
#[test]
fn tolerances_are_met_at_two_evaluations_per_step() {
    for (problem, tolerance) in [
        (Rotation { omega: 2.0 }, 1e-6),
        (Rotation { omega: 2.0 }, 1e-11),
    ] {
        for (from, to) in [(0.0, 10.0), (10.0, 0.0)] {
            let x = problem.solution(from).unwrap();
            let solution = solver(tolerance).solve(&problem, &x, from, to).unwrap();
            let error = difference(&solution.end().unwrap(), &problem.solution(to).unwrap());
            assert!(error < 50.0 * tolerance, "{error}");
            let s = solution.statistics;
            assert_eq!(s.evaluations, 2 * s.accepted + s.rejected + 1, "{s:?}");
        }
    }
    let x = Forced.solution(0.0).unwrap().to_dtype(DType::F32).unwrap();
    let end = solver(1e-5)
        .solve(&Forced, &x, 0.0, 1.0)
        .unwrap()
        .end()
        .unwrap();
    let error = difference(
        &end.to_dtype(DType::F64).unwrap(),
        &Forced.solution(1.0).unwrap(),
    );
    assert!(error < 1e-4, "{error}");
    let pendulum = system_fn(|_: &Time, [q, p]: &[f64; 2]| Ok([*p, -q.sin()]));
    let [q, p] = solver(1e-10)
        .solve(&pendulum, &[0.5, 0.0], 0.0, 10.0)
        .unwrap()
        .end()
        .unwrap();
    assert!((0.5 * p * p - q.cos() + 0.5f64.cos()).abs() < 1e-8);
    let pair = system_fn(|_: &Time, (a, b): &(Tensor, Tensor)| Ok((b.clone(), a.neg()?)));
    let start = (
        Tensor::zeros((2, 3, 1), DType::F64, device()).unwrap(),
        Tensor::ones((2, 3, 1), DType::F64, device()).unwrap(),
    );
    let (a, b) = solver(1e-9)
        .solve(&pair, &start, 0.0, 3.0)
        .unwrap()
        .end()
        .unwrap();
    assert!((number(&a) - 3f64.sin()).abs() < 1e-7 && (number(&b) - 3f64.cos()).abs() < 1e-7);
}

/// The past ends where the field jumps and where an event changes the state; events are found within the tolerance.
#[test]
fn jumps_and_events_begin_anew() {
    let x = Tensor::new(&[0f64], device()).unwrap();
    let field = of_time(|t| if t < 1.0 { t.cos() } else { -2.0 });
    let run = |jumps: &[f64]| {
        let solver = solver(1e-9);
        let integration = solver.integration(&field, &x, 0.0, 2.0);
        integration.jumps(jumps).unwrap().run().unwrap()
    };
    let (with, without) = (run(&[1.0]), run(&[]));
    let exact = 1f64.sin() - 2.0;
    assert!((number(&with.end().unwrap()) - exact).abs() < 1e-8);
    assert!((number(&without.end().unwrap()) - exact).abs() < 1e-6);
    let (with, without) = (with.statistics, without.statistics);
    assert!(
        with.evaluations < without.evaluations,
        "{with:?}, {without:?}"
    );

    let growth = field_fn(|_, x: &Tensor| Ok(x.clone()));
    let one = x.ones_like().unwrap();
    let doubled = Event::new(|_, x: &Tensor| Ok(number(x) - 2.0));
    let solver = solver(1e-9);
    let run = solver.integration(&growth, &one, 0.0, 2.0);
    let solution = run
        .apply(&doubled, |_, x| Ok(x.ones_like()?))
        .run()
        .unwrap();
    assert_eq!(solution.events.len(), 2);
    assert!((solution.events[1].t - 2.0 * 2f64.ln()).abs() < 1e-8);
    let exact = (2.0 - 2.0 * 2f64.ln()).exp();
    assert!((number(&solution.end().unwrap()) - exact).abs() < 1e-7);
    // What is only looked at changes nothing.
    let plain = solver
        .solve(&growth, &one, 0.0, 2.0)
        .unwrap()
        .end()
        .unwrap();
    let run = solver.integration(&growth, &one, 0.0, 2.0).watch(&doubled);
    assert_eq!(number(&run.run().unwrap().end().unwrap()), number(&plain));
    let run = solver.integration(&growth, &one, 0.0, 2.0).until(&doubled);
    let stopped = run.run().unwrap();
    assert_eq!(stopped.status, Status::Event);
    assert!((stopped.last_time - 2f64.ln()).abs() < 1e-8);
    // States at given times, some of them next to each other, cost no accuracy.
    let times = vec![0.1, 0.1 + 1e-9, 0.5, 0.5 + 1e-6, 1.9];
    let run = solver
        .integration(&growth, &one, 0.0, 2.0)
        .save(Save::At(times.clone()));
    let solution = run.run().unwrap();
    for (t, x) in times.iter().zip(&solution.states) {
        assert!((number(x) - t.exp()).abs() < 1e-7);
    }
    assert!((number(&solution.last_state) - 2f64.exp()).abs() < 1e-7);
}

/// Evaluations beside those of VODE's and LSODA's Adams methods at equal errors (`golden/multistep.py`).
#[test]
fn evaluations_are_fewer_than_those_of_vode_and_lsoda() {
    let golden: Value = serde_json::from_str(include_str!("golden/detest_multistep.json")).unwrap();
    let exact: Value = serde_json::from_str(include_str!("golden/detest_scipy.json")).unwrap();
    let mut logarithms = vec![Vec::new(); 2];
    for problem in problems() {
        let values = &exact["ends"][problem.name];
        let exact: Vec<f64> = serde_json::from_value(values.clone()).unwrap();
        for tolerance in [1e-4, 1e-6, 1e-8] {
            let start = problem.start().unwrap();
            let solution = solver(tolerance).solve(&problem, &start, 0.0, END).unwrap();
            let end = solution.end().unwrap().flatten_all().unwrap();
            let end = end.to_vec1::<f64>().unwrap();
            let square = |(a, b): (&f64, &f64)| ((a - b) / (1.0 + b.abs())).powi(2);
            let squares: f64 = end.iter().zip(&exact).map(square).sum();
            let error = (squares / exact.len() as f64).sqrt();
            for (peer, logarithms) in ["vode", "lsoda"].iter().zip(&mut logarithms) {
                let rows = &golden[peer][problem.name];
                let rows: Vec<(f64, f64)> = serde_json::from_value(rows.clone()).unwrap();
                if let Some(theirs) = evaluations_at(rows, error) {
                    logarithms.push((solution.statistics.evaluations as f64 / theirs).ln());
                }
            }
        }
    }
    for (peer, logarithms) in ["VODE", "LSODA"].iter().zip(logarithms) {
        let mean = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        let worst = logarithms.iter().copied().fold(0.0, f64::max).exp();
        eprintln!(
            "{peer}: {mean:.3} of its evaluations, {worst:.2} at worst, {} runs",
            logarithms.len()
        );
        assert!(
            logarithms.len() > 60 && mean < 0.9,
            "{peer}: {mean}, {worst}"
        );
    }
}

/// The evaluations at an error, on straight lines between logarithms; none beyond the errors that there are.
fn evaluations_at(mut rows: Vec<(f64, f64)>, error: f64) -> Option<f64> {
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let pair = rows
        .windows(2)
        .find(|pair| pair[0].0 <= error && error <= pair[1].0)?;
    let [(low, first), (high, second)] = [pair[0], pair[1]];
    let part = (error / low).ln() / (high / low).ln();
    Some((first.ln() + part * (second / first).ln()).exp())
}

#[test]
fn bad_settings_are_refused() -> Result<()> {
    for order in [0, 1, 14] {
        let message = AdaptiveAdams::up_to(order).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("order: got {order}, expected an order from 2 to 13")
        );
    }
    let x = Tensor::new(&[0f64], device())?;
    let run = solver(1e-6);
    let run = run.integration(&Forced, &x, 0.0, 1.0).each_sample().run();
    assert!(run.unwrap_err().to_string().starts_with("stepper: got "));
    Ok(())
}

/// A step whose nodes are not those of its slopes.
#[derive(Debug)]
struct Astray(Vec<f64>);

impl Method for Astray {
    fn order(&self) -> f64 {
        1.0
    }

    fn is_continuous(&self) -> bool {
        true
    }
}

impl Stepper for Astray {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let mut step = Euler.step(field, interval, x, slope)?;
        step.nodes = self.0.clone();
        Ok(step)
    }
}

#[test]
fn nodes_are_those_of_the_slopes() {
    let x = Tensor::new(&[1.0], device()).unwrap();
    let growth = field_fn(|_, x| Ok(x.clone()));
    for nodes in [vec![0.0, 1.0], vec![f64::NAN]] {
        let solver = Solver::new(Astray(nodes), Fixed::steps(2).unwrap());
        let run = solver.integration(&growth, &x, 0.0, 1.0).save(Save::Dense);
        let error = run.run().unwrap_err().to_string();
        assert!(error.starts_with("nodes: got ["), "{error}");
    }
}
