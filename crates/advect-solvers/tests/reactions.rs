//! What follows from events: notes, stops at the n-th, changes of the state.

use std::f64::consts::PI;
use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Error, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, DifferentiableEvent, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri5, Rk4, Tsit5};
use advect_solvers::{Crossing, Event, Save, Solution, Solver, Status};
use candle_core::{DType, Tensor, Var};

fn numbers(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap();
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

/// Columns turn: the first is cos t, the second −sin t.
fn turn(_: &Time, x: &Tensor) -> Result<Tensor> {
    Ok(Tensor::cat(
        &[x.narrow(1, 1, 1)?, x.narrow(1, 0, 1)?.neg()?],
        1,
    )?)
}

fn state(numbers: &[[f64; 2]]) -> Tensor {
    Tensor::from_vec(numbers.concat(), (numbers.len(), 2), device()).unwrap()
}

fn column(i: usize) -> Event {
    Event::new(move |_, x: &Tensor| Ok(numbers(x)[i]))
}

fn times(solution: &Solution, event: usize) -> Vec<f64> {
    let all = solution.events.iter().filter(|at| at.event == event);
    all.map(|at| at.t).collect()
}

fn assert_near(ours: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), expected.len(), "{ours:?}, {expected:?}");
    for (a, b) in ours.iter().zip(expected) {
        assert!((a - b).abs() < tolerance, "{ours:?}, {expected:?}");
    }
}

/// All zeros of a cosine and of a sine, by direction, with the states there, on the same steps as without events.
#[test]
fn watched_events_are_all_told_in_order() {
    let field = field_fn(turn);
    let (any, rising) = (column(0), column(0).crossing(Crossing::Rising));
    let falling = column(1).crossing(Crossing::Falling);
    let x = state(&[[1.0, 0.0]]);
    for sign in [1.0, -1.0] {
        let solver = Solver::new(Tsit5, adaptive(1e-11));
        let plain = solver.solve(&field, &x, 0.0, sign * 10.0).unwrap();
        let run = solver.integration(&field, &x, 0.0, sign * 10.0);
        let solution = run
            .watch(&any)
            .watch(&rising)
            .watch(&falling)
            .run()
            .unwrap();
        assert_eq!(solution.status, Status::Reached);
        assert_eq!(numbers(&solution.last_state), numbers(&plain.last_state));
        assert_eq!(solution.statistics.accepted, plain.statistics.accepted);
        let all = [0.5 * PI, 1.5 * PI, 2.5 * PI].map(|t| sign * t);
        assert_near(&times(&solution, 0), &all, 1e-9);
        assert_near(&times(&solution, 1), &all[1..2], 1e-9);
        // −sin t falls through 0 at 2π forwards; backwards, it is seen to fall at −π and −3π.
        let falls: &[f64] = if sign > 0.0 {
            &[2.0 * PI]
        } else {
            &[-PI, -3.0 * PI]
        };
        assert_near(&times(&solution, 2), falls, 1e-9);
        let order = solution
            .events
            .windows(2)
            .all(|w| (w[1].t - w[0].t) * sign >= 0.0);
        assert!(order, "{:?}", solution.events);
        for at in &solution.events {
            assert_near(&numbers(&at.x), &[at.t.cos(), -at.t.sin()], 1e-8);
        }
    }
}

/// Two events in one step, added in the other order.
#[test]
fn two_events_in_a_step_are_told_in_order() {
    let clock = field_fn(|_, x: &Tensor| Ok(x.ones_like()?));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let at = |time: f64| Event::new(move |t, _: &Tensor| Ok(t - time));
    let (late, early, next) = (at(0.45), at(0.42), at(0.61));
    let solver = Solver::new(Rk4, Fixed::steps(5).unwrap());
    let run = |stop: bool| {
        let run = solver
            .integration(&clock, &x, 0.0, 1.0)
            .watch(&late)
            .watch(&early);
        let run = if stop { run.until(&late) } else { run };
        run.watch(&next).run().unwrap()
    };
    let told =
        |solution: &Solution| -> Vec<usize> { solution.events.iter().map(|at| at.event).collect() };
    assert_eq!(told(&run(false)), [1, 0, 2]);
    assert_eq!(told(&run(true)), [1, 0, 2]); // event 2 is now the stop, at the time of event 0
    assert!((run(true).last_time - 0.45).abs() < 1e-12);
}

