//! A panel for each method: the cells at all times, and curves along its velocity.

use std::path::Path;

use advect::prelude::*;
use advect::trajectories::Snapshots;
use advect_examples::plot::{BLUE, Canvas, ORANGE, Panel, panels, rows};

use super::methods::Process;

/// The most curves in a panel.
const CELLS: usize = 40;
/// The panels in a row.
const COLUMNS: usize = 5;

/// States at times.
pub(crate) struct Way {
    pub(crate) times: Vec<f64>,
    pub(crate) states: Vec<Tensor>,
}

/// The way of the cells of the first time to the last one.
pub(crate) fn curves(process: &Process, all: &Snapshots, key: Key) -> Result<Way> {
    let (first, last) = (all.at(0).time(), all.at(all.len() - 1).time());
    let times: Vec<f64> = (0..=60)
        .map(|i| first + (last - first) * f64::from(i) / 60.0)
        .collect();
    let states = process.states(all.at(0), &times, key)?;
    Ok(Way { times, states })
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
        let cells = states.first().map_or(0, Vec::len).min(CELLS);
        (0..cells).try_for_each(|i| panel.line(states.iter().map(|rows| rows[i]), &BLUE))
    };
    let columns = methods.len().min(COLUMNS);
    panels(
        path,
        methods.len().div_ceil(COLUMNS),
        columns,
        260,
        |areas| (methods.iter().zip(areas)).try_for_each(|(method, area)| draw(method, area)),
    )
}
