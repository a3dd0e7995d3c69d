//! Where integrations stop, and what is refused before they start.

use std::cell::Cell;

use advect_core::testing::device;
use advect_core::{Error, Field, Generator, Key, Result, Time, field_fn};
use advect_solvers::adjoint::{Adjoint, Checkpointed};
use advect_solvers::controller::{Adaptive, Fixed, Norm};
use advect_solvers::divergence::Divergence;
use advect_solvers::divergence::{Exact, HutchPlusPlus, Hutchinson, Probe, Transposed};
use advect_solvers::sde::BrownianPath;
use advect_solvers::stepper::{
    Bosh3, Dopri5, Dopri8, Embedded, Euler, Heun, Method, Rk4, Step, Stepper, Tsit5,
};
use advect_solvers::{Interval, Save, Solver, Status};
use candle_core::{DType, Tensor};

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

fn ones(dtype: DType) -> Tensor {
    Tensor::ones((1, 1), dtype, device()).unwrap()
}

/// Equations whose solutions from 1 at t = 0 are infinite, and where.
fn explosions() -> Vec<(&'static str, Box<dyn Field>, f64)> {
    vec![
        ("x²", Box::new(field_fn(|_, x| Ok(x.sqr()?))), 1.0),
        ("x³", Box::new(field_fn(|_, x| Ok(x.powf(3.0)?))), 0.5),
        (
            "x^1.5",
            Box::new(field_fn(|_, x| Ok(x.abs()?.powf(1.5)?))),
            2.0,
        ),
        (
            "x/(1 − t)",
            Box::new(field_fn(|t, x| {
                let rates: Vec<f64> = t.values()?.iter().map(|t| 1.0 / (1.0 - t)).collect();
                let rates = Tensor::new(rates, device())?.to_dtype(x.dtype())?;
                Ok(x.broadcast_mul(&rates.unsqueeze(1)?)?)
            })),
            1.0,
        ),
    ]
}

/// The same equation with time reversed.
struct Backwards<'a>(&'a dyn Field);

impl Field for Backwards<'_> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let t = match t {
            Time::Shared(t) => Time::Shared(-t),
            Time::PerSample(t) => Time::PerSample(t.neg()?),
        };
        Ok(self.0.at(&t, x)?.neg()?)
    }
}

/// Whether a step may also end where the field itself is infinite, or beyond the largest number of f32.
fn may_overflow(name: &str, dtype: DType) -> bool {
    name == "x/(1 − t)" || (name == "x^1.5" && dtype == DType::F32)
}

#[test]
fn singularities_underflow() {
    for (name, field, at) in explosions() {
        for dtype in [DType::F64, DType::F32] {
            let x = ones(dtype);
            let runs: [(&dyn Embedded, f64, usize); 6] = [
                (&Dopri5, 1e-5, 3_000),
                (&Dopri5, 1e-3, 3_000),
                (&Tsit5, 1e-5, 5_000),
                (&Dopri8, 1e-5, 10_000),
                (&Bosh3, 1e-4, 20_000),
                (&Heun, 1e-3, 50_000),
            ];
            // A long step of many stages may pass over a pole of the equation itself.
            let count = match name {
                "x/(1 − t)" if dtype == DType::F64 => 3,
                "x/(1 − t)" => 0,
                _ => runs.len(),
            };
            for (i, (stepper, tolerance, most)) in runs.into_iter().take(count).enumerate() {
                let what = format!("{name}, {dtype:?}, {tolerance}, {i}");
                let solver = Solver::new(stepper, adaptive(tolerance));
                let forwards = solver.solve(&*field, &x, 0.0, 2.5).unwrap();
                let back = solver.solve(&Backwards(&*field), &x, 0.0, -2.5).unwrap();
                for (solution, t) in [(&forwards, at), (&back, -at)] {
                    let status = solution.status;
                    let overflowed = status == Status::NonFinite && may_overflow(name, dtype);
                    assert!(
                        status == Status::StepUnderflow || overflowed,
                        "{what}: {status:?}"
                    );
                    assert!((solution.last_time - t).abs() < 0.1, "{what}");
                    let evaluations = solution.statistics.evaluations;
                    assert!(evaluations < most, "{what}: {evaluations}");
                }
                assert_eq!(forwards.statistics, back.statistics, "{what}");
            }
        }
    }
    // Where it was tried 600,002 times.
    for (_, field, at) in explosions() {
        let solver = Solver::new(Dopri5, adaptive(1e-5));
        let solution = solver.solve(&*field, &ones(DType::F64), 0.0, 2.5).unwrap();
        assert_eq!(solution.status, Status::StepUnderflow);
        assert!((solution.last_time - at).abs() < 1e-4);
    }
}

