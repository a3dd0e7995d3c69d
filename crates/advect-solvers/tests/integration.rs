//! Saves, events, observers and clocks in one integration.

use std::ops::ControlFlow;
use std::sync::Arc;

use advect_core::testing::device;
use advect_core::testing::problems::{Forced, Problem};
use advect_core::{Error, Result, field_fn, observer_fn};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri5, Euler, Rk4};
use advect_solvers::{AcceptedSamples, AcceptedStep, DenseStep, Event, Save, Solver, Status};
use candle_core::{Tensor, Var};

fn number(x: &Tensor) -> f64 {
    x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
}

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

/// Stops after some steps.
fn after(count: usize) -> impl FnMut(&AcceptedStep) -> ControlFlow<()> {
    let mut steps = 0;
    move |_| {
        steps += 1;
        match steps == count {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// Events are owned: they live in a struct without a lifetime, and go to other threads.
#[derive(Clone)]
struct Limits {
    low: Event,
    late: Event,
}

impl Limits {
    fn new(low: f64, late: f64) -> Self {
        Limits {
            low: Event::new(move |_, x: &Tensor| Ok(number(x) - low)),
            late: Event::new(move |t, _: &Tensor| Ok(t - late)),
        }
    }
}

#[test]
fn the_first_of_several_events_stops_the_integration() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let x = Tensor::new(&[1f64], device()).unwrap();
    let run = |limits: Limits, size: f64| {
        let solver = Solver::new(Rk4, Fixed::size(size).unwrap());
        let solution = solver
            .integration(&decay, &x, 0.0, 3.0)
            .until(&limits.low)
            .until(&limits.late)
            .run()
            .unwrap();
        let occurrence = &solution.events[0];
        assert_eq!(solution.status, Status::Event);
        assert_eq!(occurrence.t, solution.last_time);
        assert_eq!(number(&occurrence.x), number(&solution.last_state));
        (occurrence.event, occurrence.t)
    };
    // In one step, or in several.
    for size in [1.0, 0.01] {
        let (event, t) = run(Limits::new(0.5, 0.9), size);
        assert!(event == 0 && (t - 2f64.ln()).abs() < 2e-2, "{event}, {t}");
        let (event, t) = run(Limits::new(0.5, 0.6), size);
        assert!(event == 1 && (t - 0.6).abs() < 1e-11, "{event}, {t}");
        // Both at once: the one that was added first comes first.
        let (event, _) = run(
            Limits {
                low: Limits::new(0.5, 0.6).late,
                ..Limits::new(0.5, 0.6)
            },
            size,
        );
        assert_eq!(event, 0);
    }
    let limits = Limits::new(0.5, 0.9);
    let elsewhere = std::thread::spawn(move || run_elsewhere(&limits));
    assert_eq!(elsewhere.join().unwrap(), 0);
}

fn run_elsewhere(limits: &Limits) -> usize {
    let x = Tensor::new(&[1f64], device()).unwrap();
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let solver = Solver::new(Rk4, Fixed::steps(10).unwrap());
    let integration = solver.integration(&decay, &x, 0.0, 1.0);
    integration.until(&limits.low).run().unwrap().events[0].event
}

#[test]
fn all_settings_hold_in_one_integration() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-6));
    let plain = solver.solve(&Forced, &x0, 0.0, 1.0).unwrap();
    let late = Event::new(|t, _: &Tensor| Ok(t - 0.75));
    let (mut ends, mut spans, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    let mut record = observer_fn(|step: &AcceptedStep| {
        ends.push((step.start, step.t));
        costs.push(step.statistics.evaluations);
    });
    let solution = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .save(Save::At(vec![0.0, 0.3, 0.9]))
        .until(&late)
        .observe(&mut record)
        .observe(())
        .observe_within(observer_fn(|step: &DenseStep| -> Result<()> {
            spans.push((step.start, step.end));
            step.at(step.start).map(|_| ())
        }))
        .run()
        .unwrap();
    assert_eq!(solution.times, [0.0, 0.3]);
    assert!((solution.last_time - 0.75).abs() < 1e-11);
    assert_eq!(ends, spans);
    assert_eq!(ends.len(), solution.statistics.accepted);
    assert!(ends.windows(2).all(|w| w[0].1 == w[1].0) && ends.iter().any(|(_, t)| *t == 0.3));
    assert!(costs.windows(2).all(|w| w[0] < w[1]));
    assert_eq!(costs.last(), Some(&solution.statistics.evaluations));

    // Observers don't change the steps, nor what they cost.
    let mut count = 0;
    let observed = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe(observer_fn(|_: &AcceptedStep| count += 1))
        .run()
        .unwrap();
    assert_eq!(observed.statistics, plain.statistics);
    assert_eq!(count, plain.statistics.accepted);
    assert_eq!(number(&observed.last_state), number(&plain.last_state));
}

#[test]
fn only_who_looks_within_steps_pays_for_it() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(8).unwrap());
    let ends = solver.integration(&Forced, &x0, 0.0, 1.0).observe(());
    assert_eq!(ends.run().unwrap().statistics.evaluations, 8);
    let within = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe_within(());
    assert_eq!(within.run().unwrap().statistics.evaluations, 9);
}

