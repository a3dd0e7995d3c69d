//! Fields as arrows.

use advect::prelude::Result;

use super::{Panel, RGBColor};

impl Panel<'_> {
    /// Draws an arrow from each point along its vector, times `scale`, with a head of a third of its length, at most 7 logical pixels.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn arrows(
        &self,
        arrows: &[([f64; 2], [f64; 2])],
        scale: f64,
        colour: &RGBColor,
    ) -> Result<()> {
        for ([x, y], [u, v]) in arrows {
            let (tip, [dx, dy]) = ([x + scale * u, y + scale * v], [scale * u, scale * v]);
            self.stroke([[*x, *y], tip], 1.2, colour)?;
            // Of the length in pixels, along the longer side.
            let pixels = self.pixels([*x, *y], tip);
            if pixels < 2.0 {
                continue;
            }
            let head = (7.0 / pixels).min(0.4);
            let back = [tip[0] - head * dx, tip[1] - head * dy];
            let [across, up] = [-0.4 * head * dy, 0.4 * head * dx];
            let sides = [
                tip,
                [back[0] + across, back[1] + up],
                [back[0] - across, back[1] - up],
            ];
            if sides.iter().all(|[x, y]| self.holds([*x, *y])) {
                self.fill(&sides, colour, 1.0)?;
            }
        }
        Ok(())
    }
}
