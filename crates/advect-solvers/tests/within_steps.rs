//! Dense output, interpolated saves, events, observers and several tensors at once.

use advect_core::testing::problems::{Forced, Problem, Rotation};
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Result, Time, field_fn, observer_fn, system_fn};
use advect_solvers::controller::{Adaptive, Fixed, Norm};
use advect_solvers::stepper::{Dopri5, Dopri8, Embedded, Euler, Heun, Rk4, Tsit5};
use advect_solvers::{Crossing, DenseStep, Event, Save, Solver, Status};
use candle_core::Tensor;

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

#[test]
fn dense_output_is_the_solution_at_any_time() {
    let problem = Rotation { omega: 2.0 };
    for (start, end) in [(0.0, 3.0), (3.0, 0.0)] {
        let x0 = problem.solution(start).unwrap();
        let solver = Solver::new(Tsit5, adaptive(1e-10));
        let solution = solver
            .integration(&problem, &x0, start, end)
            .save(Save::Dense)
            .run()
            .unwrap();
        for t in [0.0, 1e-9, 0.37, 1.0, 2.999, 3.0] {
            let x = solution.at(t).unwrap();
            assert_close(&x, &problem.solution(t).unwrap(), 1e-7, 1e-7);
        }
        // The steps don't know that they are kept.
        let bare = Solver::new(Tsit5, adaptive(1e-10));
        let bare = bare.solve(&problem, &x0, start, end).unwrap();
        assert_eq!(bare.statistics, solution.statistics);
        for t in [-1e-9, 3.1, f64::NAN] {
            assert!(matches!(solution.at(t), Err(Error::Range { .. })));
        }
        assert!(matches!(bare.at(1.0), Err(Error::Range { .. })));
    }
}

#[test]
fn interpolated_saves_don_t_change_the_steps() {
    let times: Vec<f64> = (0..=50).map(|i| f64::from(i) / 50.0).collect();
    let x0 = Forced.solution(0.0).unwrap();
    for (stepper, tolerance) in [
        (&Dopri5 as &dyn Embedded, 1e-8),
        (&Heun, 1e-8),
        (&Dopri8, 1e-6),
    ] {
        let solver = Solver::new(stepper, adaptive(tolerance));
        let plain = solver.solve(&Forced, &x0, 0.0, 1.0).unwrap();

        let saved = solver
            .integration(&Forced, &x0, 0.0, 1.0)
            .save(Save::Interpolated(times.clone()))
            .run()
            .unwrap();
        assert_eq!(saved.times, times);
        assert_eq!(saved.statistics.accepted, plain.statistics.accepted);
        assert!(saved.statistics.evaluations <= plain.statistics.evaluations + 1);
        for (t, x) in times.iter().zip(&saved.states) {
            assert_close(x, &Forced.solution(*t).unwrap(), 1e-5, 0.0);
        }
    }
}

/// The end is where it was asked for, though the last step went beyond.
#[test]
fn oversteps_come_back() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-9).overstep());
    for save in [
        Save::End,
        Save::Every(3),
        Save::Dense,
        Save::At(vec![0.2, 1.0]),
    ] {
        let solution = solver
            .integration(&Forced, &x0, 0.0, 1.0)
            .save(save)
            .run()
            .unwrap();
        assert_eq!(
            (solution.status, solution.last_time),
            (Status::Reached, 1.0)
        );
        let end = Forced.solution(1.0).unwrap();
        assert_close(&solution.end().unwrap(), &end, 1e-7, 0.0);
        assert_eq!(solution.times.last(), Some(&1.0));
        assert!(solution.times.windows(2).all(|w| w[0] < w[1]));
        assert!(solution.at(1.01).is_err());
    }
    // An event beyond the end is none.
    let solver = Solver::new(Dopri5, adaptive(1e-3).overstep());
    let beyond = Event::new(|t, _: &Tensor| Ok(1.0001 - t));
    let solution = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .until(&beyond)
        .run()
        .unwrap();
    assert_eq!(
        (solution.status, solution.last_time),
        (Status::Reached, 1.0)
    );
}

