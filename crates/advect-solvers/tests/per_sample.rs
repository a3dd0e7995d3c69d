//! A clock for each sample.

use advect_core::testing::{assert_close, device};
use advect_core::{Error, Field, Result, Time, field_fn, system_fn};
use advect_solvers::controller::{Adaptive, Norm};
use advect_solvers::stepper::{Bosh3, Dopri5, Heun, Tsit5};
use advect_solvers::{Save, Solver, Status};
use candle_core::{DType, Tensor};

fn adaptive(tolerance: f64) -> Adaptive {
    Adaptive::new(tolerance, tolerance).unwrap()
}

/// `x' = rate (cos t − x)`, the rate in the second column.
fn relaxation(t: &Time, x: &Tensor) -> Result<Tensor> {
    let (x, rate) = (x.narrow(1, 0, 1)?, x.narrow(1, 1, 1)?);
    let target = t.coefficient(f64::cos)?.times(&x.ones_like()?)?;
    let slope = ((target - &x)? * &rate)?;
    Ok(Tensor::cat(&[slope, rate.zeros_like()?], 1)?)
}

fn states(rates: &[f64], dtype: DType) -> Tensor {
    let rows: Vec<f64> = rates.iter().flat_map(|r| [0.5, *r]).collect();
    let x = Tensor::from_vec(rows, (rates.len(), 2), device()).unwrap();
    x.to_dtype(dtype).unwrap()
}

/// The closed solution of `x' = r (cos t − x)` from 0.5.
fn exact(rate: f64, t: f64) -> f64 {
    let particular = |t: f64| rate * (rate * t.cos() + t.sin()) / (rate * rate + 1.0);
    particular(t) + (0.5 - particular(0.0)) * (-rate * t).exp()
}

#[test]
fn one_stiff_sample_does_not_drag_the_others() {
    let mut rates = vec![1.0; 63];
    rates.insert(17, 1000.0);
    let x = states(&rates, DType::F64);
    let solver = Solver::new(Dopri5, adaptive(1e-6));
    let each = solver
        .integration(&field_fn(relaxation), &x, 0.0, 2.0)
        .each_sample()
        .run()
        .unwrap();
    let together = solver.solve(&field_fn(relaxation), &x, 0.0, 2.0).unwrap();
    let sum = |f: fn(&advect_solvers::Statistics) -> usize| -> usize {
        each.statistics.iter().map(f).sum()
    };
    let (ours, theirs) = (sum(|s| s.evaluations), 64 * together.statistics.evaluations);
    eprintln!("sample-evaluations: {ours} with a clock each, {theirs} with one for all");
    assert!(10 * ours < theirs, "{ours}, {theirs}");
    assert!(each.statistics[0].accepted < 20 && each.statistics[17].accepted > 500);
    let end = each.end().unwrap().to_vec2::<f64>().unwrap();
    for (row, rate) in end.iter().zip(&rates) {
        assert!((row[0] - exact(*rate, 2.0)).abs() < 1e-5, "{row:?}");
        assert_eq!(row[1], *rate);
    }
}

#[test]
fn a_sample_does_not_depend_on_its_company() {
    let rates = [1.0, 30.0, 3.0, 0.1];
    for dtype in [DType::F64, DType::F32] {
        let solver = Solver::new(Tsit5, adaptive(1e-5));
        let x = states(&rates, dtype);
        let all = solver
            .integration(&field_fn(relaxation), &x, 0.0, 2.0)
            .save(Save::At(vec![0.0, 0.3, 1.7, 2.0]))
            .each_sample()
            .run()
            .unwrap();
        for i in 0..rates.len() {
            let alone = x.narrow(0, i, 1).unwrap();
            let alone = solver
                .integration(&field_fn(relaxation), &alone, 0.0, 2.0)
                .save(Save::At(vec![0.0, 0.3, 1.7, 2.0]))
                .each_sample()
                .run()
                .unwrap();
            assert_eq!(alone.statistics[0], all.statistics[i]);
            for k in 0..4 {
                let (a, b) = (alone.saved(k).unwrap(), all.saved(k).unwrap());
                assert_close(&a, &b.narrow(0, i, 1).unwrap(), 0.0, 0.0);
            }
        }
        let at = all.saved(2).unwrap().to_dtype(DType::F64).unwrap();
        for (row, rate) in at.to_vec2::<f64>().unwrap().iter().zip(rates) {
            assert!((row[0] - exact(rate, 1.7)).abs() < 1e-4);
        }
    }
}

/// Alone, a sample's steps are those of the ordinary integration.
#[test]
fn one_sample_is_a_batch_of_one() {
    for rate in [1.0, 40.0] {
        let x = states(&[rate], DType::F64);
        for adaptive in [adaptive(1e-7), adaptive(1e-5).gains(0.3, 0.4, 0.0).unwrap()] {
            let solver = Solver::new(Bosh3, adaptive.norm_by(Norm::Max));
            let each = solver
                .integration(&field_fn(relaxation), &x, 0.0, 1.0)
                .each_sample()
                .run()
                .unwrap();
            let whole = solver.solve(&field_fn(relaxation), &x, 0.0, 1.0).unwrap();
            assert_eq!(each.statistics[0], whole.statistics);
            assert_close(&each.end().unwrap(), &whole.end().unwrap(), 0.0, 0.0);
        }
    }
}

