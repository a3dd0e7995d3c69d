//! Integrations that go on from where another stopped.

use std::ops::ControlFlow;

use advect_core::testing::device;
use advect_core::{Result, Time, field_fn, observer_fn};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri5, Rk4, Stepper, Tsit5};
use advect_solvers::{AcceptedStep, Crossing, Event, Save, Solver, Status};
use candle_core::{DType, Tensor};

const GRAVITY: f64 = 9.81;

/// Columns are height and speed.
fn fall(_: &Time, x: &Tensor) -> Result<Tensor> {
    let speed = x.narrow(1, 1, 1)?;
    Ok(Tensor::cat(&[&speed, &speed.affine(0.0, -GRAVITY)?], 1)?)
}

fn numbers(x: &Tensor) -> Vec<f64> {
    let x = x.to_dtype(DType::F64).unwrap();
    x.flatten_all().unwrap().to_vec1().unwrap()
}

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

/// The times at which a ball that falls from 10 m touches the ground, losing a tenth of its speed each time.
fn bounces(count: usize) -> Vec<f64> {
    let mut t = (20.0 / GRAVITY).sqrt();
    let mut speed = GRAVITY * t;
    let mut times = vec![t];
    while times.len() < count {
        speed *= 0.9;
        t += 2.0 * speed / GRAVITY;
        times.push(t);
    }
    times
}

#[test]
fn a_ball_bounces() {
    // The ground, where the height is measured from, and how exactly times are found.
    for (dtype, ground, tolerance, error) in [
        (DType::F64, 0.0, 1e-9, 1e-8),
        (DType::F64, 1e6, 1e-9, 1e-7),
        (DType::F32, 0.0, 1e-6, 2e-4),
        (DType::F32, 100.0, 1e-6, 5e-3),
    ] {
        for crossing in [Crossing::Any, Crossing::Falling] {
            for location in [1e-12, 1e-14] {
                let height = Event::new(move |_, x: &Tensor| Ok(numbers(x)[0] - ground));
                let height = height.crossing(crossing).tolerance(location).unwrap();
                let solver = Solver::new(Dopri5, adaptive(tolerance));
                let x = Tensor::new(&[[ground + 10.0, 0.0]], device()).unwrap();
                let (mut t, mut x) = (0.0, x.to_dtype(dtype).unwrap());
                for (i, expected) in bounces(8).into_iter().enumerate() {
                    let solution = solver
                        .integration(&field_fn(fall), &x, t, 100.0)
                        .until(&height)
                        .run()
                        .unwrap();
                    assert_eq!(solution.status, Status::Event);
                    t = solution.last_time;
                    assert!(
                        (t - expected).abs() < error,
                        "{dtype:?}, {ground}, {crossing:?}: bounce {i} at {t}, not {expected}"
                    );
                    let mirror = Tensor::new(&[[1.0, -0.9]], device()).unwrap();
                    x = solution
                        .last_state
                        .broadcast_mul(&mirror.to_dtype(dtype).unwrap())
                        .unwrap();
                }
            }
        }
    }
}

/// Backwards in time, from an event, through it without a change.
#[test]
fn the_same_event_is_not_found_twice() {
    let turn = field_fn(|_, x| {
        let (a, b) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
        Ok(Tensor::cat(&[b, a.neg()?], 1)?)
    });
    let first = Event::new(|_, x: &Tensor| Ok(numbers(x)[0]));
    let solver = Solver::new(Tsit5, adaptive(1e-10));
    for sign in [1.0, -1.0] {
        // cos t is 0 at π/2 + k π.
        let mut x = Tensor::new(&[[1f64, 0.0]], device()).unwrap();
        let mut t = 0.0;
        for k in 0..6 {
            let solution = solver
                .integration(&turn, &x, t, sign * 20.0)
                .until(&first)
                .run()
                .unwrap();
            assert_eq!(solution.status, Status::Event);
            (t, x) = (solution.last_time, solution.last_state);
            let expected = (f64::from(k) + 0.5) * std::f64::consts::PI;
            assert!((t - sign * expected).abs() < 1e-7, "{t}, {expected}");
        }
    }
}

