//! A row for each flow: trajectories, and where one step and where many take the points.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{BLUE, Corner, ORANGE, Panel, panels, rows};

use crate::{MANY, Outcome};

const VIEW: f64 = 6.8;

/// Draws the outcomes of a seed.
pub(crate) fn draw(
    path: &Path,
    outcomes: &[Outcome],
    source: &Tensor,
    data: &Tensor,
) -> Result<()> {
    panels(path, outcomes.len(), 3, 340, |panels| {
        for (outcome, panels) in outcomes.iter().zip(panels.chunks(3)) {
            let panel = |i: usize, what: &str| {
                let title = format!("{}: {what}", outcome.name);
                Panel::new(&panels[i], &title, -VIEW..VIEW, -VIEW..VIEW)
            };
            let ways = panel(0, "trajectories")?;
            let count = 150.min(source.dim(0)?);
            let states: Vec<Vec<[f64; 2]>> = (outcome.ways.iter())
                .map(|state| rows(&state.narrow(0, 0, count)?))
                .collect::<Result<_>>()?;
            ways.ways(&states, &BLUE)?;

            let names = [("data", ORANGE), ("samples", BLUE)];
            let one_step = panel(1, "one step")?;
            one_step.dots(&rows(data)?, 2, &ORANGE)?;
            one_step.dots(&rows(&outcome.one_step)?, 1, &BLUE)?;
            one_step.legend(Corner::TopRight, &names)?;

            // The distilled network has its one step alone.
            if let [_, _, .., end] = outcome.ways.as_slice() {
                let many = panel(2, &format!("{MANY} steps"))?;
                many.dots(&rows(data)?, 2, &ORANGE)?;
                many.dots(&rows(end)?, 1, &BLUE)?;
                many.legend(Corner::TopRight, &names)?;
            }
        }
        Ok(())
    })
}
