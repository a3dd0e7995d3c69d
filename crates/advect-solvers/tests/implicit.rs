//! Implicit methods: orders, sources of Jacobians, clocks, dtypes, what they cost and how they fail.

use advect_core::testing::problems::{Forced, Problem, Rotation};
use advect_core::testing::{device, measured_order};
use advect_core::{Error, Field, Jvp, Result, Time, field_fn};
use advect_solvers::controller::{Adaptive, Fixed};
use advect_solvers::implicit::{
    ByJvp, Differences, ImplicitEuler, ImplicitRungeKutta, Kvaerno3, Kvaerno4, Kvaerno5, Matrices,
    RadauIia5, Rodas5P, Rosenbrock, TrapezoidalRule, jacobian_fn,
};
use advect_solvers::stepper::{Bosh3, Dopri5, Dopri8, Embedded, Tsit5};
use advect_solvers::{Event, Save, Solver, Status};
use candle_core::{DType, Tensor};

/// All methods with their orders, at the end of a step and within it.
fn methods() -> Vec<(Box<dyn Embedded>, f64, f64)> {
    vec![
        (Box::new(ImplicitEuler), 1.0, 1.0),
        (Box::new(TrapezoidalRule), 2.0, 2.0),
        (Box::new(Kvaerno3), 3.0, 3.0),
        (Box::new(Kvaerno4), 4.0, 3.0),
        (Box::new(Kvaerno5), 5.0, 3.0),
        (Box::new(RadauIia5), 5.0, 3.0),
    ]
}

fn numbers(x: &Tensor) -> Vec<f64> {
    x.to_dtype(DType::F64)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn state(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, (1, values.len()), device()).unwrap()
}

/// `−λ (x − cos t)`, whose solution is near cos t after a short while.
fn relaxation(rate: f64) -> impl Field {
    field_fn(move |t: &Time, x: &Tensor| {
        let goal = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
        Ok(((x - goal)? * -rate)?)
    })
}

#[test]
fn orders_are_as_stated() {
    type Measure<'a> = &'a dyn Fn(&dyn Embedded, usize, bool) -> f64;
    let turn = Rotation { omega: 2.0 };
    let problems: [Measure<'_>; 2] = [
        &|stepper, n, within| error(stepper, &turn, n, within),
        &|stepper, n, within| error(stepper, &Forced, n, within),
    ];
    for (stepper, order, within) in methods() {
        assert_eq!(stepper.order(), order);
        for problem in problems {
            let counts = if order < 4.0 {
                [32, 48, 64]
            } else {
                [24, 32, 48]
            };
            let measured = measured_order(&counts, |n| problem(&stepper, n, false));
            assert!((measured - order).abs() < 0.25, "{order}: {measured}");
            let measured = measured_order(&[12, 16, 24, 32], |n| problem(&stepper, n, true));
            assert!(measured > within - 0.3, "{order} within: {measured}");
        }
    }
}

/// The largest error at the end of n steps, or within them.
fn error(stepper: &dyn Embedded, problem: &impl Problem, n: usize, within: bool) -> f64 {
    let solution = Solver::new(stepper, Fixed::steps(n).unwrap())
        .integration(problem, &problem.solution(0.0).unwrap(), 0.0, 1.0)
        .save(Save::Dense)
        .run()
        .unwrap();
    let at = |t: f64| largest_difference(&solution.at(t).unwrap(), &problem.solution(t).unwrap());
    match within {
        false => at(1.0),
        true => (1..7 * n)
            .map(|i| at(i as f64 / (7 * n) as f64))
            .fold(0.0, f64::max),
    }
}

/// An equation with a rate of 10⁶ takes as many steps as its solution asks for, forwards and backwards in time, and from a
/// start that is far from it.
#[test]
fn stiff_equations_take_few_steps() {
    for (stepper, order, _) in methods() {
        let tolerance = if order < 3.0 { 1e-3 } else { 1e-6 };
        let solver = Solver::new(stepper, Adaptive::new(tolerance, tolerance).unwrap());
        for (rate, end) in [(1e6, 3.0), (-1e6, -3.0)] {
            let solution = solver
                .solve(&relaxation(rate), &state(&[2.0, -1.0]), 0.0, end)
                .unwrap();
            let error = numbers(&solution.end().unwrap())[0] - f64::cos(end);
            assert!(error.abs() < 10.0 * tolerance, "{order}: {error}");
            let steps = solution.statistics.accepted + solution.statistics.rejected;
            assert!(steps < 400, "{order}: {steps} steps");
        }
    }
}

