//! Fields that jump at known times.

use std::cell::RefCell;
use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Error, Field, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Backsolve, Checkpointed, Unrolled};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::stepper::{
    Bosh3, Dopri5, Dopri8, Euler, Heun, Midpoint, Ralston, Rk4, Stepper, Tsit5,
};
use advect_solvers::{Event, Save, Solver};
use candle_core::{Tensor, Var};

fn number(x: &Tensor) -> f64 {
    x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
}

fn zero() -> Tensor {
    Tensor::new(&[0f64], device()).unwrap()
}

/// `dx/dt = g(t)`.
fn of_time(g: impl Fn(f64) -> f64) -> impl Field {
    field_fn(move |t, x: &Tensor| t.coefficient(&g)?.times(&x.ones_like()?))
}

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

/// A slope of 1 from t = 1: each method gives the integral exactly, in both directions.
#[test]
fn a_switch_costs_no_order() {
    let switch = of_time(|t| f64::from(u8::from(t >= 1.0)));
    let methods: [&dyn Stepper; 9] = [
        &Euler, &Midpoint, &Heun, &Ralston, &Rk4, &Bosh3, &Dopri5, &Tsit5, &Dopri8,
    ];
    let x = zero();
    for method in methods {
        for steps in [2, 4, 5] {
            let solver = Solver::new(method, Fixed::steps(steps).unwrap());
            for (from, to, expected) in [(0.0, 2.0, 1.0), (2.0, 0.0, -1.0)] {
                let run = solver
                    .integration(&switch, &x, from, to)
                    .jumps(&[1.0])
                    .unwrap();
                let end = number(&run.run().unwrap().end().unwrap());
                assert!((end - expected).abs() < 1e-14, "{steps}, {from}: {end}");
            }
        }
    }
    // Without the time of the jump, steps that end or begin there see its other side.
    let blind: [(&dyn Stepper, f64, f64, f64); 3] = [
        (&Rk4, 0.0, 2.0, 13.0 / 12.0),
        (&Heun, 0.0, 2.0, 1.25),
        (&Euler, 2.0, 0.0, -1.5),
    ];
    for (method, from, to, expected) in blind {
        let solver = Solver::new(method, Fixed::steps(4).unwrap());
        let end = number(&solver.solve(&switch, &x, from, to).unwrap().end().unwrap());
        assert!((end - expected).abs() < 1e-14, "{end}, {expected}");
    }
}

/// Dense output and states saved at a jump are those of the exact solution, whose slope has two values there.
#[test]
fn states_around_jumps_are_exact() {
    // Slopes 2, −1 and 0.5.
    let slopes = of_time(|t| match t {
        t if t < 0.3 => 2.0,
        t if t < 0.7 => -1.0,
        _ => 0.5,
    });
    let truth = |t: f64| 2.0 * t.min(0.3) - (t.min(0.7) - 0.3).max(0.0) + 0.5 * (t - 0.7).max(0.0);
    for (from, to) in [(0.0, 1.0), (1.0, 0.0)] {
        let start = (zero() + truth(from)).unwrap();
        let solver = Solver::new(Tsit5, adaptive(1e-6));
        let run = solver.integration(&slopes, &start, from, to);
        let dense = run
            .jumps(&[0.7, 0.3])
            .unwrap()
            .save(Save::Dense)
            .run()
            .unwrap();
        for i in 0..=100 {
            let t = f64::from(i) / 100.0;
            assert!(
                (number(&dense.at(t).unwrap()) - truth(t)).abs() < 1e-14,
                "{t}"
            );
        }
        let mut times = vec![0.2, 0.3, 0.5, 0.7, 0.9];
        if from > to {
            times.reverse();
        }
        let run = solver.integration(&slopes, &start, from, to);
        let saved = run
            .jumps(&[0.3, 0.7])
            .unwrap()
            .save(Save::At(times.clone()))
            .run()
            .unwrap();
        assert_eq!(saved.times, times);
        for (t, x) in saved.times.iter().zip(&saved.states) {
            assert!((number(x) - truth(*t)).abs() < 1e-14);
        }
        assert_eq!(dense.statistics.rejected, 0);
    }
}

