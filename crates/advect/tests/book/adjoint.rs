//! The adjoint method.

use std::sync::Arc;

use super::{accurate, close, number};
use advect::candle::Var;
use advect::prelude::*;

// ANCHOR: by_hand
/// State, adjoint and gradient of `dx/dt = θ x`, `L = ½ x(T)²`, integrated backwards as one equation.
#[test]
fn the_adjoint_by_hand() -> Result<()> {
    let (theta, x0, end): (f64, f64, f64) = (0.3, 2.0, 1.5);
    let forward = system_fn(|_, [x]: &[f64; 1]| Ok([theta * x]));
    let [x_end] = accurate()?.solve(&forward, &[x0], 0.0, end)?.end()?;

    // dx/dt = θ x, da/dt = −a ∂f/∂x, dg/dt = −a ∂f/∂θ, from a(T) = dL/dx(T) and g(T) = 0.
    let backward = system_fn(|_, [x, a, _]: &[f64; 3]| Ok([theta * x, -theta * a, -a * x]));
    let [x, a, g] = accurate()?
        .solve(&backward, &[x_end, x_end, 0.0], end, 0.0)?
        .end()?;
    let growth = (2.0 * theta * end).exp();
    close(x, x0, 1e-7);
    close(a, x0 * growth, 1e-6); // dL/dx0
    close(g, end * x0 * x0 * growth, 1e-6); // dL/dθ = +∫₀ᵀ a ∂f/∂θ dt
    Ok(())
}
// ANCHOR_END: by_hand

// ANCHOR: three
/// The gradient of `½ x(T)²` by θ, where `dx/dt = θ x` from x(0) = 2.
fn gradient(adjoint: &impl Adjoint, theta: f64, end: f64) -> Result<f64> {
    let theta = Var::new(&[theta], &Device::Cpu)?;
    let parameter = theta.as_tensor().clone();
    let field = Arc::new(field_fn(move |_, x: &Tensor| {
        Ok(x.broadcast_mul(&parameter)?)
    }));
    let x0 = Tensor::new(&[[2.0]], &Device::Cpu)?;
    let parameters = [theta.as_tensor().clone()];
    let x = adjoint
        .solve(&field, &parameters, &x0, &[0.0, end])?
        .end()?;
    let gradients = (x.sqr()?.sum_all()? * 0.5)?.backward()?;
    number(gradients.get(&theta).expect("the solution depends on θ"))
}

#[test]
fn three_ways_to_one_gradient() -> Result<()> {
    let exact = 1.5 * 4.0 * f64::exp(0.9);
    close(
        gradient(&Unrolled::new(accurate()?), 0.3, 1.5)?,
        exact,
        1e-5,
    );
    close(
        gradient(&Checkpointed::new(accurate()?, 4)?, 0.3, 1.5)?,
        exact,
        1e-5,
    );
    close(
        gradient(&Backsolve::new(accurate()?), 0.3, 1.5)?,
        exact,
        1e-5,
    );
    Ok(())
}
// ANCHOR_END: three

// ANCHOR: exercise_1
/// Four steps of Euler's method are x(T) = 2 (1 + θ h)⁴, and have a gradient of their own.
#[test]
fn exercise_1_whose_gradient() -> Result<()> {
    let euler = || Ok::<_, Error>(Solver::new(Euler, Fixed::steps(4)?));
    let (theta, h): (f64, f64) = (0.5, 0.25);
    let of_steps = 2.0 * 2.0 * 4.0 * h * f64::powi(1.0 + theta * h, 7);
    close(
        gradient(&Unrolled::new(euler()?), theta, 1.0)?,
        of_steps,
        1e-12,
    );
    close(
        gradient(&Checkpointed::new(euler()?, 2)?, theta, 1.0)?,
        of_steps,
        1e-12,
    );
    let of_the_adjoint = gradient(&Backsolve::new(euler()?), theta, 1.0)?;
    assert!((of_the_adjoint - of_steps).abs() > 0.1);
    Ok(())
}
// ANCHOR_END: exercise_1

// ANCHOR: exercise_2
/// `dL/dT = a(T)·f(x(T))`, here θ x(T)².
#[test]
fn exercise_2_the_gradient_of_the_end() -> Result<()> {
    let field = Arc::new(field_fn(|_, x: &Tensor| Ok((x * 0.3)?)));
    let x0 = Tensor::new(&[[2.0]], &Device::Cpu)?;
    let times = Var::new(&[0.0, 1.5], &Device::Cpu)?;
    let solution = Unrolled::new(accurate()?).solve_at(&field, &[], &x0, times.as_tensor())?;
    let gradients = (solution.end()?.sqr()?.sum_all()? * 0.5)?.backward()?;
    let by_end = gradients.get(&times).expect("tracked").to_vec1::<f64>()?[1];
    close(by_end, 0.3 * 4.0 * f64::exp(0.9), 1e-6);
    Ok(())
}
// ANCHOR_END: exercise_2

// ANCHOR: exercise_3
/// Solved back, an equation that contracts by e^(−λ) magnifies the error of its end by e^λ.
#[test]
fn exercise_3_the_way_back() -> Result<()> {
    let solver = Solver::new(Dopri5, Adaptive::new(1e-6, 1e-6)?);
    for (rate, lost) in [(1f64, false), (20.0, true)] {
        let decay = system_fn(|_, [x]: &[f64; 1]| Ok([-rate * x]));
        let end = solver.solve(&decay, &[1.0], 0.0, 1.0)?.end()?;
        let [back] = solver.solve(&decay, &end, 1.0, 0.0)?.end()?;
        assert_eq!((back - 1.0).abs() > 0.01, lost, "{back}");
    }
    Ok(())
}
// ANCHOR_END: exercise_3
