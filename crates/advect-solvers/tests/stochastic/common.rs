//! Helpers of these tests.

use std::sync::Arc;

use advect_core::testing::device;
use advect_core::{Field, Jvp, Result, Time};
use advect_solvers::adjoint::{Adjoint, Checkpointed, Unrolled};
use advect_solvers::controller::Fixed;
use advect_solvers::stepper::Stepper;
use advect_solvers::{Solution, Solver};
use candle_core::{DType, Tensor, Var};

/// `x` times a number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times(pub(crate) f64);

impl Field for Times {
    fn at(&self, _: &Time, x: &Tensor) -> Result<Tensor> {
        Ok((x * self.0)?)
    }
}

impl Jvp for Times {
    fn jvp(&self, t: &Time, x: &Tensor, _: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        Ok((self.at(t, x)?, (dx * self.0)?))
    }
}

pub(crate) fn ones(shape: &[usize]) -> Tensor {
    Tensor::ones(shape, DType::F64, device()).unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of all elements.
pub(crate) fn mean_of(x: &Tensor) -> f64 {
    mean(&values(x))
}

/// The mean distance of two states.
pub(crate) fn gap(a: &Tensor, b: &Tensor) -> f64 {
    mean_of(&(a - b).unwrap().abs().unwrap())
}

/// The Kolmogorov–Smirnov distance of numbers from a law, by its distribution function, times √n: above 1.95 for one in
/// a thousand sets of numbers that follow it.
pub(crate) fn distance(values: &[f64], law: impl Fn(f64) -> f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let gap = |(i, x): (usize, &f64)| {
        let p = law(*x);
        (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
    };
    sorted.iter().enumerate().map(gap).fold(0.0, f64::max) * n.sqrt()
}

/// The state at the end of n equal steps.
pub(crate) fn end(
    stepper: &dyn Stepper,
    field: &dyn Field,
    x0: &Tensor,
    (from, to): (f64, f64),
    n: usize,
) -> Tensor {
    let solver = Solver::new(stepper, Fixed::steps(n).unwrap());
    solver.solve(field, x0, from, to).unwrap().end().unwrap()
}

pub(crate) fn assert_order(measured: f64, expected: f64, name: &str) {
    eprintln!("{name}: order {measured:.3}");
    let error = (measured - expected).abs();
    assert!(error < 0.2, "{name}: {measured}, not {expected}");
}

/// The gradient of the mean square of the end of eight steps from 0 to 1, by two adjoints and by differences.
pub(crate) fn check_gradients<S, F>(name: &str, field: F, x0: &Tensor, stepper: S)
where
    S: Stepper + Clone + Send + Sync + 'static,
    F: Field + Send + Sync + 'static,
{
    let field = Arc::new(field);
    let solver = Solver::new(stepper, Fixed::steps(8).unwrap());
    let start = Var::from_tensor(x0).unwrap();
    let gradient = |solution: Solution| {
        let loss = solution.end().unwrap().sqr().unwrap().mean_all().unwrap();
        values(loss.backward().unwrap().get(&start).unwrap())
    };
    let times = [0.0, 1.0];
    let unrolled = Unrolled::new(solver.clone());
    let unrolled = gradient(unrolled.solve(&field, &[], &start, &times).unwrap());
    let discrete = Checkpointed::new(solver.clone(), 3).unwrap();
    let discrete = gradient(discrete.solve(&field, &[], &start, &times).unwrap());
    let loss = |i: usize, change: f64| {
        let mut x = values(x0);
        x[i] += change;
        let x = Tensor::from_vec(x, x0.shape(), device()).unwrap();
        let end = solver.solve(&*field, &x, 0.0, 1.0).unwrap().end().unwrap();
        mean_of(&end.sqr().unwrap())
    };
    for (i, (a, b)) in unrolled.iter().zip(&discrete).enumerate() {
        let difference = (loss(i, 1e-5) - loss(i, -1e-5)) / 2e-5;
        assert!((a - b).abs() < 1e-11 * (1.0 + a.abs()), "{name}: {a}, {b}");
        let error = (a - difference).abs();
        assert!(error < 1e-7 * (1.0 + a.abs()), "{name}: {a}, {difference}");
    }
}
