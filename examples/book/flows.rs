//! The density at five times, with the ways of some points.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{Palette, Panel, WHITE, panels, rows};

use crate::two_peaks;

const CELLS: usize = 90;

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    let velocity = two_peaks()?.velocity(CondOt::default());
    let start = Generator::from_seed(3).normal((24, 2), DType::F64, &Device::Cpu)?;
    let ways = Solver::new(Rk4, Fixed::steps(80)?)
        .integration(&velocity, &start, 0.0, 1.0)
        .save(Save::Every(1))
        .run()?;
    let states: Vec<Vec<[f64; 2]>> = ways.states.iter().map(rows).collect::<Result<_>>()?;
    let plane = [-4.0..4.0, -4.0..4.0];
    let x = Panel::centres(plane.clone(), [CELLS; 2], DType::F64, &Device::Cpu)?;
    panels(path, 1, 5, 300, |areas| {
        for (k, area) in areas.iter().enumerate() {
            let t = 0.25 * k as f64;
            let panel = Panel::new(area, &format!("t = {t}"), -4.0..4.0, -4.0..4.0)?;
            let densities = velocity
                .log_density(&Time::Shared(t), &x)?
                .exp()?
                .to_vec1()?;
            panel.heat(plane.clone(), CELLS, &densities, Palette::Viridis)?;
            let last = 20 * k;
            for i in 0..states[0].len() {
                panel.stroke(states[..=last].iter().map(|points| points[i]), 1.2, &WHITE)?;
            }
            panel.dots(&states[last], 3, &WHITE)?;
        }
        Ok(())
    })
}
