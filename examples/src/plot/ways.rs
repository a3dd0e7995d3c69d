//! Trajectories that darken on their way.

use advect::prelude::Result;

use super::colour::between;
use super::{BLACK, Panel, RGBColor};

/// Parts of a way that have one colour each.
const PARTS: usize = 12;

impl Panel<'_> {
    /// Draws the ways of points through states, which begin pale and end in a colour, with black dots at their start and coloured ones at their end.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn ways(&self, states: &[Vec<[f64; 2]>], colour: &RGBColor) -> Result<()> {
        let Some(steps) = states.len().checked_sub(1) else {
            return Ok(());
        };
        let pale = RGBColor(222, 222, 222);
        let parts = PARTS.min(steps);
        let count = states.iter().map(Vec::len).min().unwrap_or(0);
        for part in 0..parts {
            let (from, to) = (part * steps / parts, (part + 1) * steps / parts);
            let share = (part as f64 + 0.5) / parts as f64;
            let shade = between(pale, *colour, share);
            for i in 0..count {
                self.stroke(states[from..=to].iter().map(|state| state[i]), 1.0, &shade)?;
            }
        }
        self.dots(&states[0][..count], 2, &BLACK)?;
        self.dots(&states[steps][..count], 2, colour)
    }
}