#[test]
fn singularities_underflow_for_each_sample() {
    for (name, field, _) in explosions() {
        for dtype in [DType::F64, DType::F32] {
            let x = ones(dtype);
            let small = (&x * 1e-3).unwrap();
            let both = Tensor::cat(&[&x, &small], 0).unwrap();
            let solver = Solver::new(Dopri5, adaptive(1e-5).norm_by(Norm::Max));
            let each = solver
                .integration(&*field, &both, 0.0, 2.5)
                .each_sample()
                .run()
                .unwrap();
            let whole = solver.solve(&*field, &x, 0.0, 2.5).unwrap();
            assert_eq!(each.statuses[0], whole.status, "{name}");
            assert_ne!(whole.status, Status::StepLimit, "{name}");
            assert_eq!(each.statistics[0], whole.statistics, "{name}");
            // The linear equation is singular for all.
            if name != "x/(1 − t)" {
                assert_eq!(each.statuses[1], Status::Reached, "{name}");
            }
        }
    }
}

/// A stochastic method with an error estimate, on a path of its own.
struct StochasticHeun(BrownianPath);

impl Method for StochasticHeun {
    fn order(&self) -> f64 {
        1.0
    }
}

impl Stepper for StochasticHeun {
    fn step(
        &self,
        field: &dyn Field,
        interval: &Interval,
        x: &Tensor,
        slope: Option<&Tensor>,
    ) -> Result<Step> {
        let Interval::Shared { start, end } = interval else {
            panic!("one clock")
        };
        let h = end - start;
        let noise = (self.0.increment(*start, *end)? * 0.01)?;
        let first = match slope {
            Some(slope) => slope.clone(),
            None => field.at(&Time::Shared(*start), x)?,
        };
        let ahead = ((x + (&first * h)?)? + &noise)?;
        let second = field.at(&Time::Shared(*end), &ahead)?;
        let difference = ((&second - &first)? * (0.5 * h))?;
        let mut step = Step::new((&ahead + &difference)?, first);
        step.error = Some(difference);
        Ok(step)
    }
}

impl Embedded for StochasticHeun {
    fn error_order(&self) -> f64 {
        1.0
    }
}

#[test]
fn singularities_of_stochastic_equations_underflow() {
    let x = ones(DType::F64);
    let path = BrownianPath::new(Key::from_seed(1), &x, 0.0, 2.0).unwrap();
    let solver = Solver::new(StochasticHeun(path), adaptive(1e-3));
    let explosion = field_fn(|_, x| Ok(x.sqr()?));
    let solution = solver.solve(&explosion, &x, 0.0, 2.0).unwrap();
    assert_eq!(solution.status, Status::StepUnderflow);
    assert!(solution.statistics.evaluations < 50_000);
    // Without a singularity it gets there.
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let solution = solver.solve(&decay, &x, 0.0, 2.0).unwrap();
    assert_eq!(solution.status, Status::Reached);
}

/// Counts the calls of a field.
fn counted<'a>(calls: &'a Cell<usize>, field: impl Field + 'a) -> impl Field + 'a {
    field_fn(move |t, x| {
        calls.set(calls.get() + 1);
        field.at(t, x)
    })
}

#[test]
fn slopes_that_are_not_finite_at_the_start_are_refused_at_once() {
    let calls = Cell::new(0);
    for value in [f64::NAN, f64::INFINITY] {
        let broken = counted(&calls, field_fn(move |_, x| Ok((x.ones_like()? * value)?)));
        for dtype in [DType::F64, DType::F32] {
            for (controller, most) in [
                (adaptive(1e-6), 1),
                (adaptive(1e-6).first_step(0.1).unwrap(), 7),
            ] {
                calls.set(0);
                let solver = Solver::new(Dopri5, controller);
                let solution = solver.solve(&broken, &ones(dtype), 0.0, 1.0).unwrap();
                assert_eq!(
                    (solution.status, solution.failed_sample, solution.last_time),
                    (Status::NonFinite, Some(0), 0.0)
                );
                assert!(calls.get() <= most, "{}", calls.get());
                assert!(matches!(solution.end(), Err(Error::Stopped { .. })));
            }
        }
    }
    // One sample of three.
    let one = field_fn(|_, x| Ok(x.sqrt()?));
    let x = Tensor::new(&[[1f64], [-1.0], [4.0]], device()).unwrap();
    for controller in [adaptive(1e-6), adaptive(1e-6).first_step(0.1).unwrap()] {
        let solver = Solver::new(Dopri5, controller);
        let solution = solver.solve(&one, &x, 0.0, 1.0).unwrap();
        assert_eq!(
            (solution.status, solution.failed_sample),
            (Status::NonFinite, Some(1))
        );
        let each = solver
            .integration(&one, &x, 0.0, 1.0)
            .each_sample()
            .run()
            .unwrap();
        let reached = Status::Reached;
        assert_eq!(each.statuses, [reached, Status::NonFinite, reached]);
        assert!(each.statistics[1].evaluations <= 8);
        let end = each.last_state.to_vec2::<f64>().unwrap();
        assert!((end[0][0] - 2.25).abs() < 1e-5 && end[1][0] == -1.0);
    }
}

