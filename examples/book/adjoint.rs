//! Errors of a state that is solved forwards and back.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{Axis, BLUE, Corner, ORANGE, Panel, panels};

/// The error of x(0) = 1 after `dx/dt = −λ x` was solved to t = 1 and back.
fn error(rate: f64, tolerance: f64) -> Result<f64> {
    let solver = Solver::new(Dopri5, Adaptive::new(tolerance, tolerance)?);
    let decay = system_fn(|_, [x]: &[f64; 1]| Ok([-rate * x]));
    let end = solver.solve(&decay, &[1.0], 0.0, 1.0)?.end()?;
    let [back] = solver.solve(&decay, &end, 1.0, 0.0)?.end()?;
    Ok((back - 1.0).abs())
}

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    panels(path, 1, 1, 560, |areas| {
        let x = Axis::linear(0.0..26.0).named("rate of contraction λ");
        let y = Axis::log(3e-11..3e5).named("error of x(0)");
        let panel = Panel::with_axes(&areas[0], "solved to t = 1 and back", x, y)?;
        for (tolerance, colour) in [(1e-6, &BLUE), (1e-9, &ORANGE)] {
            let line = [0.0, 25.0].map(|rate: f64| [rate, tolerance * rate.exp()]);
            panel.line(line, colour)?;
            let dots: Vec<[f64; 2]> = (1..=25)
                .map(|rate| Ok([rate.into(), error(rate.into(), tolerance)?]))
                .collect::<Result<_>>()?;
            panel.dots(&dots, 5, colour)?;
        }
        let names = [("tolerance 1e-6", BLUE), ("tolerance 1e-9", ORANGE)];
        panel.legend(Corner::TopLeft, &names)?;
        Ok(())
    })
}