/// Integrates in pieces, and counts the events, each of which ends one.
fn events(
    solver: &Solver<&dyn Stepper, Fixed>,
    event: &Event,
    stops: &[f64],
    end: f64,
) -> Vec<f64> {
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let mut x = Tensor::new(&[[0f64]], device()).unwrap();
    let (mut t, mut found) = (0.0, Vec::new());
    for &stop in stops.iter().chain([&end]) {
        while t != stop {
            let solution = solver
                .integration(&clock, &x, t, stop)
                .until(event)
                .run()
                .unwrap();
            (t, x) = (solution.last_time, solution.last_state);
            if solution.status == Status::Event {
                found.push(t);
                assert!(found.len() < 10, "{found:?}");
            }
        }
    }
    found
}

/// Where one integration hands over to the next, an event there is found once, by one of them.
#[test]
fn no_event_is_lost_or_found_twice_between_two_integrations() {
    let root = 0.7;
    // Of the state, whose last digits are those of sums, and of time.
    let of_state = Event::new(move |_, x: &Tensor| Ok(root - numbers(x)[0]));
    let of_time = Event::new(move |t, _: &Tensor| Ok(root - t));
    let steep = Event::new(move |t, _: &Tensor| Ok((t - root) * 1e6));
    let solver = Solver::new(&Rk4 as &dyn Stepper, Fixed::size(0.1).unwrap());
    for event in [&of_state, &of_time, &steep] {
        for ulps in -40i64..=40 {
            let stop = f64::from_bits((root.to_bits() as i64 + ulps) as u64);
            let found = events(&solver, event, &[0.3, stop], 1.0);
            assert_eq!(found.len(), 1, "{ulps}: {found:?}");
            assert!((found[0] - root).abs() < 1e-11, "{found:?}");
        }
        for far in [1e-9, 1e-6, 1e-3] {
            let found = events(&solver, event, &[root - far, root + far], 1.0);
            assert_eq!(found.len(), 1, "{far}: {found:?}");
            assert!((found[0] - root).abs() < 1e-11, "{found:?}");
        }
    }
}

