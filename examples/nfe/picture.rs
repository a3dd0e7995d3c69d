//! Losses, quality, errors, and the way of the same noise.
//!
//! Above, score matching is grey, flow matching on the diffusion's path blue, on straight lines orange; below, Euler's method is grey, the midpoint method blue, RK4 orange, Dopri5
//! green.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{BLUE, GREY, ORANGE, Panel, panels, rows};
use plotters::style::RGBColor;

use crate::Outcome;

/// A colour for each outcome, or each solver.
const COLOURS: [RGBColor; 4] = [GREY, BLUE, ORANGE, RGBColor(40, 140, 70)];
/// Trajectories that are drawn.
const SHOWN: usize = 60;

/// Draws losses and quality of all above the trajectories of each, and the errors of each below.
pub(crate) fn draw(path: &Path, outcomes: &[Outcome]) -> Result<()> {
    let columns = outcomes.len();
    panels(path, 3, columns, 380, |areas| {
        let steps = outcomes.iter().map(|o| o.losses.len()).max().unwrap_or(1) as f64;
        let losses = "relative loss: SM VP, FM VP, FM OT";
        let losses = Panel::new(&areas[0], losses, 0.0..steps, 0.0..1.0)?;
        let exponents = "log10 of the energy distance";
        let quality = Panel::new(&areas[1], exponents, 0.0..steps, -4.5..0.0)?;
        for (outcome, colour) in outcomes.iter().zip(COLOURS) {
            losses.line(smooth(&outcome.losses), &colour)?;
            let points = outcome.quality.iter();
            let points = points.map(|&(step, d)| [step as f64, d.max(1e-5).log10()]);
            quality.line(points, &colour)?;
        }
        for ((outcome, above), below) in outcomes
            .iter()
            .zip(&areas[columns..])
            .zip(&areas[2 * columns..])
        {
            let panel = Panel::new(above, outcome.name, -3.0..3.0, -3.0..3.0)?;
            let states: Vec<Vec<[f64; 2]>> =
                outcome.states.iter().map(rows).collect::<Result<_>>()?;
            let (first, last) = (&states[0], &states[states.len() - 1]);
            for i in 0..SHOWN.min(first.len()) {
                panel.line(states.iter().map(|x| x[i]), &BLUE)?;
            }
            panel.dots(last, 1, &ORANGE)?;

            let title = "log10 of the error by log2 NFE";
            let panel = Panel::new(below, title, 2.0..7.5, -5.0..0.5)?;
            for (errors, colour) in outcome.errors.iter().zip(COLOURS) {
                let place =
                    |&(n, error): &(usize, f64)| [(n as f64).log2(), error.max(1e-6).log10()];
                let points: Vec<[f64; 2]> = errors.points.iter().map(place).collect();
                panel.line(points.iter().copied(), &colour)?;
                panel.dots(&points, 3, &colour)?;
            }
        }
        Ok(())
    })
}

/// The running mean of losses, relative to their mean in the beginning.
fn smooth(losses: &[f64]) -> Vec<[f64; 2]> {
    let early = &losses[..losses.len().min(20)];
    let scale = early.iter().sum::<f64>() / early.len().max(1) as f64;
    let mut mean = scale;
    let points = losses.iter().enumerate().map(|(i, loss)| {
        mean += (loss - mean) * 0.01f64.max(1.0 / (i + 1) as f64);
        [i as f64, (mean / scale).min(1.0)]
    });
    points.collect()
}