/// x' = −50 x³ + t², written with its derivatives.
struct Cubic;

impl Field for Cubic {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        let drive = t.coefficient(|t| t * t)?.times(&x.ones_like()?)?;
        Ok(((x.powf(3.0)? * -50.0)? + drive)?)
    }
}

impl Jvp for Cubic {
    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let drive = t.coefficient(|t| 2.0 * t * dt)?.times(&x.ones_like()?)?;
        let along = ((x.sqr()? * -150.0)? * dx)?;
        Ok((self.at(t, x)?, (along + drive)?))
    }
}

fn cubic_jacobian(_: &Time, x: &Tensor) -> Result<Matrices> {
    Matrices::from_tensor(&(x.sqr()? * -150.0)?.unsqueeze(2)?)
}

#[test]
fn the_source_of_the_jacobian_does_not_matter() {
    let x = Tensor::new(&[[1f64], [-2.0], [0.1]], device()).unwrap();
    let fixed = Fixed::steps(20).unwrap();
    let ends = [
        Solver::new(Kvaerno4.with_jacobian(ByJvp(Cubic)), fixed.clone())
            .solve(&Cubic, &x, 0.0, 1.0),
        Solver::new(Kvaerno4.with_jacobian(Differences), fixed.clone()).solve(&Cubic, &x, 0.0, 1.0),
        Solver::new(Kvaerno4, fixed.clone()).solve(&Cubic, &x, 0.0, 1.0),
        Solver::new(Kvaerno4.with_jacobian(jacobian_fn(cubic_jacobian)), fixed)
            .solve(&Cubic, &x, 0.0, 1.0),
    ];
    let ends = ends.map(|solution| solution.unwrap());
    for solution in &ends {
        let (first, this) = (ends[0].end().unwrap(), solution.end().unwrap());
        assert!(largest_difference(&first, &this) < 1e-14);
        assert!(solution.statistics.jacobians > 0 && solution.statistics.factorizations > 0);
    }
    // Differences are evaluations of the field, one for each element of a sample.
    let [by_jvp, differences, default, _] = ends.map(|solution| solution.statistics);
    assert_eq!(differences, default);
    assert!(differences.evaluations >= by_jvp.evaluations);
}

/// A linear equation's Jacobian is taken once, and where the step size stays so do the factors.
#[test]
fn what_serves_is_kept() {
    let turn = Rotation { omega: 1.0 };
    let x = turn.solution(0.0).unwrap();
    let solver = Solver::new(Kvaerno5, Fixed::steps(50).unwrap());
    let statistics = solver.solve(&turn, &x, 0.0, 5.0).unwrap().statistics;
    assert_eq!((statistics.jacobians, statistics.factorizations), (1, 2));
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-6).unwrap());
    let statistics = solver.solve(&turn, &x, 0.0, 5.0).unwrap().statistics;
    assert_eq!(statistics.jacobians, 1);
    let steps = statistics.accepted + statistics.rejected;
    assert!(statistics.factorizations <= 2 * steps);
}

#[test]
fn each_sample_may_have_its_own_clock() {
    // Rates of 1 and 10⁵ in one batch.
    let field = field_fn(|t: &Time, x: &Tensor| {
        let goal = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
        let rates = Tensor::new(&[[1.0f64], [1e5]], x.device())?;
        let rates = match x.dim(0)? {
            2 => rates,
            // Those that are left are the slow one, as it takes more steps here, or the fast one.
            _ => return Err(Error::range("x", x.dim(0)?, "2 samples")),
        };
        Ok((x - goal)?.mul(&rates)?.neg()?)
    });
    let x = Tensor::new(&[[2f64], [2.0]], device()).unwrap();
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-7, 1e-7).unwrap());
    let whole = solver.solve(&field, &x, 0.0, 2.0).unwrap().end().unwrap();
    // x(t) = (cos t + sin t)/2 + 3/2 e^(−t)
    let slow = (2f64.cos() + 2f64.sin()) / 2.0 + 1.5 * (-2f64).exp();
    assert!((numbers(&whole)[0] - slow).abs() < 1e-6);
    assert!((numbers(&whole)[1] - 2f64.cos()).abs() < 1e-4);

    // The rate is a column of the state, which does not change.
    let field = field_fn(|t: &Time, x: &Tensor| {
        let (x, rate) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
        let goal = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
        let slope = (x - goal)?.mul(&rate)?.neg()?;
        Ok(Tensor::cat(&[&slope, &rate.zeros_like()?], 1)?)
    });
    let x = Tensor::new(&[[2f64, 1.0], [2.0, 1e5], [0.5, 3.0]], device()).unwrap();
    let each = solver
        .integration(&field, &x, 0.0, 2.0)
        .each_sample()
        .run()
        .unwrap();
    let end = each.end().unwrap();
    for i in 0..3 {
        let alone = x.narrow(0, i, 1).unwrap();
        let alone = solver.solve(&field, &alone, 0.0, 2.0).unwrap();
        let difference = largest_difference(&alone.end().unwrap(), &end.narrow(0, i, 1).unwrap());
        assert!(difference < 1e-7, "{i}: {difference}");
        let (a, b) = (alone.statistics, each.statistics[i]);
        assert!(a.accepted.abs_diff(b.accepted) <= 2, "{i}: {a:?}, {b:?}");
        assert!(b.jacobians > 0 && b.factorizations > 0);
    }
}