/// A pulse of a thousandth of the span is stepped over without its times, and never with them.
#[test]
fn pulses_are_not_missed() {
    let pulse = of_time(|t| {
        if (0.5..0.501).contains(&t) {
            1000.0
        } else {
            0.0
        }
    });
    let solver = Solver::new(Dopri5, adaptive(1e-6));
    let missed = number(
        &solver
            .solve(&pulse, &zero(), 0.0, 1.0)
            .unwrap()
            .end()
            .unwrap(),
    );
    assert_eq!(missed, 0.0);
    let x = zero();
    for (from, to) in [(0.0, 1.0), (1.0, 0.0)] {
        let run = solver
            .integration(&pulse, &x, from, to)
            .jumps(&[0.5, 0.501])
            .unwrap();
        let end = number(&run.run().unwrap().end().unwrap());
        assert!((end - (to - from)).abs() < 1e-12, "{end}");
    }
}

/// A linear equation with a rate that is constant piece by piece has a closed form, and a method keeps its order on it.
#[test]
fn piecewise_constant_rates_keep_the_order() {
    let rate = |t: f64| [1.0, -2.0, 0.5, 3.0][((t * 4.0) as usize).min(3)];
    let field = field_fn(move |t, x: &Tensor| t.coefficient(rate)?.times(x));
    let x = Tensor::new(&[1f64], device()).unwrap();
    let truth = (0.25 * (1.0 - 2.0 + 0.5 + 3.0f64)).exp();
    let jumps = [0.25, 0.5, 0.75];
    let error = |steps: usize, jumps: &[f64]| {
        let solver = Solver::new(Rk4, Fixed::steps(steps).unwrap());
        let run = solver
            .integration(&field, &x, 0.0, 1.0)
            .jumps(jumps)
            .unwrap();
        (number(&run.run().unwrap().end().unwrap()) - truth).abs()
    };
    for steps in [32, 64] {
        let order = (error(steps, &jumps) / error(2 * steps, &jumps)).log2();
        assert!((order - 4.0).abs() < 0.3, "{order}");
        let blind = (error(steps, &[]) / error(2 * steps, &[])).log2();
        assert!(blind < 1.5, "{blind}");
    }
    // Adaptive steps need few evaluations and no rejections.
    let solver = Solver::new(Dopri5, adaptive(1e-8));
    let solve = |jumps: &[f64]| {
        let run = solver
            .integration(&field, &x, 0.0, 1.0)
            .jumps(jumps)
            .unwrap();
        run.run().unwrap()
    };
    let (with, without) = (solve(&jumps), solve(&[]));
    assert!((number(&with.end().unwrap()) - truth).abs() < 1e-8);
    assert!(with.statistics.evaluations < without.statistics.evaluations);
    assert!(with.statistics.rejected < without.statistics.rejected);
}

/// No step sees a time beyond a jump that it ends or begins at, and a step's last slope does not go into the next.
#[test]
fn each_step_stays_on_its_side() {
    let seen = RefCell::new(Vec::new());
    let field = field_fn(|t: &Time, x: &Tensor| {
        seen.borrow_mut().extend(t.values()?);
        Ok(x.ones_like()?)
    });
    let x = Tensor::new(&[0f64, 1.0], device()).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-6).first_step(0.4).unwrap());
    let shared = solver
        .integration(&field, &x, 0.0, 2.0)
        .jumps(&[1.0])
        .unwrap();
    assert!(shared.run().unwrap().end().is_ok());
    let own = solver
        .integration(&field, &x, 0.0, 2.0)
        .jumps(&[1.0])
        .unwrap();
    assert!(own.each_sample().run().unwrap().end().is_ok());
    let seen = seen.into_inner();
    assert!(!seen.contains(&1.0));
    let near = |side: f64| {
        seen.iter()
            .any(|t| (t - 1.0) * side > 0.0 && (t - 1.0).abs() < 1e-14)
    };
    assert!(near(1.0) && near(-1.0));
}

