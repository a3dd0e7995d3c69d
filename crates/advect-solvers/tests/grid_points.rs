//! Stops that are a grid point up to rounding, and steps of Adams methods around short ones.

use advect_core::field_fn;
use advect_core::testing::device;
use advect_solvers::controller::Fixed;
use advect_solvers::stepper::{Adams, Rk4, Stepper};
use advect_solvers::{Event, Save, Solution, Solver};
use candle_core::{DType, Tensor};

/// The integration of `dx/dt = −x` from e^(−start), whose states are e^(−t).
fn decay(
    method: &dyn Stepper,
    grid: &Fixed,
    (start, end): (f64, f64),
    jumps: &[f64],
    save: Save,
) -> Solution {
    let field = field_fn(|_, x: &Tensor| Ok(x.neg()?));
    let x = Tensor::new(&[(-start).exp()], device()).unwrap();
    let solver = Solver::new(method, grid.clone());
    let run = solver.integration(&field, &x, start, end);
    run.jumps(jumps).unwrap().save(save).run().unwrap()
}

fn number(x: &Tensor) -> f64 {
    let x = x.to_dtype(DType::F64).unwrap();
    x.flatten_all().unwrap().to_vec1::<f64>().unwrap()[0]
}

/// Tenths as they are written and as multiples of 0.1 differ in the last bit, to either side. No step goes from one to the other.
#[test]
fn a_jump_at_a_grid_point_makes_no_step_more() {
    let tenths: Vec<f64> = (1..10).map(|k| f64::from(k) / 10.0).collect();
    let uneven: Vec<f64> = (1..10).map(|k| 0.1 * f64::from(k)).collect();
    let backwards: Vec<f64> = uneven.iter().rev().copied().collect();
    for span in [(0.0, 1.0), (1.0, 0.0)] {
        let given = if span.0 < span.1 { &uneven } else { &backwards };
        let grids = [
            Fixed::steps(10).unwrap(),
            Fixed::size(0.1).unwrap(),
            Fixed::grid(given).unwrap(),
        ];
        for grid in &grids {
            for jumps in tenths.chunks(1).chain([&tenths[..], &[0.3, 0.4]]) {
                let solution = decay(&Rk4, grid, span, jumps, Save::Every(5));
                let steps = solution.statistics.accepted;
                assert_eq!(steps, 10, "{grid:?}, {span:?}, {jumps:?}");
                let last = &solution.times[solution.times.len() - 2..];
                assert!(
                    (last[0] - 0.5).abs() < 1e-15 && last[1] == span.1,
                    "{last:?}"
                );
            }
            for order in 3..=8 {
                let method = Adams::order(order).unwrap();
                let error = |jumps: &[f64]| {
                    let end = decay(&method, grid, span, jumps, Save::End).end().unwrap();
                    (number(&end) - (-span.1).exp()).abs()
                };
                // Steps after a jump begin anew, with a method that errs less.
                let without = error(&[]);
                for jump in &tenths {
                    let with = error(&[*jump]);
                    assert!(
                        with < 1.5 * without + 1e-14,
                        "{order}, {grid:?}, {span:?}, {jump}: {with:e}, {without:e}"
                    );
                }
            }
        }
    }
    // A jump between grid points is a step more.
    for jump in [0.25, 0.3 + 1e-9, 0.3 - 1e-9] {
        let grid = Fixed::steps(10).unwrap();
        let solution = decay(&Rk4, &grid, (0.0, 1.0), &[jump], Save::End);
        assert_eq!(solution.statistics.accepted, 11, "{jump}");
    }
}

/// The same for an event that changes the state.
#[test]
fn an_event_at_a_grid_point_makes_no_step_more() {
    let field = field_fn(|_, x: &Tensor| Ok(x.neg()?));
    let one = Tensor::new(&[1f64], device()).unwrap();
    for order in 3..=8 {
        for before in [0.0, 1e-13] {
            let event = Event::new(move |t, _: &Tensor| Ok(t - (0.3 - before)));
            let solver = Solver::new(Adams::order(order).unwrap(), Fixed::steps(10).unwrap());
            let run = solver.integration(&field, &one, 0.0, 1.0);
            let solution = run.apply(&event, |_, x| Ok((x * 2.0)?)).run().unwrap();
            assert_eq!(solution.statistics.accepted, 10, "{order}, {before}");
            let error = (number(&solution.end().unwrap()) - 2.0 * (-1f64).exp()).abs();
            let without = decay(
                &Adams::order(order).unwrap(),
                &Fixed::steps(10).unwrap(),
                (0.0, 1.0),
                &[],
                Save::End,
            );
            let without = (number(&without.end().unwrap()) - (-1f64).exp()).abs();
            assert!(
                error < 3.0 * without + 1e-12,
                "{order}, {before}: {error:e}"
            );
        }
    }
}

/// Slopes at two times that are hardly apart say nothing of the slope's change: Adams methods take one of them.
#[test]
fn short_steps_do_not_disturb_adams_methods() {
    let grid = Fixed::steps(100).unwrap();
    for order in 2..=8 {
        let method = Adams::order(order).unwrap();
        let error = |save: Save, span: (f64, f64)| {
            let end = decay(&method, &grid, span, &[], save).end().unwrap();
            (number(&end) / (-span.1).exp() - 1.0).abs()
        };
        for span in [(0.0, 1.0), (1.0, 0.0)] {
            let plain = error(Save::End, span);
            let every: Vec<f64> = (2..10).map(|k| f64::from(k) / 10.0 + 1e-7).collect();
            let mut lists = vec![
                vec![0.3 + 1e-10],
                vec![0.3 - 1e-9],
                vec![0.3, 0.3 + 1e-9, 0.3 + 2e-9, 0.3 + 1e-6],
                every,
            ];
            for times in &mut lists {
                if span.0 > span.1 {
                    times.reverse();
                }
                let times: Vec<f64> = times.iter().copied().chain([span.1]).collect();
                let with = error(Save::At(times.clone()), span);
                assert!(
                    with < 2.0 * plain + 1e-14,
                    "{order}, {times:?}: {with:e}, {plain:e}"
                );
            }
        }
    }
    let field = field_fn(|_, x: &Tensor| Ok(x.neg()?));
    let one = Tensor::new(&[1f32], device()).unwrap();
    let solver = Solver::new(Adams::order(4).unwrap(), grid);
    let run = solver.integration(&field, &one, 0.0, 1.0);
    let solution = run.save(Save::At(vec![0.3 + 1e-8, 1.0])).run().unwrap();
    let error = (number(&solution.end().unwrap()) - (-1f64).exp()).abs();
    assert!(error < 5e-7, "{error:e}");
}
