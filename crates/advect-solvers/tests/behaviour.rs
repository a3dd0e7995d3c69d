//! What the integration loop promises, whatever the method.

use std::cell::RefCell;

use advect_core::testing::problems::{Forced, Problem, Rotation};
use advect_core::testing::{assert_close, device};
use advect_core::{Error, Time, field_fn};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{Dopri5, Embedded, Euler, Rk4, Stepper};
use advect_solvers::{Save, Solver, Status};
use candle_core::{DType, Tensor};

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

#[test]
fn adaptive_error_follows_the_tolerance() {
    let x0 = Forced.solution(0.0).unwrap();
    for tolerance in [1e-4, 1e-7, 1e-10] {
        let end = Solver::new(Dopri5, adaptive(tolerance))
            .solve(&Forced, &x0, 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap();
        assert_close(
            &end,
            &Forced.solution(1.0).unwrap(),
            20.0 * tolerance,
            20.0 * tolerance,
        );
    }
}

#[test]
fn saved_states_lie_on_the_solution() {
    let problem = Rotation { omega: 2.0 };
    let times = vec![0.0, 0.01, 0.5, 0.77, 3.0];
    let solution = Solver::new(Dopri5, adaptive(1e-10))
        .integration(&problem, &problem.solution(0.0).unwrap(), 0.0, 3.0)
        .save(Save::At(times.clone()))
        .run()
        .unwrap();
    assert_eq!(solution.times, times);
    for (t, x) in times.iter().zip(&solution.states) {
        assert_close(x, &problem.solution(*t).unwrap(), 1e-8, 1e-8);
    }
}

#[test]
fn backwards_in_time() {
    let end = Solver::new(Dopri5, adaptive(1e-10))
        .integration(&Forced, &Forced.solution(1.0).unwrap(), 1.0, 0.0)
        .save(Save::At(vec![0.6, 0.2]))
        .run()
        .unwrap();
    assert_close(&end.states[1], &Forced.solution(0.2).unwrap(), 1e-8, 0.0);
    assert_close(
        &end.end().unwrap(),
        &Forced.solution(0.0).unwrap(),
        1e-8,
        0.0,
    );
}

#[test]
fn n_steps_mean_n_steps_and_end_at_the_end() {
    let times = RefCell::new(Vec::new());
    let field = field_fn(|t, x| {
        times.borrow_mut().extend(t.values()?);
        Ok(x.neg()?)
    });
    let x0 = Tensor::new(&[1f32], device()).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(49).unwrap());
    let solution = solver.solve(&field, &x0, 0.3, 0.7).unwrap();
    assert_eq!(
        (solution.last_time, solution.statistics.accepted),
        (0.7, 49)
    );
    assert_eq!((times.borrow().len(), times.borrow()[0]), (49, 0.3));
}

#[test]
fn a_cut_step_does_not_move_the_grid() {
    let times = RefCell::new(Vec::new());
    let field = field_fn(|t, x| {
        times.borrow_mut().extend(t.values()?);
        Ok(x.neg()?)
    });
    let x0 = Tensor::new(&[1f64], device()).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(4).unwrap());
    solver
        .integration(&field, &x0, 0.0, 1.0)
        .save(Save::At(vec![0.6]))
        .run()
        .unwrap();
    assert_eq!(*times.borrow(), [0.0, 0.25, 0.5, 0.6, 0.75]);
}

#[test]
fn rejected_steps_keep_their_first_slope() {
    // The first slope of each step is f at its start: with f0 kept, every rejection costs 6, not 7.
    let stiff = field_fn(|t, x| t.coefficient(|t| (50.0 * t).sin() * 50.0)?.times(x));
    let x0 = Tensor::new(&[1f64], device()).unwrap();
    let s = Solver::new(Dopri5, adaptive(1e-6))
        .solve(&stiff, &x0, 0.0, 1.0)
        .unwrap()
        .statistics;
    assert!(s.rejected > 0);
    assert_eq!(s.evaluations, 2 + 6 * (s.accepted + s.rejected));
}

#[test]
fn nothing_is_lost_when_it_stops() {
    let x0 = Tensor::new(&[1f64], device()).unwrap();
    let late_nan = field_fn(|t, x| {
        let bad = matches!(t, Time::Shared(t) if *t > 0.5);
        Ok((x * if bad { f64::NAN } else { 1.0 })?)
    });
    let solution = Solver::new(Dopri5, adaptive(1e-6))
        .integration(&late_nan, &x0, 0.0, 1.0)
        .save(Save::Every(1))
        .run()
        .unwrap();
    assert_eq!(solution.status, Status::NonFinite);
    assert!(
        solution.last_time > 0.4 && solution.last_time <= 0.5,
        "{}",
        solution.last_time
    );
    assert_close(
        &solution.last_state,
        &Tensor::new(&[solution.last_time.exp()], device()).unwrap(),
        1e-4,
        0.0,
    );
    assert!(matches!(solution.end(), Err(Error::Stopped { .. })));

    let fixed = Solver::new(Rk4, Fixed::steps(10).unwrap())
        .solve(&late_nan, &x0, 0.0, 1.0)
        .unwrap();
    assert_eq!((fixed.status, fixed.last_time), (Status::NonFinite, 0.5));

    let few = Solver::new(Dopri5, adaptive(1e-9).max_steps(3).unwrap());
    let solution = few.solve(&Forced, &x0, 0.0, 1.0).unwrap();
    assert_eq!(solution.status, Status::StepLimit);
    assert!(solution.last_time > 0.0);
}