/// A slope that is NaN after some steps is not tried again and again either.
#[test]
fn slopes_that_are_not_finite_later_are_no_reason_to_shrink() {
    let calls = Cell::new(0);
    // The last stage of a method without reuse does not see it.
    let late = counted(
        &calls,
        field_fn(|t, x| {
            let bad = matches!(t, Time::Shared(t) if *t == 0.5);
            Ok(if bad {
                (x * f64::NAN)?
            } else {
                x.zeros_like()?
            })
        }),
    );
    let solver = Solver::new(Heun, adaptive(1e-6));
    let x = ones(DType::F64);
    assert!(
        solver
            .integration(&late, &x, 0.0, 0.45)
            .save(Save::At(vec![0.4]))
            .run()
            .unwrap()
            .end()
            .is_ok()
    );
    calls.set(0);
    let solution = solver
        .integration(&late, &x, 0.5, 1.0)
        .save(Save::End)
        .run()
        .unwrap();
    assert_eq!((solution.status, calls.get()), (Status::NonFinite, 1));
}

#[test]
fn times_that_f64_does_not_resolve_are_refused() {
    let calls = Cell::new(0);
    let decay = counted(
        &calls,
        field_fn(|t, x| {
            assert!(t.values()?.iter().all(|t| t.is_finite()));
            Ok(x.neg()?)
        }),
    );
    let x = ones(DType::F64);
    let solver = Solver::new(Dopri5, adaptive(1e-6));
    let refused = |result: Result<advect_solvers::Solution>, name: &str| match result {
        Err(Error::Range { argument, .. }) => assert_eq!(argument, name),
        other => panic!("{name}: {other:?}"),
    };
    for (start, end) in [(-1e308, 1e308), (f64::MAX, f64::MIN)] {
        calls.set(0);
        refused(solver.solve(&decay, &x, start, end), "end");
        assert!(matches!(
            solver
                .integration(&decay, &x, start, end)
                .each_sample()
                .run(),
            Err(Error::Range { .. })
        ));
        let fixed = Solver::new(Rk4, Fixed::steps(3).unwrap());
        refused(fixed.solve(&decay, &x, start, end), "end");
        assert!(BrownianPath::new(Key::from_seed(0), &x, start, end).is_err());
        assert_eq!(calls.get(), 0);
    }
    for (start, end) in [(1e16, 1e16 + 2.0), (1e16, 1e16 + 1e6), (-1e16, -1e16 - 2.0)] {
        refused(solver.solve(&decay, &x, start, end), "start");
        assert!(matches!(
            solver.integration(&decay, &x, start, end).each_sample().run(),
            Err(Error::Range { argument, .. }) if argument == "start"
        ));
        let first = Solver::new(Dopri5, adaptive(1e-6).first_step(0.1).unwrap());
        refused(first.solve(&decay, &x, start, end), "start");
    }
    let fixed = Solver::new(Rk4, Fixed::steps(10).unwrap());
    refused(fixed.solve(&decay, &x, 1e16, 1e16 + 2.0), "controller");
    let tiny = Solver::new(Rk4, Fixed::size(1e-300).unwrap());
    refused(tiny.solve(&decay, &x, 0.0, 1.0), "controller");
    // A few roundings are one step, and Unix time is resolved.
    for (start, end) in [
        (0.7, 0.7f64.next_up()),
        (0.7, 0.7 + 4e-16),
        (1.0, 1.0 - 1e-15),
        (0.0, 1e-320),
        (1.7e9, 1.7e9 + 1.0),
    ] {
        let solution = solver.solve(&decay, &x, start, end).unwrap();
        assert_eq!(
            (solution.status, solution.last_time),
            (Status::Reached, end)
        );
    }
    let zero = x.zeros_like().unwrap();
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let end = solver.solve(&clock, &zero, 1.7e9, 1.7e9 + 1.0).unwrap();
    assert!((end.end().unwrap().to_vec2::<f64>().unwrap()[0][0] - 1.0).abs() < 1e-6);
}

