//! Tolerances: one of them 0, below what the dtype resolves, and limits of steps.

use advect_core::testing::device;
use advect_core::{Error, field_fn};
use advect_solvers::controller::{Adaptive, Norm};
use advect_solvers::implicit::{ImplicitRungeKutta, Kvaerno5, MatrixFree, RadauIia5};
use advect_solvers::stepper::{AdaptiveAdams, Dopri5, Embedded, Heun};
use advect_solvers::{Save, Solver, Status};
use candle_core::{DType, Tensor};

fn state(values: &[f64], dtype: DType) -> Tensor {
    let x = Tensor::new(values, device()).unwrap();
    x.unsqueeze(1).unwrap().to_dtype(dtype).unwrap()
}

#[test]
fn one_tolerance_may_be_0() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    for dtype in [DType::F64, DType::F32] {
        // One element stays 0.
        let x = state(&[1.0, 0.0, 1e-3], dtype);
        for (rtol, atol) in [(1e-6, 0.0), (0.0, 1e-6), (1e-6, -0.0)] {
            let solver = Solver::new(Dopri5, Adaptive::new(rtol, atol).unwrap());
            let whole = solver.solve(&decay, &x, 0.0, 5.0).unwrap();
            assert_eq!(whole.status, Status::Reached);
            let each = solver
                .integration(&decay, &x, 0.0, 5.0)
                .each_sample()
                .run()
                .unwrap();
            for end in [whole.end().unwrap(), each.end().unwrap()] {
                let end = end.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
                let exact = (-5f64).exp();
                assert!((end[0][0] - exact).abs() < 1e-5 && end[1][0] == 0.0);
                // Without an absolute tolerance small elements have digits too.
                let tolerance = if atol > 0.0 {
                    1e-5
                } else {
                    1e-4 * exact * 1e-3
                };
                assert!((end[2][0] - exact * 1e-3).abs() < tolerance, "{end:?}");
            }
        }
    }
    for (rtol, atol) in [(0.0, 0.0), (-1e-3, 1.0), (1.0, f64::NAN)] {
        assert!(matches!(
            Adaptive::new(rtol, atol),
            Err(Error::Range { .. })
        ));
    }
}