#[test]
fn the_nth_event_stops() {
    let field = field_fn(turn);
    let x = state(&[[1.0, 0.0]]);
    let zero = column(0);
    let solver = Solver::new(Dopri5, adaptive(1e-11));
    for n in 1..4 {
        let run = solver.integration(&field, &x, 0.0, 20.0);
        let solution = run.until_nth(&zero, n).unwrap().run().unwrap();
        assert_eq!((solution.status, solution.events.len()), (Status::Event, n));
        assert!((solution.last_time - (n as f64 - 0.5) * PI).abs() < 1e-8);
    }
    let run = solver.integration(&field, &x, 0.0, 20.0);
    assert!(matches!(run.until_nth(&zero, 0), Err(Error::Range { .. })));
}

const GRAVITY: f64 = 9.81;

/// Columns are height and speed.
fn fall(_: &Time, x: &Tensor) -> Result<Tensor> {
    let speed = x.narrow(1, 1, 1)?;
    Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -GRAVITY)?], 1)?)
}

fn bounce(_: f64, x: &Tensor) -> Result<Tensor> {
    let mirror = Tensor::new(&[[0.0, -0.9]], x.device())?.to_dtype(x.dtype())?;
    Ok(x.broadcast_mul(&mirror)?)
}

/// The times at which a ball that falls from a height touches the ground, losing a tenth of its speed each time.
fn bounces(height: f64, count: usize) -> Vec<f64> {
    let mut t = (2.0 * height / GRAVITY).sqrt();
    let mut speed = GRAVITY * t;
    let mut times = vec![t];
    while times.len() < count {
        speed *= 0.9;
        t += 2.0 * speed / GRAVITY;
        times.push(t);
    }
    times
}

/// In one run, with adaptive and with fixed steps, in f64 and f32, to the end and to the eighth bounce.
#[test]
fn a_ball_bounces_in_one_run() {
    let field = field_fn(fall);
    let expected = bounces(10.0, 8);
    for (dtype, tolerance, error) in [(DType::F64, 1e-9, 1e-7), (DType::F32, 1e-5, 2e-3)] {
        let x = state(&[[10.0, 0.0]]).to_dtype(dtype).unwrap();
        for crossing in [Crossing::Any, Crossing::Falling] {
            let ground = column(0).crossing(crossing);
            let solver = Solver::new(Dopri5, adaptive(tolerance));
            let run = solver
                .integration(&field, &x, 0.0, 100.0)
                .apply(&ground, bounce);
            let solution = run.until_nth(&ground, 8).unwrap().run().unwrap();
            assert_eq!(solution.status, Status::Event);
            assert_near(&times(&solution, 0), &expected, error);
            let fixed = Solver::new(Rk4, Fixed::size(0.37).unwrap());
            let run = fixed
                .integration(&field, &x, 0.0, 7.0)
                .apply(&ground, bounce);
            let solution = run.run().unwrap();
            assert_eq!(solution.last_time, 7.0);
            let before: Vec<f64> = expected.iter().copied().filter(|t| *t < 7.0).collect();
            assert_near(&times(&solution, 0), &before, error);
        }
    }
}

