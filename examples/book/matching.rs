//! Lines of pairs, which cross, and the flow of their mean velocity, whose ways can't.

use std::path::Path;

use advect::prelude::*;
use advect_examples::plot::{BLUE, Corner, GREY, ORANGE, Panel, panels, rows};

use crate::two_peaks;

/// Draws it.
pub(crate) fn draw(path: &Path) -> Result<()> {
    let law = two_peaks()?;
    let mut rng = Generator::from_seed(1);
    let noise = rng.normal((60, 2), DType::F64, &Device::Cpu)?;
    let data = law.sample(60, DType::F64, &Device::Cpu, &mut rng)?;
    let flow = Solver::new(Rk4, Fixed::steps(60)?)
        .integration(&law.velocity(CondOt::default()), &noise, 0.0, 1.0)
        .save(Save::Every(3))
        .run()?;
    let straight = [noise, data];
    panels(path, 1, 2, 480, |areas| {
        for (area, title, states) in [
            (&areas[0], "pairs", &straight[..]),
            (&areas[1], "their flow", &flow.states),
        ] {
            let panel = Panel::new(area, title, -4.0..4.0, -4.0..4.0)?;
            let states: Vec<_> = states.iter().map(rows).collect::<Result<_>>()?;
            for i in 0..states[0].len() {
                panel.line(states.iter().map(|points| points[i]), &GREY)?;
            }
            panel.dots(&states[0], 3, &BLUE)?;
            panel.dots(&states[states.len() - 1], 3, &ORANGE)?;
            panel.legend(Corner::BottomRight, &[("noise", BLUE), ("data", ORANGE)])?;
        }
        Ok(())
    })
}
