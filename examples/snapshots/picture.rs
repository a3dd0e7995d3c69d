//! A panel for each method: the cells at all times, and curves along its velocity.

use std::path::Path;

use advect::prelude::*;
use advect::trajectories::Snapshots;
use advect_examples::Canvas;
use advect_examples::plot::{BLUE, ORANGE, Panel, panels, rows};

/// The states of some cells of the first time, carried along a velocity to the last one, at several times.
pub(crate) fn curves(velocity: &dyn Field, all: &Snapshots) -> Result<Vec<Tensor>> {
    let velocity = field_fn(|t, x| Ok(velocity.at(t, x)?.detach()));
    let start = all.at(0).samples();
    let start = start.narrow(0, 0, start.dim(0)?.min(40))?;
    let end = all.at(all.len() - 1).time();
    let solver = Solver::new(Rk4, Fixed::steps(60)?);
    let way = solver.integration(&velocity, &start, all.at(0).time(), end);
    Ok(way.save(Save::Every(1)).run()?.states)
}

/// The smallest interval that holds a coordinate of all cells, and a little more.
fn range(all: &Snapshots, coordinate: usize) -> Result<std::ops::Range<f64>> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for snapshot in all.iter() {
        for row in rows(&snapshot.samples().narrow(1, 0, 2)?)? {
            (low, high) = (low.min(row[coordinate]), high.max(row[coordinate]));
        }
    }
    let margin = 0.1 * (high - low);
    Ok(low - margin..high + margin)
}

/// Draws the panels of all methods.
pub(crate) fn draw(path: &Path, all: &Snapshots, methods: &[(&str, Vec<Tensor>)]) -> Result<()> {
    let (x, y) = (range(all, 0)?, range(all, 1)?);
    let draw = |(name, states): &(&str, Vec<Tensor>), area: &Canvas<'_>| {
        let panel = Panel::new(area, name, x.clone(), y.clone())?;
        for snapshot in all.iter() {
            panel.dots(&rows(&snapshot.samples().narrow(1, 0, 2)?)?, 1, &ORANGE)?;
        }
        let states = states.iter().map(|x| rows(&x.narrow(1, 0, 2)?));
        let states: Vec<_> = states.collect::<Result<_>>()?;
        let cells = states.first().map_or(0, Vec::len);
        (0..cells).try_for_each(|i| panel.line(states.iter().map(|rows| rows[i]), &BLUE))
    };
    panels(path, 1, methods.len(), 260, |areas| {
        (methods.iter().zip(areas)).try_for_each(|(method, area)| draw(method, area))
    })
}