#[test]
fn zeros_of_time_have_no_sign() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let nan = field_fn(|_, x| Ok((x * f64::NAN)?));
    let x = ones(DType::F64);
    let solver = Solver::new(Dopri5, adaptive(1e-6));
    let dense = solver
        .integration(&decay, &x, 1.0, -0.0)
        .save(Save::Dense)
        .run()
        .unwrap();
    let path = BrownianPath::new(Key::from_seed(0), &x, -0.0, 1.0).unwrap();
    let messages = [
        solver
            .solve(&nan, &x, -0.0, 1.0)
            .unwrap()
            .end()
            .unwrap_err(),
        dense.at(2.0).unwrap_err(),
        dense.steps[dense.steps.len() - 1].at(2.0).unwrap_err(),
        path.increment(0.0, 2.0).unwrap_err(),
        solver
            .integration(&decay, &x, -0.0, 1.0)
            .save(Save::At(vec![2.0]))
            .run()
            .unwrap_err(),
        solver
            .integration(&decay, &x, 1.0, -0.0)
            .save(Save::At(vec![2.0]))
            .run()
            .unwrap_err(),
    ];
    for message in messages.map(|e| e.to_string()) {
        assert!(!message.contains("-0"), "{message}");
    }
    let saved = solver
        .integration(&decay, &x, 1.0, 0.0)
        .save(Save::At(vec![1.0, -0.0]))
        .run()
        .unwrap();
    assert!(saved.times[1].is_sign_positive() && saved.last_time.is_sign_positive());
}

#[test]
fn absurd_sizes_are_refused() {
    let x = ones(DType::F64);
    let mut rng = Generator::from_seed(0);
    assert!(Fixed::steps(usize::MAX).is_err());
    for count in [1 << 32, 1 << 62, usize::MAX] {
        let path = BrownianPath::new(Key::from_seed(0), &x, 0.0, 1.0).unwrap();
        assert!(matches!(path.cells(count), Err(Error::Range { .. })));
        let probes = Hutchinson::new(Probe::Rademacher, count, &x, &mut rng);
        assert!(matches!(probes, Err(Error::Range { .. })));
        let probes = HutchPlusPlus::new(1, count, &x, &mut rng);
        assert!(matches!(probes, Err(Error::Range { .. })));
        assert!(HutchPlusPlus::new(count, 1, &x, &mut rng).is_err());
    }
    let late = BrownianPath::new(Key::from_seed(0), &x, 1e6, 1e6 + 1e-6).unwrap();
    assert!(late.cells(1 << 20).is_err());
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let solver = Solver::new(Rk4, Fixed::steps(3).unwrap());
    let solution = solver
        .integration(&decay, &x, 0.0, 1.0)
        .save(Save::Every(usize::MAX))
        .run()
        .unwrap();
    assert_eq!(solution.times, [0.0, 1.0]);
    let many = Solver::new(Dopri5, adaptive(1e-3).max_steps(usize::MAX).unwrap());
    assert!(many.solve(&decay, &x, 0.0, 1.0).unwrap().end().is_ok());
    let start = candle_core::Var::from_tensor(&x).unwrap();
    for count in [usize::MAX, usize::MAX / 2, 1 << 62] {
        let all = Checkpointed::new(solver.clone(), count).unwrap();
        let solution = all.solve(&std::sync::Arc::new(decay), &[], &start, &[0.0, 1.0]);
        assert!(solution.unwrap().end().unwrap().backward().is_ok());
    }
}

#[test]
fn integers_are_refused() {
    let mut rng = Generator::from_seed(0);
    let decay = field_fn(|_, x| Ok(x.clone()));
    let t = Time::Shared(0.0);
    for dtype in [DType::U8, DType::U32, DType::I64] {
        let x = ones(dtype);
        let typed = |result: Result<()>| {
            assert!(matches!(result, Err(Error::DType { .. })), "{result:?}");
        };
        for probe in [Probe::Rademacher, Probe::Gaussian] {
            typed(probe.draw(&x, &mut rng).map(|_| ()));
            typed(probe.draw_by_sample(0, &x, &mut rng).map(|_| ()));
            typed(Hutchinson::new(probe, 1, &x, &mut rng).map(|_| ()));
        }
        typed(HutchPlusPlus::new(1, 1, &x, &mut rng).map(|_| ()));
        typed(Exact.at(&Transposed::new(&decay), &t, &x).map(|_| ()));
        typed(BrownianPath::new(Key::from_seed(0), &x, 0.0, 1.0).map(|_| ()));
        let solver = Solver::new(Euler, Fixed::steps(1).unwrap());
        typed(solver.solve(&decay, &x, 0.0, 1.0).map(|_| ()));
        let solver = Solver::new(Dopri5, adaptive(1e-3));
        typed(
            solver
                .integration(&decay, &x, 0.0, 1.0)
                .each_sample()
                .run()
                .map(|_| ()),
        );
    }
}