#[test]
fn tolerances_below_the_dtype_are_refused() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    for (dtype, tolerance, refused) in [
        (DType::F64, 1e-15, false),
        (DType::F64, 1e-18, true),
        (DType::F32, 1e-7, false),
        (DType::F32, 1e-9, true),
        (DType::F32, 1e-15, true),
        (DType::F16, 1e-3, false),
        (DType::F16, 1e-5, true),
        (DType::BF16, 1e-3, false),
        (DType::BF16, 1e-4, true),
        (DType::BF16, 1e-8, true),
    ] {
        let x = state(&[1.0, 0.3], dtype);
        for norm in [Norm::Rms, Norm::Max] {
            let adaptive = Adaptive::new(tolerance, tolerance).unwrap().norm_by(norm);
            let solver = Solver::new(Dopri5, adaptive);
            let whole = solver.solve(&decay, &x, 0.0, 0.01).map(|_| ());
            let each = solver
                .integration(&decay, &x, 0.0, 0.01)
                .each_sample()
                .run()
                .map(|_| ());
            for result in [whole, each] {
                match result {
                    Ok(()) => assert!(!refused, "{dtype:?}, {tolerance}"),
                    Err(Error::Range { argument, .. }) => {
                        assert!(refused, "{dtype:?}, {tolerance}");
                        assert_eq!(argument, "rtol, atol");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
    }
    // What the absolute tolerance makes good is accepted.
    let x = state(&[1.0], DType::F32);
    for (rtol, atol) in [(0.0, 1e-6), (1e-15, 1e-4)] {
        let solver = Solver::new(Dopri5, Adaptive::new(rtol, atol).unwrap());
        assert!(solver.solve(&decay, &x, 0.0, 1.0).unwrap().end().is_ok());
    }
}

/// A state that is small enough at the start need not stay so.
#[test]
fn states_that_outgrow_their_dtype_are_told() {
    let clock = field_fn(|_, x| Ok(x.ones_like()?));
    let solver = Solver::new(Dopri5, Adaptive::new(0.0, 1e-5).unwrap());
    for dtype in [DType::F32, DType::BF16] {
        let x = state(&[0.0], dtype);
        let solution = solver.solve(&clock, &x, 0.0, 1e5).unwrap();
        assert_eq!(solution.status, Status::Unresolved);
        // From there on half of a spacing is four times the tolerance.
        let largest = if dtype == DType::F32 {
            4e-5 * 2f64.powi(24)
        } else {
            4e-5 * 256.0
        };
        assert!(solution.last_time <= largest && solution.last_time > 0.0);
        let message = solution.end().unwrap_err().to_string();
        assert!(message.contains("wider dtype"), "{message}");
        let each = solver
            .integration(&clock, &x, 0.0, 1e5)
            .each_sample()
            .run()
            .unwrap();
        assert_eq!(each.statuses[0], Status::Unresolved);
        assert!(each.last_times[0] <= largest && each.last_times[0] > 0.0);
    }
    // One that is too large at the start is alone.
    let x = state(&[1.0, 1e6], DType::F32);
    let each = solver
        .integration(&clock, &x, 0.0, 1.0)
        .each_sample()
        .run()
        .unwrap();
    assert_eq!(each.statuses, [Status::Reached, Status::Unresolved]);
}

#[test]
fn steps_are_not_below_the_smallest() {
    // A layer at 0.5 that needs short steps.
    let layer = field_fn(|t, x| {
        let rate = t.coefficient(|t| 1.0 / (1e-4 + (t - 0.5).powi(2)))?;
        rate.times(&x.ones_like()?)
    });
    let x = state(&[0.0], DType::F64);
    let adaptive = Adaptive::new(1e-8, 1e-8).unwrap();
    let free = Solver::new(Dopri5, adaptive);
    let solution = free
        .integration(&layer, &x, 0.0, 1.0)
        .save(Save::Every(1))
        .run()
        .unwrap();
    let shortest = |times: &[f64]| {
        let sizes = times.windows(2).map(|w| (w[1] - w[0]).abs());
        sizes.fold(f64::INFINITY, f64::min)
    };
    let within: Vec<f64> = (solution.times.iter().copied())
        .filter(|t| (t - 0.5).abs() < 0.1)
        .collect();
    let needed = shortest(&within);
    assert_eq!(solution.status, Status::Reached);
    for (min, status) in [
        (0.3 * needed, Status::Reached),
        (4.0 * needed, Status::StepUnderflow),
    ] {
        let solver = Solver::new(Dopri5, adaptive.min_step(min).unwrap());
        for (start, end) in [(0.0, 1.0), (1.0, 0.0)] {
            let solution = solver
                .integration(&layer, &x, start, end)
                .save(Save::Every(1))
                .run()
                .unwrap();
            assert_eq!(solution.status, status);
            let inner = &solution.times[..solution.times.len() - 1];
            assert!(shortest(inner) >= min * (1.0 - 1e-12));
            if status == Status::StepUnderflow {
                let message = solution.end().unwrap_err().to_string();
                assert!(message.contains("the step size underflowed"), "{message}");
            }
        }
        let each = Solver::new(Dopri5, adaptive.min_step(min).unwrap());
        let each = each
            .integration(&layer, &x, 0.0, 1.0)
            .each_sample()
            .run()
            .unwrap();
        assert_eq!(each.statuses[0], status);
    }
    // A step that is cut to end at a time may be shorter.
    let still = field_fn(|_, x| Ok(x.zeros_like()?));
    let solver = Solver::new(Heun, adaptive.min_step(0.3).unwrap());

    let solution = solver
        .integration(&still, &x, 0.0, 1.0)
        .save(Save::At(vec![0.01, 0.95]))
        .run()
        .unwrap();
    assert_eq!(
        (solution.status, solution.times),
        (Status::Reached, vec![0.01, 0.95])
    );
}

/// Where the largest error counts, elements at rest change nothing: neither the order, nor how far equations are solved.
#[test]
fn elements_at_rest_change_no_largest_error() {
    let field = field_fn(|_, x: &Tensor| {
        let (q, p) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
        let force = ((q.sqr()?.neg()? + 1.0)? * &p)?.affine(5.0, 0.0)?.sub(&q)?;
        let rest = x.narrow(1, 2, x.dim(1)? - 2)?.neg()?;
        Ok(Tensor::cat(&[p, force, rest], 1)?)
    });
    let padded = |count: usize| {
        let mut numbers = vec![2.0, 0.0];
        numbers.resize(2 + count, 0.0);
        Tensor::new(numbers, device())
            .unwrap()
            .unsqueeze(0)
            .unwrap()
    };
    let free = MatrixFree::by_differences();
    let methods: [&dyn Embedded; 4] = [
        &AdaptiveAdams::new(),
        &Kvaerno5,
        &RadauIia5,
        &Kvaerno5.with_jacobian(free),
    ];
    for (i, method) in methods.into_iter().enumerate() {
        let run = |count: usize, norm: Norm| {
            let adaptive = Adaptive::new(1e-5, 1e-5).unwrap().norm_by(norm);
            let solution = Solver::new(method, adaptive).solve(&field, &padded(count), 0.0, 12.0);
            let solution = solution.unwrap();
            let steps = (solution.statistics.accepted, solution.statistics.rejected);
            let end = solution.end().unwrap().narrow(1, 0, 2).unwrap();
            (steps, end.to_vec2::<f64>().unwrap())
        };
        let (steps, end) = run(1, Norm::Max);
        let (padded_steps, padded_end) = run(500, Norm::Max);
        assert_eq!(steps, padded_steps, "method {i}");
        for (a, b) in end[0].iter().zip(&padded_end[0]) {
            assert!((a - b).abs() < 1e-9, "method {i}: {a}, {b}");
        }
        assert_ne!(run(1, Norm::Rms).0, run(500, Norm::Rms).0, "method {i}");
    }
}
