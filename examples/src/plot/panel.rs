//! A panel: a plane with axes under a title.

use std::ops::Range;

use advect::prelude::Result;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};

use super::picture::{FINE, failed};
use super::text::{Label, anchor};
use super::{Axis, Canvas, GREY};

/// Logical pixels around the plane. Those above and below are as many as those beside it, so that a plane of equal ranges is square.
const TITLE: i32 = 28;
const BELOW: i32 = 24;
const LEFT: i32 = 42;
const RIGHT: i32 = 10;
/// More of them for the name of an axis.
const NAME: i32 = 18;
const TICK: f64 = 12.0;
const NAMES: f64 = 14.0;

/// A plane with axes, under a title.
pub struct Panel<'a> {
    pub(crate) area: Canvas<'a>,
    /// The plane's left, top, right and bottom, in units of the canvas.
    pub(crate) frame: [i32; 4],
    x: Axis,
    y: Axis,
}

impl<'a> Panel<'a> {
    /// One with linear axes of these ranges, without names.
    ///
    /// # Errors
    /// [`Error::Range`](advect::prelude::Error::Range) if it can't be drawn; so have all methods.
    pub fn new(area: &Canvas<'a>, title: &str, x: Range<f64>, y: Range<f64>) -> Result<Self> {
        Panel::with_axes(area, title, Axis::linear(x), Axis::linear(y))
    }

    /// One with any axes. A title that is too long for the panel is drawn smaller.
    ///
    /// # Errors
    /// As [`Panel::new`].
    pub fn with_axes(area: &Canvas<'a>, title: &str, x: Axis, y: Axis) -> Result<Self> {
        let (width, height) = area.dim_in_pixel();
        let (width, height) = (width as i32, height as i32);
        // Both margins grow by one name, whichever axis has it, and the plane stays square.
        let named = !x.name.is_empty() || !y.name.is_empty();
        let name = if named { NAME } else { 0 };
        let frame = [
            (LEFT + name) * FINE,
            TITLE * FINE,
            width - RIGHT * FINE,
            height - (BELOW + name) * FINE,
        ];
        let panel = Panel {
            area: area.clone(),
            frame,
            x,
            y,
        };
        let title = Label {
            words: title,
            size: 16.0,
            at: ((frame[0] + frame[2]) / 2, 16 * FINE),
            anchor: anchor(HPos::Center, VPos::Center),
        };
        title.draw_within(area, frame[2] - frame[0])?;
        panel.draw_axes()?;
        Ok(panel)
    }

    fn draw_axes(&self) -> Result<()> {
        let [left, top, right, bottom] = self.frame;
        let line = |from, to, width, colour: RGBColor| {
            let line = PathElement::new(vec![from, to], colour.stroke_width(width));
            self.area.draw(&line).map_err(failed)
        };
        let pale = RGBColor(238, 238, 238);
        for (place, name) in self.x.ticks() {
            let Some(x) = self.across(place) else {
                continue;
            };
            line((x, top), (x, bottom), 3, pale)?;
            line((x, bottom), (x, bottom + 3 * FINE), 4, GREY)?;
            let at = (x, bottom + 5 * FINE);
            tick(&name, at, HPos::Center, VPos::Top).draw(&self.area)?;
        }
        for (place, name) in self.y.ticks() {
            let Some(y) = self.up(place) else { continue };
            line((left, y), (right, y), 3, pale)?;
            line((left - 3 * FINE, y), (left, y), 4, GREY)?;
            let at = (left - 6 * FINE, y);
            tick(&name, at, HPos::Right, VPos::Center)
                .draw_within(&self.area, (LEFT - 8) * FINE)?;
        }
        for (from, to) in [
            ((left, top), (right, top)),
            ((left, bottom), (right, bottom)),
            ((left, top), (left, bottom)),
            ((right, top), (right, bottom)),
        ] {
            line(from, to, 4, GREY)?;
        }
        let name = |words, at, vertical| Label {
            words,
            size: NAMES,
            at,
            anchor: anchor(HPos::Center, vertical),
        };
        let middle = ((left + right) / 2, (top + bottom) / 2);
        let below = bottom + (BELOW - 2) * FINE;
        name(&self.x.name, (middle.0, below), VPos::Top).draw(&self.area)?;
        let beside = name(&self.y.name, (4 * FINE, middle.1), VPos::Top);
        beside.draw_turned(&self.area, FontTransform::Rotate270)
    }

    /// The place of a number across, in units of the canvas; none outside.
    pub(crate) fn across(&self, x: f64) -> Option<i32> {
        let share = self.x.share(x)?;
        let [left, _, right, _] = self.frame;
        let inside = (-1e-9..=1.0 + 1e-9).contains(&share);
        inside.then(|| left + (share * f64::from(right - left)).round() as i32)
    }

    /// The place of a number upwards; none outside.
    pub(crate) fn up(&self, y: f64) -> Option<i32> {
        let share = self.y.share(y)?;
        let [_, top, _, bottom] = self.frame;
        let inside = (-1e-9..=1.0 + 1e-9).contains(&share);
        inside.then(|| bottom - (share * f64::from(bottom - top)).round() as i32)
    }

    /// Whether a point is inside.
    pub(crate) fn holds(&self, point: [f64; 2]) -> bool {
        let inside = |share: [f64; 2]| share.iter().all(|s| (0.0..=1.0).contains(s));
        self.shares(point).is_some_and(inside)
    }

    /// The distance of two points in logical pixels; 0 for one without a place.
    pub(crate) fn pixels(&self, a: [f64; 2], b: [f64; 2]) -> f64 {
        let (Some(a), Some(b)) = (self.shares(a), self.shares(b)) else {
            return 0.0;
        };
        let ((ax, ay), (bx, by)) = (self.place(a), self.place(b));
        f64::from(bx - ax).hypot(f64::from(by - ay)) / f64::from(FINE)
    }

    /// The shares of both sides at which a point is; none without a place on an axis.
    pub(crate) fn shares(&self, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
        Some([self.x.share(x)?, self.y.share(y)?])
    }

    pub(crate) fn place(&self, [x, y]: [f64; 2]) -> (i32, i32) {
        let [left, top, right, bottom] = self.frame.map(f64::from);
        let (x, y) = (left + x * (right - left), bottom - y * (bottom - top));
        (x.round() as i32, y.round() as i32)
    }
}

/// The name of a tick.
fn tick(words: &str, at: (i32, i32), horizontal: HPos, vertical: VPos) -> Label<'_> {
    Label {
        words,
        size: TICK,
        at,
        anchor: anchor(horizontal, vertical),
    }
}