/// States at an event are those before the change, dense output has both sides, and the grid of fixed steps stays.
#[test]
fn saves_and_grids_go_on_through_changes() {
    let clock = field_fn(|_, x: &Tensor| Ok(x.ones_like()?));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let event = Event::new(|t, _: &Tensor| Ok(t - 0.35));
    let drop = |_: f64, x: &Tensor| Ok((x - 10.0)?);
    let solver = Solver::new(Rk4, Fixed::steps(5).unwrap());
    let run = || solver.integration(&clock, &x, 0.0, 1.0).apply(&event, drop);
    let every = run().save(Save::Every(1)).run().unwrap();
    assert_near(&every.times, &[0.0, 0.2, 0.35, 0.4, 0.6, 0.8, 1.0], 1e-12);
    let states: Vec<f64> = every.states.iter().flat_map(numbers).collect();
    assert_near(&states, &[0.0, 0.2, 0.35, -9.6, -9.4, -9.2, -9.0], 1e-11);
    let at = run().save(Save::At(vec![0.3, 0.5])).run().unwrap();
    assert_near(
        &at.states.iter().flat_map(numbers).collect::<Vec<_>>(),
        &[0.3, -9.5],
        1e-11,
    );
    let dense = run().save(Save::Dense).run().unwrap();
    assert_near(&numbers(&dense.at(0.349).unwrap()), &[0.349], 1e-11);
    assert_near(&numbers(&dense.at(0.351).unwrap()), &[-9.649], 1e-11);
    assert_near(&numbers(&at.events[0].x), &[0.35], 1e-11);
}

#[test]
fn changed_states_are_checked() {
    let clock = field_fn(|_, x: &Tensor| Ok(x.ones_like()?));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let event = Event::new(|t, _: &Tensor| Ok(t - 0.35));
    let solver = Solver::new(Rk4, Fixed::steps(5).unwrap());
    let run = |effect: fn(f64, &Tensor) -> Result<Tensor>| {
        let run = solver.integration(&clock, &x, 0.0, 1.0);
        run.apply(&event, effect).run().unwrap_err().to_string()
    };
    let nan = run(|_, x| Ok((x * f64::NAN)?));
    assert!(nan.starts_with("effect"), "{nan}");
    let longer = run(|_, x| Ok(Tensor::cat(&[x, x], 0)?));
    assert!(longer.starts_with("effect"), "{longer}");
}

/// An event whose function has become NaN may have been missed: it is named.
#[test]
fn functions_that_are_nan_are_named() {
    let clock = field_fn(|_, x: &Tensor| Ok(x.ones_like()?));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let fine = Event::new(|t, _: &Tensor| Ok(t - 2.0));
    let root = Event::new(|t: f64, _: &Tensor| Ok((0.5 - t).sqrt() + 1.0));
    let solver = Solver::new(Rk4, Fixed::steps(4).unwrap());
    let run = solver.integration(&clock, &x, 0.0, 1.0).until(&fine);
    let message = run.until(&root).run().unwrap_err().to_string();
    assert_eq!(
        message,
        "event 1: got NaN from t = 0.75 to the end, expected a number there"
    );
    let always = Event::new(|_, _: &Tensor| Ok(f64::NAN));
    let run = solver.integration(&clock, &x, 0.0, 1.0).watch(&always);
    assert!(
        run.run()
            .unwrap_err()
            .to_string()
            .starts_with("event 0: got NaN from t = 0 ")
    );
    let solver = Solver::new(Tsit5, adaptive(1e-6));
    let run = solver.integration(&clock, &x, 0.0, 1.0).each_sample();
    assert!(
        run.until(&root)
            .run()
            .unwrap_err()
            .to_string()
            .starts_with("event 0: got NaN")
    );
}

/// Balls from several heights, each with its own clock: their bounces are those of each alone.
#[test]
fn samples_have_events_of_their_own() {
    let field = field_fn(fall);
    let heights = [10.0, 1.0, 4.0, 300.0];
    let x = state(&heights.map(|height| [height, 0.0]));
    let ground = column(0).crossing(Crossing::Falling);
    let fast = Event::new(|_, x: &Tensor| Ok(numbers(x)[1] + 20.0)).crossing(Crossing::Falling);
    let solver = Solver::new(Dopri5, adaptive(1e-10));
    let run = solver
        .integration(&field, &x, 0.0, 30.0)
        .save(Save::At(vec![0.1, 5.0]))
        .each_sample();
    let run = run.apply(&ground, bounce).until_nth(&ground, 4).unwrap();
    let solution = run.until(&fast).run().unwrap();
    for (i, height) in heights.into_iter().enumerate() {
        assert_eq!(solution.statuses[i], Status::Event, "{i}");
        let happened = &solution.events[i];
        if height > 100.0 {
            // It reaches 20 m/s before the ground.
            assert_near(&[solution.last_times[i]], &[20.0 / GRAVITY], 1e-8);
            assert_eq!((happened.len(), happened[0].event), (1, 2));
            continue;
        }
        let expected = bounces(height, 4);
        let landings: Vec<f64> = happened
            .iter()
            .filter(|at| at.event == 0)
            .map(|at| at.t)
            .collect();
        assert_near(&landings, &expected, 1e-7);
        assert_near(&[solution.last_times[i]], &expected[3..], 1e-7);
        assert_eq!(happened[0].x.dims(), [1, 2]);
    }
    // All pass t = 0.1 but those of 1 m and 4 m are done by t = 5.
    assert!(solution.end().is_err());
}

