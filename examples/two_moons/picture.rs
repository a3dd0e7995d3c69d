//! A row for each coupling: the samples, their trajectories, and the learned field half-way.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{
    BLUE, Canvas, Corner, GREY, LIGHT, ORANGE, Panel, animation, panels, rows,
};

use crate::Outcome;

const VIEW: f64 = 6.8;

/// Draws all outcomes into one picture.
pub(crate) fn draw(path: &Path, test: &[Tensor; 2], outcomes: &[Outcome]) -> Result<()> {
    panels(path, outcomes.len(), 3, 380, |panels| {
        draw_rows(panels, test, outcomes)
    })
}

/// A row of three panels for each outcome.
fn draw_rows(panels: &[Canvas<'_>], test: &[Tensor; 2], outcomes: &[Outcome]) -> Result<()> {
    for (outcome, panels) in outcomes.iter().zip(panels.chunks(3)) {
        let panel = |i: usize, what: &str| {
            let title = format!("{} pairs: {what}", outcome.name);
            Panel::new(&panels[i], &title, -VIEW..VIEW, -VIEW..VIEW)
        };
        let samples = panel(0, "samples on the data")?;
        samples.dots(&rows(&test[0])?, 1, &GREY)?;
        samples.dots(&rows(&test[1])?, 2, &ORANGE)?;
        samples.dots(&rows(&outcome.flow.end()?)?, 1, &BLUE)?;
        let names = [("source", GREY), ("target", ORANGE), ("samples", BLUE)];
        samples.legend(Corner::TopRight, &names)?;

        let ways = panel(1, "trajectories")?;
        let count = 150.min(test[0].dim(0)?);
        let states: Vec<Vec<[f64; 2]>> = (outcome.flow.states.iter())
            .map(|state| rows(&state.narrow(0, 0, count)?))
            .collect::<Result<_>>()?;
        ways.ways(&states, &BLUE)?;

        let arrows = panel(2, "field at t = 1/2")?;
        // Arrows of a seventh of a unit of time.
        let field = field(&outcome.net, test[0].device())?;
        arrows.arrows(&field, 1.0 / 7.0, &BLUE)?;
    }
    Ok(())
}

/// The learned velocity at t = 1/2 on a grid of points.
fn field(net: &Mlp, device: &Device) -> Result<Vec<([f64; 2], [f64; 2])>> {
    let ticks = || (-6..=6).map(f64::from);
    let grid: Vec<[f64; 2]> = ticks().flat_map(|y| ticks().map(move |x| [x, y])).collect();
    let flat: Vec<f64> = grid.iter().flatten().copied().collect();
    let x = Tensor::from_vec(flat, (grid.len(), 2), device)?.to_dtype(DType::F32)?;
    let velocities = rows(&net.at(&Time::Shared(0.5), &x)?)?;
    Ok(grid.into_iter().zip(velocities).collect())
}

/// Draws points on their way from the source to the samples, as a moving picture.
pub(crate) fn animate(path: &Path, target: &Tensor, flow: &Solution) -> Result<()> {
    const FRAMES: usize = 34;
    let count = 700.min(target.dim(0)?);
    let target = rows(&target.narrow(0, 0, count)?)?;
    let last = flow.states.len() - 1;
    animation(path, (300, 300), FRAMES, |k, root| {
        let step = k * last / (FRAMES - 1);
        let title = format!("t = {:.2}", flow.times[step]);
        let panel = Panel::new(root, &title, -VIEW..VIEW, -VIEW..VIEW)?;
        panel.dots(&target, 1, &LIGHT)?;
        panel.dots(&rows(&flow.states[step].narrow(0, 0, count)?)?, 2, &BLUE)
    })
}
