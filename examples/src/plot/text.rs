//! Text in pictures.

use std::path::Path;

use advect::prelude::{Error, Result};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};

use super::Canvas;
use super::picture::{FINE, failed};

/// The family under which [`prepare_pictures`] registers a font: the same on every machine.
pub const FONT: &str = "advect";

/// Makes the folder that a picture goes to, and registers the font of its text.
///
/// # Errors
/// [`Error::File`] if the folder can't be made.
pub fn prepare_pictures(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| Error::range("font", FONT, "a readable font"))
}

/// Text of a size in logical pixels, at a place in units of the canvas.
pub(crate) struct Label<'a> {
    pub(crate) words: &'a str,
    pub(crate) size: f64,
    pub(crate) at: (i32, i32),
    pub(crate) anchor: Pos,
}

/// The end of a label that is at its place.
pub(crate) fn anchor(horizontal: HPos, vertical: VPos) -> Pos {
    Pos::new(horizontal, vertical)
}

impl Label<'_> {
    /// Its width in units of the canvas.
    ///
    /// # Errors
    /// [`Error::Range`] if the font is not registered.
    pub(crate) fn width(&self) -> Result<i32> {
        let font = (FONT, self.size * f64::from(FINE)).into_font();
        let ((left, _), (right, _)) = font.layout_box(self.words).map_err(failed)?;
        Ok(right - left)
    }

    /// Smaller, so that it is at most this wide; at half of its size it is cut.
    pub(crate) fn draw_within(&self, root: &Canvas<'_>, width: i32) -> Result<()> {
        let share = f64::from(width) / f64::from(self.width()?.max(1));
        let label = |words, share: f64| Label {
            words,
            size: self.size * share,
            ..*self
        };
        if share >= 0.5 {
            return label(self.words, share.min(1.0)).draw(root);
        }
        let kept = (self.words.chars().count() as f64 * 2.0 * share) as usize;
        let words: String = self.words.chars().take(kept.saturating_sub(1)).collect();
        label(&format!("{words}…"), 0.5).draw(root)
    }

    pub(crate) fn draw(&self, root: &Canvas<'_>) -> Result<()> {
        self.draw_turned(root, FontTransform::None)
    }

    pub(crate) fn draw_turned(&self, root: &Canvas<'_>, turn: FontTransform) -> Result<()> {
        let font = (FONT, self.size * f64::from(FINE)).into_font();
        // The middle of a line of text is that of its capitals, which is lower than that of its box.
        let lower = match (self.anchor.v_pos, &turn) {
            (VPos::Center, FontTransform::None) => (0.12 * self.size * f64::from(FINE)) as i32,
            _ => 0,
        };
        let at = (self.at.0, self.at.1 + lower);
        let style = font.transform(turn).color(&RGBColor(30, 30, 30));
        let text = Text::new(self.words.to_string(), at, style.pos(self.anchor));
        root.draw(&text).map_err(failed)
    }
}