/// The field is never asked for a time beyond the end, not by a rounding.
#[test]
fn the_field_is_not_asked_beyond_the_end() {
    let x0 = Tensor::new(&[1f64], device()).unwrap();
    for (start, end) in [
        (0.0, 0.999),
        (0.1, 0.7),
        (1.0, 1e-5),
        (0.3, -0.6),
        (0.7, 0.7 + 3e-8),
        (0.1, 0.1 - 7e-8),
    ] {
        let within = field_fn(|t, x| -> Result<Tensor> {
            let Time::Shared(t) = t else {
                panic!("one clock")
            };
            assert!(
                (f64::min(start, end)..=f64::max(start, end)).contains(t),
                "{t}"
            );
            Ok(x.neg()?)
        });
        for steps in [1, 3, 7, 49] {
            let solver = Solver::new(Rk4, Fixed::steps(steps).unwrap());
            solver.solve(&within, &x0, start, end).unwrap();
        }
        Solver::new(Tsit5, adaptive(1e-9))
            .solve(&within, &x0, start, end)
            .unwrap();
    }
}

#[test]
fn events_that_are_nan_for_a_while_are_not_lost() {
    let x0 = Tensor::new(&[0f64], device()).unwrap();
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let gap = Event::new(|t, _: &Tensor| {
        Ok(if (0.4..0.6).contains(&t) {
            f64::NAN
        } else {
            0.7 - t
        })
    });
    let solver = Solver::new(Euler, Fixed::steps(20).unwrap());
    let solution = solver
        .integration(&clock, &x0, 0.0, 1.0)
        .until(&gap)
        .run()
        .unwrap();
    assert_eq!(solution.status, Status::Event);
    assert!((solution.last_time - 0.7).abs() < 1e-9);
}

/// An estimate that is not finite says so, and tolerances that vanish in f32 do no harm.
#[test]
fn causes_are_told_apart() {
    let x0 = Tensor::new(&[0f32, 1.0], device()).unwrap();
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let solver = Solver::new(Dopri5, Adaptive::new(1e-5, 1e-50).unwrap());
    assert_eq!(
        solver.solve(&still, &x0, 0.0, 1.0).unwrap().status,
        Status::Reached
    );
    let x0 = Tensor::new(&[1f64], device()).unwrap();
    let late = field_fn(|t, x| -> Result<Tensor> {
        let bad = matches!(t, Time::Shared(t) if *t >= 0.5);
        Ok(if bad {
            (x * f64::NAN)?
        } else {
            x.zeros_like()?
        })
    });
    let solution = Solver::new(Dopri5, adaptive(1e-6))
        .solve(&late, &x0, 0.0, 1.0)
        .unwrap();
    assert_eq!(
        (solution.status, solution.failed_sample),
        (Status::NonFinite, Some(0))
    );
}

#[test]
fn events_are_located() {
    // The first column is cos 2t + 0.5 sin 2t, by its solution; it is 0 at t = (π − atan 2)/2, falling.
    let problem = Rotation { omega: 2.0 };
    let x0 = problem.solution(0.0).unwrap();
    let first = |_: f64, x: &Tensor| -> Result<f64> {
        Ok(x.narrow(0, 0, 1)?
            .narrow(1, 0, 1)?
            .flatten_all()?
            .to_vec1::<f64>()?[0])
    };
    let falling = (std::f64::consts::PI - 2f64.atan()) / 2.0;
    let rising = falling + std::f64::consts::FRAC_PI_2;
    for (crossing, expected) in [
        (Crossing::Any, falling),
        (Crossing::Falling, falling),
        (Crossing::Rising, rising),
    ] {
        let event = Event::new(first).crossing(crossing);
        let fine = Solver::new(Dopri5, adaptive(1e-11));
        let solution = fine
            .integration(&problem, &x0, 0.0, 5.0)
            .save(Save::Dense)
            .until(&event)
            .run()
            .unwrap();
        assert_eq!(solution.status, Status::Event);
        assert!(
            (solution.last_time - expected).abs() < 1e-9,
            "{}",
            solution.last_time
        );
        let at_event = problem.solution(expected).unwrap();
        assert_close(&solution.last_state, &at_event, 1e-8, 1e-8);
        assert_close(
            &solution.at(solution.last_time).unwrap(),
            &solution.last_state,
            0.0,
            0.0,
        );
        assert!(solution.at(solution.last_time + 1e-6).is_err());
        assert!(matches!(solution.end(), Err(Error::Stopped { .. })));

        let coarse = Solver::new(Rk4, Fixed::steps(20).unwrap());
        let solution = coarse
            .integration(&problem, &x0, 0.0, 5.0)
            .until(&event)
            .run()
            .unwrap();
        assert!((solution.last_time - expected).abs() < 1e-2);
        assert!(first(0.0, &solution.last_state).unwrap().abs() < 1e-9);
    }
    // Backwards in time a rising function falls.
    let event = Event::new(first).crossing(Crossing::Falling);
    let solver = Solver::new(Dopri5, adaptive(1e-11));
    let x5 = problem.solution(5.0).unwrap();
    let back = solver
        .integration(&problem, &x5, 5.0, 0.0)
        .until(&event)
        .run()
        .unwrap();
    assert!((back.last_time - rising).abs() < 1e-8, "{}", back.last_time);
    // None comes.
    let never = Event::new(|_, _: &Tensor| Ok(1.0));
    let solution = solver
        .integration(&problem, &x0, 0.0, 1.0)
        .until(&never)
        .run()
        .unwrap();
    assert_eq!(solution.status, Status::Reached);
}