#[test]
fn any_shape_and_dtype() {
    let decay = field_fn(|_, x| Ok((x * -1e3)?));
    for (dtype, tolerance) in [
        (DType::F64, 1e-6),
        (DType::F32, 1e-4),
        (DType::F16, 1e-2),
        (DType::BF16, 5e-2),
    ] {
        for dims in [vec![3], vec![2, 3], vec![2, 1, 3, 2]] {
            let x = Tensor::ones(dims, dtype, device()).unwrap();
            for (stepper, ..) in methods().into_iter().skip(2) {
                let solver = Solver::new(stepper, Adaptive::new(tolerance, tolerance).unwrap());
                let end = solver.solve(&decay, &x, 0.0, 1.0).unwrap().end().unwrap();
                assert_eq!((end.dtype(), end.dims()), (dtype, x.dims()));
                assert!(
                    numbers(&end).iter().all(|x| x.abs() < 10.0 * tolerance),
                    "{end}"
                );
            }
        }
    }
}

/// An integration begins with nothing that another one left.
#[test]
fn runs_repeat_bit_by_bit() {
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-6, 1e-6).unwrap());
    let run = |x: f64| {
        numbers(
            &solver
                .solve(&Cubic, &state(&[x]), 0.0, 2.0)
                .unwrap()
                .end()
                .unwrap(),
        )
    };
    let first = run(1.0);
    run(-3.0);
    assert_eq!(first, run(1.0));
}

#[test]
fn events_are_found() {
    let solver = Solver::new(Kvaerno5, Adaptive::new(1e-9, 1e-9).unwrap());
    let half = Event::new(|_, x: &Tensor| Ok(numbers(x)[0] - 0.5));
    let solution = solver
        .integration(&relaxation(1e4), &state(&[1.0]), 0.0, 3.0)
        .until(&half)
        .run()
        .unwrap();
    assert_eq!(solution.status, Status::Event);
    // x = cos t + λ⁻¹ sin t up to λ⁻².
    assert!((solution.last_time - std::f64::consts::FRAC_PI_3).abs() < 2e-4);
    assert!((numbers(&solution.last_state)[0] - 0.5).abs() < 1e-9);
}