#[test]
fn samples_with_clocks_of_their_own_stop_at_jumps() {
    let field = field_fn(|t: &Time, x: &Tensor| {
        let rate = t.coefficient(|t| if t < 1.0 { -1.0 } else { 2.0 })?;
        rate.times(x)
    });
    let x = Tensor::new(&[[1f64], [100.0], [0.01]], device()).unwrap();
    let solver = Solver::new(Tsit5, adaptive(1e-10));
    for (from, to, log) in [(0.0, 2.0, 1.0), (2.0, 0.0, -1.0)] {
        let run = solver
            .integration(&field, &x, from, to)
            .jumps(&[1.0])
            .unwrap();
        let solution = run.each_sample().run().unwrap();
        let end = solution
            .end()
            .unwrap()
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap();
        for (end, start) in end.iter().zip([1.0, 100.0, 0.01]) {
            assert!((end / start / f64::exp(log) - 1.0).abs() < 1e-6, "{end}");
        }
        let blind = solver
            .integration(&field, &x, from, to)
            .each_sample()
            .run()
            .unwrap();
        for (with, without) in solution.statistics.iter().zip(&blind.statistics) {
            assert!(with.rejected < without.rejected, "{with:?}, {without:?}");
        }
    }
}

/// An event beside a jump is found on its own side, where the state's slope is that side's.
#[test]
fn events_near_jumps_are_located() {
    let field = of_time(|t| if t < 1.0 { 1.0 } else { 10.0 });
    let x = zero();
    let solver = Solver::new(Rk4, Fixed::steps(4).unwrap());
    for level in [0.9, 1.0 - 1e-9, 1.0 + 1e-9, 1.2] {
        let event = Event::new(move |_, x: &Tensor| Ok(number(x) - level));
        let run = solver
            .integration(&field, &x, 0.0, 2.0)
            .jumps(&[1.0])
            .unwrap();
        let at = run.until(&event).run().unwrap().last_time;
        let expected = if level < 1.0 {
            level
        } else {
            1.0 + (level - 1.0) / 10.0
        };
        assert!((at - expected).abs() < 1e-12, "{at}, {expected}");
    }
}

/// `dx/dt = k` from t = 1 on: the derivative of `x(2)²` by k is `2 k`.
#[test]
fn gradients_know_the_jumps() {
    let k = Var::new(&[1.5f64], device()).unwrap();
    let parameters = [k.as_tensor().clone()];
    let rate = k.as_tensor().clone();
    let field = Arc::new(field_fn(move |t: &Time, x: &Tensor| -> Result<Tensor> {
        let on = t.coefficient(|t| f64::from(u8::from(t >= 1.0)))?;
        Ok((on.times(&rate)? + x.zeros_like()?)?)
    }));
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    let check = |solution: advect_solvers::Solution| {
        let end = solution.end().unwrap();
        assert!((number(&end) - 1.5).abs() < 1e-14);
        let gradients = end.sqr().unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(&k).unwrap().to_vec1::<f64>().unwrap()[0];
        assert!((gradient - 3.0).abs() < 1e-13, "{gradient}");
    };
    let x = zero();
    let times = [0.0, 2.0];
    let unrolled = Unrolled::new(solver.clone()).jumps(&[1.0]).unwrap();
    check(unrolled.solve(&field, &parameters, &x, &times).unwrap());
    let checkpointed = Checkpointed::new(solver.clone(), 2)
        .unwrap()
        .jumps(&[1.0, 7.0])
        .unwrap();
    check(checkpointed.solve(&field, &parameters, &x, &times).unwrap());
    let backsolve = Backsolve::new(solver).jumps(&[1.0]).unwrap();
    check(backsolve.solve(&field, &parameters, &x, &times).unwrap());
}

#[test]
fn bad_times_are_refused() {
    let still = of_time(|_| 0.0);
    let x = zero();
    let solver = Solver::new(Rk4, Fixed::steps(2).unwrap());
    for bad in [f64::NAN, f64::INFINITY, -0.5, 2.5] {
        for (from, to) in [(0.0, 2.0), (2.0, 0.0)] {
            let error = solver
                .integration(&still, &x, from, to)
                .jumps(&[1.0, bad])
                .unwrap_err();
            assert!(matches!(error, Error::Range { .. }));
            assert!(error.to_string().starts_with("jumps: got "), "{error}");
        }
    }
    assert!(
        solver
            .integration(&still, &x, 0.0, 2.0)
            .jumps(&[0.0, 2.0])
            .is_ok()
    );
}