#[test]
fn any_observer_stops_the_integration() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(8).unwrap());
    let mut seen = 0;
    let halted = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe(observer_fn(after(3)))
        .observe(observer_fn(|_: &AcceptedStep| seen += 1))
        .run()
        .unwrap();
    assert_eq!((halted.status, halted.last_time), (Status::Halted, 0.375));
    assert!(halted.events.is_empty());
    assert_eq!(seen, 3);
    let message = halted.end().unwrap_err().to_string();
    assert!(message.contains("an observer stopped"), "{message}");
    let within = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe_within(observer_fn(|step: &DenseStep| match step.end < 0.5 {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }))
        .run()
        .unwrap();
    assert_eq!((within.status, within.last_time), (Status::Halted, 0.5));
}

#[test]
fn a_clock_per_sample_takes_observers_and_refuses_the_rest() {
    let growth = field_fn(|_, x| Ok(x.clone()));
    let x = Tensor::new(&[1f64, 1e-3, 1e-9], device()).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-8));
    let integration = || solver.integration(&growth, &x, 0.0, 1.0);
    let plain = integration().each_sample().run().unwrap();
    let mut seen = vec![vec![0.0]; 3];
    let mut costs = [0; 3];
    let observed = integration()
        .each_sample()
        .save(Save::At(vec![0.5]))
        .observe(observer_fn(|step: &AcceptedSamples| {
            let states = step.x.to_vec1::<f64>().unwrap();
            for (i, &sample) in step.samples.iter().enumerate() {
                assert_eq!(seen[sample].last(), Some(&step.starts[i]));
                seen[sample].push(step.times[i]);
                costs[sample] = step.statistics[i].evaluations;
                let exact = [1.0, 1e-3, 1e-9][sample] * step.times[i].exp();
                assert!((states[i] - exact).abs() < 1e-6);
            }
        }))
        .run()
        .unwrap();
    assert!(plain.end().is_ok() && observed.saved(0).is_ok());
    for (i, times) in seen.iter().enumerate() {
        assert_eq!(times.len() - 1, observed.statistics[i].accepted);
        assert_eq!(times.last(), Some(&1.0));
        assert!(times.contains(&0.5));
        assert_eq!(costs[i], observed.statistics[i].evaluations);
    }
    // Samples that are still under way are halted; those that came to their end have reached it.
    let halted = integration()
        .each_sample()
        .observe(observer_fn(|step: &AcceptedSamples| {
            match step.times.contains(&1.0) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }))
        .run()
        .unwrap();
    assert_eq!(halted.statuses[2], Status::Reached);
    assert_eq!(halted.statuses[0], Status::Halted);
    assert!(halted.last_times[0] < 1.0 && halted.end().is_err());
    let state = halted.last_state.to_vec1::<f64>().unwrap()[0];
    assert!((state - halted.last_times[0].exp()).abs() < 1e-6);

    let never = Event::new(|_, _: &Tensor| Ok(1.0));
    let beyond = Solver::new(Dopri5, adaptive(1e-8).overstep());
    for (name, result) in [
        ("until", integration().until(&never).each_sample().run()),
        ("observe", integration().observe(()).each_sample().run()),
        (
            "observe_within",
            integration().observe_within(()).each_sample().run(),
        ),
        ("save", integration().save(Save::Dense).each_sample().run()),
        (
            "controller",
            beyond
                .integration(&growth, &x, 0.0, 1.0)
                .each_sample()
                .run(),
        ),
    ] {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, Error::Range { argument, .. } if argument == name),
            "{error}"
        );
    }
}

/// Solutions that can be differentiated are observed like others, and stop where the observer says.
#[test]
fn adjoints_have_observers() {
    fn check(adjoint: &impl Adjoint) {
        let field = Arc::new(field_fn(|_, x| Ok(x.neg()?)));
        let x0 = Var::new(&[2f64], device()).unwrap();
        let mut ends = Vec::new();
        let mut record = observer_fn(|step: &AcceptedStep| ends.push(step.t));
        let solution = adjoint
            .solve_observed(&field, &[], &x0, &[0.0, 0.5, 1.0], &mut record)
            .unwrap();
        assert_eq!(ends.len(), solution.statistics.accepted);
        assert!(ends.contains(&0.5) && ends.last() == Some(&1.0));
        let mut halt = observer_fn(after(2));
        let halted = adjoint
            .solve_observed(&field, &[], &x0, &[0.0, 0.5, 1.0], &mut halt)
            .unwrap();
        assert_eq!(halted.status, Status::Halted);
        assert_eq!(halted.last_time, ends[1]);
        let gradients = halted.last_state.backward().unwrap();
        let gradient = number(gradients.get(&x0).unwrap());
        assert!((gradient - (-halted.last_time).exp()).abs() < 1e-5);
    }
    let solver = Solver::new(Rk4, Fixed::steps(8).unwrap());
    check(&Unrolled::new(solver.clone()));
    check(&Checkpointed::new(solver.clone(), 2).unwrap());
    check(&Backsolve::new(solver));
}