/// Where samples stop, the others go on as if they were alone.
#[test]
fn samples_that_stop_do_not_disturb_others() {
    let decay = field_fn(|_, x: &Tensor| Ok(x.neg()?));
    let half = Event::new(|_, x: &Tensor| Ok(numbers(x)[0] - 0.5));
    let solver = Solver::new(Tsit5, adaptive(1e-9));
    let run = |x: &[f64]| {
        let x = Tensor::new(x, device()).unwrap();
        let run = solver.integration(&decay, &x, 0.0, 3.0).each_sample();
        run.until(&half).run().unwrap()
    };
    let all = run(&[4.0, 1.0, 0.3, 70.0]);
    for (i, x) in [4.0, 1.0, 0.3, 70.0].into_iter().enumerate() {
        let alone = run(&[x]);
        assert_eq!(all.last_times[i], alone.last_times[0]);
        assert_eq!(all.statuses[i], alone.statuses[0]);
        assert_eq!(numbers(&all.last_state)[i], numbers(&alone.last_state)[0]);
        assert_eq!(all.statistics[i], alone.statistics[0]);
    }
    assert_eq!(all.statuses[3], Status::Reached);
}

/// A ball with drag, whose parameters are the drag, gravity, and the ground's height; the event's function computes with
/// the last one.
struct Drag {
    drag: Var,
    gravity: Var,
    ground: Var,
}

impl Drag {
    fn new(numbers: [f64; 3]) -> Self {
        let [drag, gravity, ground] = numbers.map(|v| Var::new(&[[v]], device()).unwrap());
        Drag {
            drag,
            gravity,
            ground,
        }
    }

    /// The time of the second landing, the height's and the speed's sum there times 0.3, from height and speed at a start.
    fn landing(&self, adjoint: &impl Adjoint, x0: &Tensor, start: &Tensor) -> Tensor {
        let (drag, gravity) = (
            self.drag.as_tensor().clone(),
            self.gravity.as_tensor().clone(),
        );
        let parameters = [drag.clone(), gravity.clone()];
        let field = Arc::new(field_fn(move |t: &Time, x: &Tensor| -> Result<Tensor> {
            let speed = x.narrow(1, 1, 1)?;
            let wind = t.coefficient(f64::sin)?.times(&speed.ones_like()?)?;
            let slowed = (speed.broadcast_mul(&drag)? + &gravity)?.neg()?;
            Ok(Tensor::cat(&[speed, (slowed + wind)?], 1)?)
        }));
        let level = self.ground.as_tensor().clone();
        let ground = DifferentiableEvent::new(move |t: &Tensor, x: &Tensor| -> Result<Tensor> {
            let rises = t.affine(0.1, 0.0)?;
            Ok(x.narrow(1, 0, 1)?
                .broadcast_sub(&level)?
                .broadcast_sub(&rises)?)
        });
        let ground = ground.crossing(Crossing::Falling);
        let (mut t, mut x) = (start.clone(), x0.clone());
        for _ in 0..2 {
            let end = Tensor::new(50f64, device()).unwrap();
            let span = Tensor::stack(&[&t, &end], 0).unwrap();
            let landed = adjoint
                .solve_until(&field, &parameters, &x, &span, &ground)
                .unwrap();
            t = landed.t;
            let mirror = Tensor::new(&[[1.0, -0.7]], device()).unwrap();
            x = landed.x.broadcast_mul(&mirror).unwrap();
        }
        (t + (x.sum_all().unwrap() * 0.3).unwrap()).unwrap()
    }
}

