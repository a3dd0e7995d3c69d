//! Errors of gradients against the tolerance.

use std::path::Path;
use std::sync::Arc;

use advect::candle::Var;
use advect::prelude::*;
use advect_examples::plot::{BLUE, ORANGE, Panel, panels};

/// The error of the gradient of `½ x(T)²` by θ, where `dx/dt = θ x` from x(0) = 2 to T = 1.5.
fn error(adjoint: &impl Adjoint) -> Result<f64> {
    let (rate, end) = (0.3, 1.5);
    let theta = Var::new(&[rate], &Device::Cpu)?;
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
    let gradient = gradients
        .get(&theta)
        .ok_or_else(|| Error::range("theta", "no gradient", "one"))?;
    let exact = end * 4.0 * (2.0 * rate * end).exp();
    Ok((gradient.sum_all()?.to_scalar::<f64>()? - exact).abs())
}

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    panels(path, 1, 1, 560, |areas| {
        let title = "log10 of the error over log10 of the tolerance";
        let panel = Panel::new(&areas[0], title, -8.5..-1.5, -9.5..0.5)?;
        let (mut back, mut kept) = (Vec::new(), Vec::new());
        for power in 4..=16 {
            let place = -0.5 * f64::from(power);
            let tolerance = 10f64.powf(place);
            let solver = Solver::new(Dopri5, Adaptive::new(tolerance, tolerance)?);
            back.push([place, error(&Backsolve::new(solver.clone()))?.log10()]);
            kept.push([place, error(&Checkpointed::new(solver, 4)?)?.log10()]);
        }
        for (points, colour) in [(back, &BLUE), (kept, &ORANGE)] {
            panel.line(points.iter().copied(), colour)?;
            panel.dots(&points, 5, colour)?;
        }
        Ok(())
    })
}