/// After a save, a halt and a limit of steps the rest is what it would have been.
#[test]
fn integrations_go_on_from_saves_halts_and_limits() {
    let falling = Event::new(|_, x: &Tensor| Ok(numbers(x)[0])).crossing(Crossing::Falling);
    let start = Tensor::new(&[[10f64, 0.0]], device()).unwrap();
    let landing = bounces(1)[0];
    let check = |t: f64, x: &Tensor| {
        assert!(t < landing);
        let solver = Solver::new(Dopri5, adaptive(1e-10));
        let solution = solver
            .integration(&field_fn(fall), x, t, 10.0)
            .until(&falling)
            .run()
            .unwrap();
        assert_eq!(solution.status, Status::Event);
        assert!((solution.last_time - landing).abs() < 1e-9);
    };
    let solver = Solver::new(Dopri5, adaptive(1e-10));
    let near = f64::from_bits(landing.to_bits() - 4);
    let saves = Save::At(vec![0.2, 1.0, near]);
    let saved = solver
        .integration(&field_fn(fall), &start, 0.0, near)
        .save(saves)
        .run();
    let saved = saved.unwrap();
    for (t, x) in saved.times.iter().zip(&saved.states).take(2) {
        check(*t, x);
    }
    // Within a few roundings of the ground: at once, or never, but not as another event.
    let solution = solver
        .integration(&field_fn(fall), &saved.states[2], near, 10.0)
        .until(&falling)
        .run();
    let solution = solution.unwrap();
    assert!(solution.status == Status::Reached || solution.last_time - landing < 1e-9);
    let few = Solver::new(Dopri5, adaptive(1e-10).max_steps(3).unwrap());
    let limited = few
        .integration(&field_fn(fall), &start, 0.0, 1.4)
        .until(&falling)
        .run()
        .unwrap();
    assert_eq!(limited.status, Status::StepLimit);
    check(limited.last_time, &limited.last_state);
    let mut steps = 0;
    let second = observer_fn(|_: &AcceptedStep| {
        steps += 1;
        match steps {
            2 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    let halted = solver
        .integration(&field_fn(fall), &start, 0.0, 1.4)
        .observe(second)
        .run()
        .unwrap();
    assert_eq!(halted.status, Status::Halted);
    check(halted.last_time, &halted.last_state);
}

/// What only comes near to zero is no event.
#[test]
fn values_that_stay_above_zero_are_no_events() {
    let decay = field_fn(|_, x| Ok((x * -30.0)?));
    let x = Tensor::new(&[[1f64]], device()).unwrap();
    for tolerance in [1e-12, 0.5] {
        let value = Event::new(|_, x: &Tensor| Ok(numbers(x)[0]))
            .tolerance(tolerance)
            .unwrap();
        let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-300).unwrap());
        let solution = solver
            .integration(&decay, &x, 0.0, 10.0)
            .until(&value)
            .run()
            .unwrap();
        assert_eq!(solution.status, Status::Reached);
    }
    // A touch of zero from above at t = 1, between steps.
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let touch = Event::new(|t, _: &Tensor| Ok((t - 1.0).powi(2)));
    let solver = Solver::new(Rk4, Fixed::steps(7).unwrap());
    let solution = solver
        .integration(&clock, &x, 0.0, 2.0)
        .until(&touch)
        .run()
        .unwrap();
    assert_eq!(solution.status, Status::Reached);
}

/// Two events with one zero are both told, and neither comes again.
#[test]
fn events_at_one_time_are_all_told() {
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let x = Tensor::new(&[0f64], device()).unwrap();
    let at = |time: f64, factor: f64| {
        Event::new(move |_, x: &Tensor| Ok(factor * (x.to_vec1::<f64>()?[0] - time)))
    };
    let (first, second, later) = (at(0.35, 1.0), at(0.35, -7.0), at(0.36, 1.0));
    let solver = Solver::new(Rk4, Fixed::steps(10).unwrap());
    let run = |x: &Tensor, start: f64| {
        let integration = solver.integration(&clock, x, start, 1.0);
        integration
            .until(&first)
            .until(&later)
            .until(&second)
            .run()
            .unwrap()
    };
    let solution = run(&x, 0.0);
    let told: Vec<usize> = solution.events.iter().map(|event| event.event).collect();
    assert_eq!((told, solution.status), (vec![0, 2], Status::Event));
    assert!((solution.last_time - 0.35).abs() < 1e-12);
    let next = run(&solution.last_state, solution.last_time);
    assert_eq!(next.events.len(), 1);
    assert_eq!(next.events[0].event, 1);
}

/// However far away the end and the clock's zero are.
#[test]
fn events_soon_after_the_start_are_found() {
    let ground = Event::new(|_, x: &Tensor| Ok(numbers(x)[0]));
    let landing = bounces(1)[0];
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-5)] {
        let x = Tensor::new(&[[10f64, 0.0]], device()).unwrap();
        let x = x.to_dtype(dtype).unwrap();
        for (start, end) in [(0.0, 1e7), (0.0, 1e13), (1e7, 1e7 + 10.0), (0.0, -1e13)] {
            let solution = Solver::new(Dopri5, adaptive(tolerance))
                .integration(&field_fn(fall), &x, start, end)
                .until(&ground)
                .run()
                .unwrap();
            let after = (solution.last_time - start).abs();
            assert_eq!(
                solution.status,
                Status::Event,
                "{dtype:?}, {start} to {end}"
            );
            assert!((after - landing).abs() < 1e-4, "{dtype:?}: {after}");
        }
    }
}

/// The next integration may count time from 0 again.
#[test]
fn the_same_event_is_not_found_twice_by_another_clock() {
    let ground = Event::new(|_, x: &Tensor| Ok(numbers(x)[0]));
    for (dtype, tolerance, error) in [(DType::F64, 1e-9, 1e-8), (DType::F32, 1e-6, 1e-4)] {
        let x = Tensor::new(&[[10f64, 0.0]], device()).unwrap();
        let mut x = x.to_dtype(dtype).unwrap();
        let (mut before, mut now) = (0.0, 0.0);
        for expected in bounces(8) {
            let solution = Solver::new(Dopri5, adaptive(tolerance))
                .integration(&field_fn(fall), &x, 0.0, 100.0)
                .until(&ground)
                .run()
                .unwrap();
            now += solution.last_time;
            let flight = solution.last_time;
            assert!(
                (flight - (expected - before)).abs() < error,
                "{dtype:?}: {flight}"
            );
            before = expected;
            let mirror = Tensor::new(&[[1.0, -0.9]], device()).unwrap();
            let mirror = mirror.to_dtype(dtype).unwrap();
            x = solution.last_state.broadcast_mul(&mirror).unwrap();
        }
        assert!((now - before).abs() < 8.0 * error, "{dtype:?}: {now}");
    }
}