#[test]
fn backwards_in_time_and_without_reused_slopes() {
    let x = states(&[0.5, 2.0], DType::F64);
    let solver = Solver::new(Heun, adaptive(1e-7));
    let there = solver
        .integration(&field_fn(relaxation), &x, 0.0, 1.0)
        .each_sample()
        .run()
        .unwrap();
    let back = solver
        .integration(&field_fn(relaxation), &there.end().unwrap(), 1.0, 0.0)
        .each_sample()
        .run();
    assert_close(&back.unwrap().end().unwrap(), &x, 1e-5, 1e-5);
}

#[test]
fn a_sample_that_fails_is_alone() {
    // dx/dt = x²: infinite at t = 1/x(0).
    let explosion = field_fn(|_, x| Ok(x.sqr()?));
    let x = Tensor::new(&[[0.1f64], [2.0], [0.5]], device()).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-8));
    let solution = solver
        .integration(&explosion, &x, 0.0, 1.0)
        .save(Save::At(vec![0.3, 0.9]))
        .each_sample()
        .run()
        .unwrap();
    assert_eq!(solution.statuses[0], Status::Reached);
    assert_ne!(solution.statuses[1], Status::Reached);
    assert!((solution.last_times[1] - 0.5).abs() < 1e-3);
    let last = solution.last_state.to_vec2::<f64>().unwrap();
    assert!((last[0][0] - 1.0 / 9.0).abs() < 1e-7 && (last[2][0] - 1.0).abs() < 1e-6);
    assert!(last[1][0] > 1e3 && last[1][0].is_finite());
    // What all reached is there; what one did not is an error that names it.
    let early = solution.saved(0).unwrap().to_vec2::<f64>().unwrap();
    assert!((early[1][0] - 1.0 / 0.2).abs() < 1e-6);
    for error in [solution.saved(1).unwrap_err(), solution.end().unwrap_err()] {
        assert!(
            matches!(&error, Error::Stopped { at, .. } if at.ends_with("sample 1")),
            "{error}"
        );
    }
    assert!(matches!(solution.saved(2), Err(Error::Range { .. })));
}

#[test]
fn pairs_of_states_have_samples_too() {
    let field = system_fn(
        |t: &Time, (x, y): &(Tensor, Tensor)| -> Result<(Tensor, Tensor)> {
            Ok((
                t.coefficient(f64::sin)?.times(x)?,
                x.narrow(1, 0, 1)?.squeeze(1)?.sub(y)?,
            ))
        },
    );
    let x = Tensor::new(&[[1f64, 2.0], [0.1, 0.0], [30.0, -5.0]], device()).unwrap();
    let y = Tensor::new(&[0f64, 1.0, 1e3], device()).unwrap();
    let solver = Solver::new(Dopri5, adaptive(1e-9));
    let each = solver
        .integration(&field, &(x.clone(), y.clone()), 0.0, 1.0)
        .each_sample()
        .run()
        .unwrap();
    let whole = solver.solve(&field, &(x, y), 0.0, 1.0).unwrap();
    let (a, b) = (each.end().unwrap(), whole.end().unwrap());
    assert_close(&a.0, &b.0, 1e-7, 1e-7);
    assert_close(&a.1, &b.1, 1e-7, 1e-7);
    // d/dt log x = sin t.
    let growth = (1.0 - 1f64.cos()).exp();
    assert!((a.0.to_vec2::<f64>().unwrap()[2][0] / 30.0 - growth).abs() < 1e-8);
}

#[test]
fn bad_arguments_are_typed_errors() {
    let decay = field_fn(|_, x| Ok(x.neg()?));
    let field: &dyn Field = &decay;
    let x = states(&[1.0], DType::F64);
    let solver = Solver::new(Dopri5, adaptive(1e-3));
    for save in [Save::Every(1), Save::Dense, Save::Interpolated(vec![0.5])] {
        let result = solver
            .integration(field, &x, 0.0, 1.0)
            .save(save)
            .each_sample()
            .run();
        assert!(matches!(result, Err(Error::Range { argument, .. }) if argument == "save"));
    }
    let beyond = Solver::new(Dopri5, adaptive(1e-3).overstep());
    assert!(matches!(
        beyond.integration(field, &x, 0.0, 1.0).each_sample().run(),
        Err(Error::Range { .. })
    ));
    let empty = x.narrow(0, 0, 0).unwrap();
    assert!(matches!(
        solver
            .integration(field, &empty, 0.0, 1.0)
            .each_sample()
            .run(),
        Err(Error::Empty { .. })
    ));
    let still = solver
        .integration(field, &x, 0.5, 0.5)
        .each_sample()
        .run()
        .unwrap();
    assert_eq!((still.calls, still.statuses[0]), (0, Status::Reached));
}