#[test]
fn failures_say_where_and_why() {
    let grow = field_fn(|_, x| Ok((x * 2.0)?));
    let exact = |slope: f64| jacobian_fn(move |_: &Time, _: &Tensor| Ok(Matrices::one([[slope]])));
    let x = state(&[1.0]);
    let fixed = || Fixed::size(0.5).unwrap();

    // 1 − h λ = 0
    let solver = Solver::new(ImplicitEuler.with_jacobian(exact(2.0)), fixed());
    let solution = solver.solve(&grow, &x, 0.0, 1.0).unwrap();
    assert_eq!(
        (solution.status, solution.failed_sample),
        (Status::SingularMatrix, Some(0))
    );
    assert_eq!(
        (solution.last_time, solution.rejected_size),
        (0.0, Some(0.5))
    );
    let message = solution.end().unwrap_err().to_string();
    assert!(
        message.contains("singular") && message.contains("of size 5.00e-1"),
        "{message}"
    );
    // Shorter steps don't have it.
    let adaptive = Adaptive::new(1e-2, 1e-2).unwrap().first_step(0.5).unwrap();
    let solver = Solver::new(ImplicitEuler.with_jacobian(exact(2.0)), adaptive);
    assert!(solver.solve(&grow, &x, 0.0, 1.0).unwrap().end().is_ok());

    // A Jacobian of the wrong sign.
    let fast = field_fn(|_, x| Ok((x * -1e3)?));
    let solver = Solver::new(Kvaerno3.with_jacobian(exact(1e3)), fixed());
    let solution = solver.solve(&fast, &x, 0.0, 1.0).unwrap();
    assert_eq!(solution.status, Status::NoConvergence);
    let message = solution.end().unwrap_err().to_string();
    assert!(
        message.contains("did not converge") && message.contains("t = 0"),
        "{message}"
    );
    assert!(
        solver
            .integration(&fast, &x, 0.0, 1.0)
            .run()
            .unwrap()
            .failed_sample
            == Some(0)
    );

    // NaN: of the field beyond a state, and of a Jacobian.
    let root = field_fn(|_, x| Ok((x.sqrt()? - 2.0)?));
    for adaptive in [false, true] {
        let x = state(&[1e-3]);
        let solution = match adaptive {
            false => Solver::new(Kvaerno4, fixed()).solve(&root, &x, 0.0, 1.0),
            true => {
                Solver::new(Kvaerno4, Adaptive::new(1e-6, 1e-6).unwrap()).solve(&root, &x, 0.0, 1.0)
            }
        };
        let solution = solution.unwrap();
        assert_eq!(solution.status, Status::NonFinite, "{adaptive}");
        assert!(numbers(&solution.last_state)[0] >= 0.0);
    }
    let solver = Solver::new(Kvaerno3.with_jacobian(exact(f64::NAN)), fixed());
    assert_eq!(
        solver.solve(&fast, &x, 0.0, 1.0).unwrap().status,
        Status::NonFinite
    );

    // Of the wrong size.
    for (samples, size) in [(1, 2), (2, 1)] {
        let wrong = move |_: &Time, _: &Tensor| {
            Matrices::new(samples, size, vec![0.0; samples * size * size])
        };
        let solver = Solver::new(Kvaerno3.with_jacobian(jacobian_fn(wrong)), fixed());
        let error = solver.solve(&fast, &x, 0.0, 1.0).unwrap_err();
        assert!(
            matches!(&error, Error::Shape { argument, .. } if argument == "jacobian"),
            "{error}"
        );
    }
    assert!(Matrices::new(2, 2, vec![0.0; 7]).is_err());
    assert!(Matrices::from_tensor(&state(&[1.0, 2.0])).is_err());
    // A field whose value is none of the state's shape.
    let wrong = field_fn(|_, x: &Tensor| Ok(x.narrow(1, 0, 1)?));
    let solver = Solver::new(Kvaerno3, fixed());
    assert!(solver.solve(&wrong, &state(&[1.0, 2.0]), 0.0, 1.0).is_err());
}

/// Changes that are small because the matrix is too large are not taken for convergence.
#[test]
fn a_wrong_jacobian_is_no_convergence() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let x = state(&[1.0]);
    let with = |slope: f64| {
        Kvaerno3.with_jacobian(jacobian_fn(move |_: &Time, _: &Tensor| {
            Ok(Matrices::one([[slope]]))
        }))
    };
    let solve = |slope: f64| {
        let solver = Solver::new(with(slope), Fixed::steps(10).unwrap());
        solver.solve(&decay, &x, 0.0, 1.0).unwrap()
    };
    for (slope, status) in [
        (-1.0, Status::Reached),
        (-3.0, Status::Reached),
        (-1e3, Status::NoConvergence),
        (-1e9, Status::NoConvergence),
    ] {
        let solution = solve(slope);
        assert_eq!(solution.status, status, "{slope}");
        if status == Status::Reached {
            let exact = solve(-1.0).last_state;
            assert!(largest_difference(&solution.last_state, &exact) < 1e-14);
        }
    }
    let few = Adaptive::new(1e-6, 1e-6).unwrap().max_steps(100).unwrap();
    for slope in [-1e3, -1e9, 1e3] {
        let solution = Solver::new(with(slope), few).solve(&decay, &x, 0.0, 1.0);
        let solution = solution.unwrap();
        let error = numbers(&solution.last_state)[0] - (-solution.last_time).exp();
        assert!(error.abs() < 1e-5, "{slope}: {error}");
    }
}