/// A landing by one of the adjoints.
type Landing<'a> = &'a dyn Fn(&Drag, &Tensor, &Tensor) -> Tensor;

/// The gradients of a chain of two events by the parameters of the field, that of the event, the initial state and the
/// start, against central differences.
#[test]
fn gradients_of_events_are_those_of_differences() {
    let numbers_at = [0.3, 9.0, 0.2, 5.0, 1.0, 0.4];
    let accurate = || Solver::new(Dopri5, adaptive(1e-11));
    let value = |numbers: [f64; 6], adjoint: Landing<'_>| {
        let [drag, gravity, ground, height, speed, start] = numbers;
        let problem = Drag::new([drag, gravity, ground]);
        let x0 = Var::new(&[[height, speed]], device()).unwrap();
        let start = Var::new(start, device()).unwrap();
        let value = adjoint(&problem, &x0, &start);
        (value, problem, x0, start)
    };
    let unrolled = |problem: &Drag, x0: &Tensor, start: &Tensor| {
        let adjoint = Unrolled::new(accurate()).max_evaluations(5000).unwrap();
        problem.landing(&adjoint, x0, start)
    };
    let checkpointed = |problem: &Drag, x0: &Tensor, start: &Tensor| {
        problem.landing(&Checkpointed::new(accurate(), 8).unwrap(), x0, start)
    };
    let backsolve = |problem: &Drag, x0: &Tensor, start: &Tensor| {
        problem.landing(&Backsolve::new(accurate()), x0, start)
    };
    let plain = |numbers| value(numbers, &checkpointed).0.to_scalar::<f64>().unwrap();
    let expected: Vec<f64> = (0..6)
        .map(|i| {
            let moved = |h: f64| {
                let mut numbers = numbers_at;
                numbers[i] += h;
                plain(numbers)
            };
            (moved(1e-4) - moved(-1e-4)) / 2e-4
        })
        .collect();
    let all: [Landing<'_>; 3] = [&unrolled, &checkpointed, &backsolve];
    for adjoint in all {
        let (loss, problem, x0, start) = value(numbers_at, adjoint);
        let gradients = loss.backward().unwrap();
        let variables = [
            &problem.drag,
            &problem.gravity,
            &problem.ground,
            &x0,
            &start,
        ];
        let ours: Vec<f64> = (variables.into_iter())
            .flat_map(|v| numbers(gradients.get(v).unwrap()))
            .collect();
        assert_near(&ours, &expected, 2e-6);
        // It matters.
        assert!(expected.iter().all(|d| d.abs() > 1e-3), "{expected:?}");
    }
}

#[test]
fn events_without_a_derivative_are_refused() {
    let clock = Arc::new(field_fn(|_, x: &Tensor| Ok(x.ones_like()?)));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let span = Tensor::new(&[0f64, 1.0], device()).unwrap();
    let adjoint = Unrolled::new(Solver::new(Rk4, Fixed::steps(4).unwrap()));
    let solve = |event: DifferentiableEvent, span: &Tensor| {
        adjoint
            .solve_until(&clock, &[], &x, span, &event)
            .unwrap_err()
    };
    let untracked = DifferentiableEvent::new(|_, x| Ok((x.detach() - 0.3)?));
    assert!(
        solve(untracked, &span)
            .to_string()
            .starts_with("event: got a function")
    );
    let two = DifferentiableEvent::new(|_, x| Ok(Tensor::cat(&[x, x], 0)?));
    assert!(matches!(solve(two, &span), Error::Shape { .. }));
    let never = || DifferentiableEvent::new(|_, x| Ok((x + 1.0)?));
    assert!(matches!(solve(never(), &span), Error::Stopped { .. }));
    assert!(matches!(solve(never(), &x), Error::Shape { .. }));
}