#[test]
fn every_float_dtype_and_rank() {
    for dtype in [DType::F64, DType::F32, DType::BF16, DType::F16] {
        for dims in [vec![3], vec![2, 3], vec![2, 1, 3, 2]] {
            let x0 = Tensor::ones(dims, dtype, device()).unwrap();
            let decay = field_fn(|_, x| Ok(x.neg()?));
            let end = Solver::new(Dopri5, adaptive(1e-3))
                .solve(&decay, &x0, 0.0, 1.0)
                .unwrap();
            assert_eq!(end.end().unwrap().dtype(), dtype);
            let expected = (x0.ones_like().unwrap() * (-1f64).exp()).unwrap();
            assert_close(&end.end().unwrap(), &expected, 3e-2, 0.0);
        }
    }
}

#[test]
fn bad_arguments_are_typed_errors() {
    let solver = Solver::new(Euler, Fixed::steps(2).unwrap());
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let x0 = Tensor::new(&[[1f32, 2.0]], device()).unwrap();
    let range = |name: &str, result: advect_core::Result<advect_solvers::Solution>| match result {
        Err(Error::Range { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{other:?}"),
    };
    range("end", solver.solve(&decay, &x0, 0.0, f64::NAN));
    range("start", solver.solve(&decay, &x0, f64::INFINITY, 0.0));
    for times in [
        vec![0.5, 0.2],
        vec![1.5],
        vec![-0.1],
        vec![f64::NAN],
        vec![0.2, 0.2],
    ] {
        range(
            "save",
            solver
                .integration(&decay, &x0, 0.0, 1.0)
                .save(Save::At(times))
                .run(),
        );
    }
    range(
        "save",
        solver
            .integration(&decay, &x0, 0.0, 1.0)
            .save(Save::Every(0))
            .run(),
    );
    range(
        "save",
        solver
            .integration(&decay, &x0, 0.0, 0.0)
            .save(Save::At(vec![5.0]))
            .run(),
    );
    range(
        "save",
        solver
            .integration(&decay, &x0, 0.0, 1e-200)
            .save(Save::At(vec![2e-200]))
            .run(),
    );
    let grid = Solver::new(Euler, Fixed::grid(&[0.2, 0.4]).unwrap());
    range("times", grid.solve(&decay, &x0, 1.0, 0.0));

    let nan = Tensor::new(&[f32::NAN], device()).unwrap();
    assert!(matches!(
        solver.solve(&decay, &nan, 0.0, 1.0),
        Err(Error::NonFinite { .. })
    ));
    let empty = x0.narrow(0, 0, 0).unwrap();
    assert!(matches!(
        solver.solve(&decay, &empty, 0.0, 1.0),
        Err(Error::Empty { .. })
    ));
    let integers = x0.to_dtype(DType::U32).unwrap();
    assert!(matches!(
        solver.solve(&decay, &integers, 0.0, 1.0),
        Err(Error::DType { .. })
    ));
    let narrow = field_fn(|_, x| Ok(x.narrow(1, 0, 1)?));
    assert!(
        matches!(solver.solve(&narrow, &x0, 0.0, 1.0), Err(Error::Shape { argument, .. }) if argument == "field")
    );
}

#[test]
fn methods_can_be_chosen_at_run_time() {
    let x0 = Forced.solution(0.0).unwrap();
    let fixed: [&dyn Stepper; 2] = [&Euler, &Rk4];
    for stepper in fixed {
        let solver = Solver::new(stepper, Fixed::steps(10).unwrap());
        assert!(solver.solve(&Forced, &x0, 0.0, 1.0).unwrap().end().is_ok());
    }
    let embedded: &dyn Embedded = &Dopri5;
    let a = Solver::new(embedded, adaptive(1e-6))
        .solve(&Forced, &x0, 0.0, 1.0)
        .unwrap();
    let b = Solver::new(Dopri5, adaptive(1e-6))
        .solve(&Forced, &x0, 0.0, 1.0)
        .unwrap();
    assert_close(&a.last_state, &b.last_state, 0.0, 0.0);
}

#[test]
fn where_nothing_is_integrated_the_start_is_the_end() {
    let x0 = Forced.solution(0.0).unwrap();
    let solver = Solver::new(Euler, Fixed::steps(3).unwrap());
    let solution = solver
        .integration(&Forced, &x0, 0.5, 0.5)
        .save(Save::At(vec![0.5]))
        .run()
        .unwrap();
    assert_eq!(
        (
            solution.status,
            solution.times,
            solution.statistics.evaluations
        ),
        (Status::Reached, vec![0.5], 0)
    );
}