/// One sample that fails does not stop the others.
#[test]
fn a_sample_fails_alone() {
    // x' = −√x reaches 0 at t = 2 √x(0).
    let root = field_fn(|_, x| Ok((x.sqrt()?.neg()? - 1.0)?));
    let x = Tensor::new(&[[25f64], [0.3], [16.0]], device()).unwrap();
    let solver = Solver::new(Kvaerno4, Adaptive::new(1e-6, 1e-6).unwrap());
    let each = solver
        .integration(&root, &x, 0.0, 1.0)
        .each_sample()
        .run()
        .unwrap();
    assert_eq!(
        (each.statuses[0], each.statuses[2]),
        (Status::Reached, Status::Reached)
    );
    assert_eq!(each.statuses[1], Status::NonFinite);
    assert!(each.last_times[1] > 0.1 && each.last_times[1] < 0.3);
}

/// An explicit method that runs out of steps says so if stability is the reason.
#[test]
fn stiffness_is_told() {
    let few = Adaptive::new(1e-6, 1e-6).unwrap().max_steps(200).unwrap();
    let x = state(&[2.0, 1.0]);
    for (stepper, known) in [
        (Box::new(Dopri5) as Box<dyn Embedded>, true),
        (Box::new(Tsit5), true),
        (Box::new(Dopri8), true),
        (Box::new(Bosh3), false),
    ] {
        let solver = Solver::new(stepper, few);
        let solution = solver.solve(&relaxation(1e6), &x, 0.0, 3.0).unwrap();
        let expected = if known {
            Status::Stiff
        } else {
            Status::StepLimit
        };
        assert_eq!(solution.status, expected);
        let message = solution.end().unwrap_err().to_string();
        assert_eq!(message.contains("Kvaerno5"), known, "{message}");
        // Not where accuracy keeps steps short.
        let fast = Rotation { omega: 1e5 };
        let solution = solver
            .solve(&fast, &fast.solution(0.0).unwrap(), 0.0, 3.0)
            .unwrap();
        assert_eq!(solution.status, Status::StepLimit);
    }
}

/// The derivative by time is a difference within the step, also where rounding asks for a longer one.
#[test]
fn rosenbrock_methods_stay_within_their_steps() {
    for (dtype, from, to, near) in [
        (DType::F32, 0.0, 1.0, 1e-4),
        (DType::F32, 1.0, 0.0, 1e-4),
        (DType::F64, 0.0, 1.0, 1e-9),
        (DType::F32, 2.0, 1.0, 1e-5),
    ] {
        // √|t − to|, and NaN beyond the end.
        let root = |t: f64| ((to - t) * (to - from).signum()).sqrt();
        let field = field_fn(|t, x: &Tensor| t.coefficient(root)?.times(&x.ones_like()?));
        let x = Tensor::zeros(1, dtype, device()).unwrap();
        let last = to - near * (to - from);
        let solver = Solver::new(Rodas5P.by_differences(), Fixed::steps(10).unwrap());
        let run = solver.integration(&field, &x, from, to);
        let solution = run.save(Save::At(vec![last, to])).run().unwrap();
        assert_eq!(
            solution.status,
            Status::Reached,
            "{dtype:?}, {from} to {to}"
        );
        let end = numbers(&solution.end().unwrap())[0];
        let exact = (to - from) * 2.0 / 3.0;
        assert!((end - exact).abs() < 1e-2, "{end}, {exact}");
    }
}

/// `x' = −10 (x − sin t) + cos t`, at early and late times: the derivative by time costs no order.
#[test]
fn rosenbrock_methods_know_the_derivative_by_time() {
    let field = field_fn(|t, x: &Tensor| {
        let drive = t.coefficient(|t| 10.0 * t.sin() + t.cos())?;
        Ok((drive.times(&x.ones_like()?)? - (x * 10.0)?)?)
    });
    for (dtype, start, steps, most) in [
        (DType::F64, 0.0, 400, 1e-10),
        (DType::F64, 1e5, 400, 2e-10),
        (DType::F32, 0.0, 100, 1e-6),
        (DType::F32, 1e5, 100, 1e-6),
    ] {
        let end = start + 10.0;
        let x = Tensor::new(&[f64::sin(start)], device()).unwrap();
        let x = x.to_dtype(dtype).unwrap();
        let solver = Solver::new(Rodas5P.by_differences(), Fixed::steps(steps).unwrap());
        let x = solver.solve(&field, &x, start, end).unwrap().end().unwrap();
        let error = (numbers(&x)[0] - f64::sin(end)).abs();
        println!("{dtype:?} from {start}: {error:.2e}");
        assert!(error < most, "{dtype:?} from {start}: {error:e}");
    }
}
