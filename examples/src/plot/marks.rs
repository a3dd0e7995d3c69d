//! Dots, lines and areas on a panel.

use advect::prelude::Result;
use plotters::prelude::*;

use super::Panel;
use super::picture::{FINE, failed};

impl Panel<'_> {
    /// Draws the dots that are inside, with a radius in logical pixels.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn dots(&self, points: &[[f64; 2]], radius: i32, colour: &RGBColor) -> Result<()> {
        let inside = |share: &[f64; 2]| share.iter().all(|s| (0.0..=1.0).contains(s));
        let places = points.iter().filter_map(|point| self.shares(*point));
        for share in places.filter(inside) {
            let dot = Circle::new(self.place(share), radius * FINE, colour.filled());
            self.area.draw(&dot).map_err(failed)?;
        }
        Ok(())
    }

    /// Draws a line through points, as far as it is inside.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn line(
        &self,
        points: impl IntoIterator<Item = [f64; 2]>,
        colour: &RGBColor,
    ) -> Result<()> {
        self.stroke(points, 1.0, colour)
    }

    /// Draws a line of a width in logical pixels.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn stroke(
        &self,
        points: impl IntoIterator<Item = [f64; 2]>,
        width: f64,
        colour: &RGBColor,
    ) -> Result<()> {
        let style = colour.stroke_width((width * f64::from(FINE)).round() as u32);
        let mut before = None;
        for share in points.into_iter().map(|point| self.shares(point)) {
            let piece = match (before, share) {
                (Some(a), Some(b)) => clipped(a, b),
                _ => None,
            };
            before = share;
            let Some([from, to]) = piece.map(|ends| ends.map(|end| self.place(end))) else {
                continue;
            };
            // Piece by piece, as long ones have spikes where they turn back; and places that coincide have no direction.
            if from != to {
                let line = PathElement::new(vec![from, to], style);
                self.area.draw(&line).map_err(failed)?;
            }
            if width > 1.1 {
                let joint =
                    Circle::new(to, (0.5 * width * f64::from(FINE)) as i32, colour.filled());
                self.area.draw(&joint).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Fills a rectangle between two corners, as far as it is inside.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn tile(&self, corners: [[f64; 2]; 2], colour: &RGBColor) -> Result<()> {
        let shares = corners.map(|corner| self.shares(corner));
        let [Some(a), Some(b)] = shares else {
            return Ok(());
        };
        let outside = |k: usize| a[k].max(b[k]) < 0.0 || a[k].min(b[k]) > 1.0;
        if outside(0) || outside(1) {
            return Ok(());
        }
        let corners = [a, b].map(|share| self.place(share.map(|s| s.clamp(0.0, 1.0))));
        let tile = Rectangle::new(corners, colour.filled());
        self.area.draw(&tile).map_err(failed)
    }

    /// Fills the polygon of these points with a colour of this opacity. Its points are moved inside.
    pub(crate) fn fill(&self, points: &[[f64; 2]], colour: &RGBColor, opacity: f64) -> Result<()> {
        let shares = points.iter().filter_map(|point| self.shares(*point));
        let places = shares.map(|share| self.place(share.map(|s| s.clamp(0.0, 1.0))));
        let polygon = Polygon::new(places.collect::<Vec<_>>(), colour.mix(opacity));
        self.area.draw(&polygon).map_err(failed)
    }
}

/// The part of a line that is in the unit square (Liang and Barsky, 1984).
fn clipped(a: [f64; 2], b: [f64; 2]) -> Option<[[f64; 2]; 2]> {
    let (mut from, mut to) = (0f64, 1f64);
    for k in 0..2 {
        let way = b[k] - a[k];
        if way == 0.0 {
            if !(0.0..=1.0).contains(&a[k]) {
                return None;
            }
            continue;
        }
        let ends = [-a[k] / way, (1.0 - a[k]) / way];
        from = from.max(ends[0].min(ends[1]));
        to = to.min(ends[0].max(ends[1]));
    }
    let at = |s: f64| [0, 1].map(|k| a[k] + s * (b[k] - a[k]));
    (from <= to).then(|| [at(from), at(to)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::picture::pixels;
    use crate::plot::{BLUE, Palette, prepare_pictures};

    /// On the right of the frame, and above it and the highest tick, where there is no text, whatever is drawn.
    #[test]
    fn nothing_is_drawn_beyond_the_frame() -> Result<()> {
        prepare_pictures(&std::env::temp_dir())?;
        let (pixels, (width, _)) = pixels((200, 200), |root| {
            let panel = Panel::new(root, "", 0.0..1.0, 0.0..1.0)?;
            let far = [[-9.0, -9.0], [9.0, 9.0], [0.5, 30.0], [0.2, 0.3]];
            panel.heat([-1.0..2.0, -1.0..2.0], 4, &[1.0; 16], Palette::Viridis)?;
            panel.tile([[-3.0, -3.0], [4.0, 0.5]], &BLUE)?;
            panel.stroke(far, 3.0, &BLUE)?;
            panel.dots(&far, 3, &BLUE)?;
            panel.arrows(&[([0.9, 0.9], [1.0, 1.0])], 1.0, &BLUE)?;
            let runs = [vec![0.1, 0.9, 5.0], vec![0.2, 0.1, -4.0]];
            panel.runs(&[0.0, 0.5, 2.0], &runs, &BLUE)?;
            let states = [vec![[0.1, 0.1]], vec![[0.5, 4.0]], vec![[7.0, 0.2]]];
            panel.ways(&states, &BLUE)
        })?;
        let rows: Vec<&[u8]> = pixels.chunks_exact(3 * width as usize).collect();
        let white = |pixels: &[u8]| pixels.iter().all(|x| *x == 255);
        assert!(rows[..40].iter().all(|row| white(row)));
        assert!(
            rows[..340]
                .iter()
                .all(|row| white(&row[row.len() - 3 * 14..]))
        );
        assert!(!rows[200..300].iter().all(|row| white(row)));
        Ok(())
    }

    #[test]
    fn lines_end_at_the_frame() {
        assert_eq!(
            clipped([-1.0, 0.5], [3.0, 0.5]),
            Some([[0.0, 0.5], [1.0, 0.5]])
        );
        assert_eq!(
            clipped([0.25, 0.25], [0.5, 0.75]),
            Some([[0.25, 0.25], [0.5, 0.75]])
        );
        assert_eq!(clipped([-1.0, 0.5], [0.5, 2.0]), None);
        assert_eq!(clipped([2.0, 0.1], [2.0, 0.9]), None);
    }
}
