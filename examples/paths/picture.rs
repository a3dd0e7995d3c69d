//! A row for each path: its flows to one point, its flow to the data, and its densities at four times.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{BLUE, GREY, ORANGE, Panel, panels, rows};
use plotters::style::RGBColor;

use crate::{Case, END};

/// Trajectories that are drawn.
const SHOWN: usize = 40;
/// Trajectories that end at one point.
const GIVEN: usize = 8;
const TIMES: [f64; 4] = [0.25, 0.5, 0.75, END];
/// Half of the width of densities, in units of the marginal's spread.
const HALF: f64 = 2.2;

/// Draws the conditional flows to a point of the data, the marginal flow of the same noise, and its densities.
pub(crate) fn draw(path: &Path, law: &GaussianMixture, cases: &[Case], tiles: usize) -> Result<()> {
    let columns = 2 + TIMES.len();
    panels(path, cases.len(), columns, 260, |areas| {
        for (case, areas) in cases.iter().zip(areas.chunks(columns)) {
            let schedule = &case.schedule;
            // All noise is to be seen, at its start and on the way.
            let half = 3.0 * schedule.sigma(0.0).max(0.9);
            let start = rows(&case.states[0])?;
            let shown = SHOWN.min(start.len());

            let title = format!("{}: to one point", case.name);
            let panel = Panel::new(&areas[0], &title, -half..half, -half..half)?;
            let target = [1.2, 1.2];
            for x0 in &start[..GIVEN.min(shown)] {
                let along = (0..=200).map(|k| {
                    let t = END * k as f64 / 200.0;
                    // The start is σ(0) x0.
                    let scale = schedule.sigma(t) / schedule.sigma(0.0);
                    [0, 1].map(|i| schedule.alpha(t) * target[i] + scale * x0[i])
                });
                panel.line(along, &BLUE)?;
            }
            panel.dots(&start[..GIVEN.min(shown)], 2, &GREY)?;
            panel.dots(&[target], 3, &ORANGE)?;

            let title = format!("{}: the flow", case.name);
            let panel = Panel::new(&areas[1], &title, -half..half, -half..half)?;
            let states: Vec<Vec<[f64; 2]>> = case.states.iter().map(rows).collect::<Result<_>>()?;
            for i in 0..shown {
                panel.line(states.iter().map(|x| x[i]), &BLUE)?;
            }
            panel.dots(&start[..shown], 2, &GREY)?;
            panel.dots(&states[states.len() - 1][..shown], 2, &ORANGE)?;

            for (t, area) in TIMES.into_iter().zip(&areas[2..]) {
                let spread = schedule.alpha(t).hypot(schedule.sigma(t));
                let half = HALF * spread;
                let title = format!("{}: t = {t}, to ±{half:.1}", case.name);
                let panel = Panel::new(area, &title, -half..half, -half..half)?;
                density(&panel, law, schedule, t, (half, tiles))?;
            }
        }
        Ok(())
    })
}

/// Fills a panel with the density, dark where it is large.
fn density(
    panel: &Panel<'_>,
    law: &GaussianMixture,
    schedule: &dyn Schedule,
    t: f64,
    (half, tiles): (f64, usize),
) -> Result<()> {
    let width = 2.0 * half / tiles as f64;
    let centre = |k: usize| -half + width * (k as f64 + 0.5);
    let points: Vec<[f64; 2]> = (0..tiles * tiles)
        .map(|k| [centre(k % tiles), centre(k / tiles)])
        .collect();
    let x = Tensor::from_vec(points.concat(), (tiles * tiles, 2), &Device::Cpu)?;
    let logs = law.score(schedule).log_density(&Time::Shared(t), &x)?;
    let logs = logs.to_vec1::<f64>()?;
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for ([x, y], log) in points.into_iter().zip(logs) {
        let share = (log - largest).exp();
        let mixed = |ink: f64| (255.0 + (ink - 255.0) * share).round() as u8;
        let colour = RGBColor(mixed(30.0), mixed(90.0), mixed(180.0));
        let (x, y) = (x - 0.5 * width, y - 0.5 * width);
        panel.tile([[x, y], [x + width, y + width]], &colour)?;
    }
    Ok(())
}
