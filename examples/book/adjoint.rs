//! Errors of a state that is solved forwards and back.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{BLUE, ORANGE, Panel, panels};

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
        let title = "log10 of the error over λ from 0 to 26";
        let panel = Panel::new(&areas[0], title, 0.0..26.0, -10.5..5.5)?;
        for (tolerance, colour) in [(1e-6, &BLUE), (1e-9, &ORANGE)] {
            let line = [0.0, 25.0].map(|rate: f64| [rate, (tolerance * rate.exp()).log10()]);
            panel.line(line, colour)?;
            let dots: Vec<[f64; 2]> = (1..=25)
                .map(|rate| Ok([rate.into(), error(rate.into(), tolerance)?.log10()]))
                .collect::<Result<_>>()?;
            panel.dots(&dots, 5, colour)?;
        }
        Ok(())
    })
}