#[test]
fn observers_see_every_step_and_their_errors_end_it() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(8).unwrap());
    let mut seen = Vec::new();
    let observer = observer_fn(|step: &DenseStep| seen.push((step.start, step.end)));
    let solution = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe_within(observer)
        .run();
    assert_eq!(solution.unwrap().status, Status::Reached);
    assert_eq!((seen.len(), seen[7]), (8, (0.875, 1.0)));
    let failing = observer_fn(|step: &DenseStep| step.at(step.end + 1.0).map(|_| ()));
    let failing = solver
        .integration(&Forced, &x0, 0.0, 1.0)
        .observe_within(failing)
        .run();
    assert!(matches!(failing, Err(Error::Range { .. })));
}

#[test]
fn lists_and_triples_are_states() {
    let x = Forced.solution(0.0).unwrap();
    let list = system_fn(|t: &Time, x: &Vec<Tensor>| -> Result<Vec<Tensor>> {
        x.iter()
            .map(|x| advect_core::Field::at(&Forced, t, x))
            .collect()
    });
    let solver = Solver::new(Dopri5, adaptive(1e-9).norm_by(Norm::Max));
    let both = solver
        .solve(&list, &vec![x.clone(), x.clone()], 0.0, 1.0)
        .unwrap();
    assert_close(
        &both.end().unwrap()[1],
        &Forced.solution(1.0).unwrap(),
        1e-7,
        0.0,
    );
    assert!(matches!(
        solver.solve(&list, &Vec::<Tensor>::new(), 0.0, 1.0),
        Err(Error::Empty { .. })
    ));
    let triple = system_fn(
        |_: &Time, (a, b, c): &(Tensor, Tensor, Tensor)| -> Result<_> {
            Ok((b.clone(), a.neg()?, c.neg()?))
        },
    );
    let zero = x.zeros_like().unwrap();
    let start = (zero.clone(), x.clone(), x.clone());
    let (a, _, c) = solver
        .solve(&triple, &start, 0.0, 1.0)
        .unwrap()
        .end()
        .unwrap();
    assert_close(&a, &(&x * 1f64.sin()).unwrap(), 1e-7, 1e-8);
    assert_close(&c, &(&x * (-1f64).exp()).unwrap(), 1e-7, 1e-8);
    // A part that is missing.
    let short =
        system_fn(|_: &Time, x: &Vec<Tensor>| -> Result<Vec<Tensor>> { Ok(vec![x[0].clone()]) });
    assert!(matches!(
        solver.solve(&short, &vec![x.clone(), x], 0.0, 1.0),
        Err(Error::Range { argument, .. }) if argument == "field"
    ));
}

#[test]
fn where_it_failed_is_said() {
    let bad = field_fn(|t, x| -> Result<Tensor> {
        let late = matches!(t, Time::Shared(t) if *t > 0.5);
        let factor = Tensor::new(&[[1.0], [if late { f64::NAN } else { 1.0 }]], device())?;
        Ok(x.broadcast_mul(&factor)?)
    });
    let x = Tensor::new(&[[1f64, 2.0], [3.0, 4.0]], device()).unwrap();
    let solver = Solver::new(Rk4, Fixed::steps(10).unwrap());
    let solution = solver.solve(&bad, &x, 0.0, 1.0).unwrap();
    assert_eq!(
        (solution.status, solution.failed_sample),
        (Status::NonFinite, Some(1))
    );
    let message = solution.end().unwrap_err().to_string();
    assert!(
        message.starts_with(
            "stopped at t = 0.5, after 5 steps accepted and 1 rejected, the last one of size 1.00e-1, \
             sample 1: "
        ),
        "{message}"
    );
}
