//! Names of colours.

use advect::prelude::Result;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::Panel;
use super::picture::{FINE, failed};
use super::text::{Label, anchor};

/// A corner of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Corner {
    /// At the top on the left.
    TopLeft,
    /// At the top on the right.
    TopRight,
    /// At the bottom on the left.
    BottomLeft,
    /// At the bottom on the right.
    BottomRight,
}

/// The height of a line, the length of a piece of colour, and the room around, in logical pixels.
const LINE: i32 = 17;
const PIECE: i32 = 16;
const ROOM: i32 = 6;

impl Panel<'_> {
    /// Draws a box with a line for each name, in a corner.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn legend(&self, corner: Corner, names: &[(&str, RGBColor)]) -> Result<()> {
        let label = |words, at| Label {
            words,
            size: 13.0,
            at,
            anchor: anchor(HPos::Left, VPos::Center),
        };
        let widths = names.iter().map(|(name, _)| label(name, (0, 0)).width());
        let widest = widths.collect::<Result<Vec<_>>>()?.into_iter().max();
        let width = widest.unwrap_or(0) + (PIECE + 3 * ROOM) * FINE;
        let height = (names.len() as i32 * LINE + ROOM) * FINE;
        let [left, top, right, bottom] = self.frame;
        let gap = ROOM * FINE;
        let x = match corner {
            Corner::TopLeft | Corner::BottomLeft => left + gap,
            Corner::TopRight | Corner::BottomRight => right - gap - width,
        };
        let y = match corner {
            Corner::TopLeft | Corner::TopRight => top + gap,
            Corner::BottomLeft | Corner::BottomRight => bottom - gap - height,
        };
        let back = Rectangle::new([(x, y), (x + width, y + height)], WHITE.mix(0.85).filled());
        self.area.draw(&back).map_err(failed)?;
        for (k, (name, colour)) in (0..).zip(names) {
            let middle = y + (k * LINE + LINE / 2 + ROOM / 2) * FINE;
            let (from, to) = (x + gap, x + gap + PIECE * FINE);
            let piece = [(from, middle - 2 * FINE), (to, middle + 2 * FINE)];
            let piece = Rectangle::new(piece, colour.filled());
            self.area.draw(&piece).map_err(failed)?;
            label(name, (to + gap, middle)).draw(&self.area)?;
        }
        Ok(())
    }
}
