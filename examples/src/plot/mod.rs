//! Figures: panels with axes, points, lines, densities and fields; sheets of images; animations.
//!
//! | to draw | call |
//! | --- | --- |
//! | square panels in rows | [`panels`] |
//! | wide ones | [`oblong_panels`] |
//! | axes, linear or logarithmic, with names | [`Panel::new`], [`Panel::with_axes`] of an [`Axis`] |
//! | points, lines, bars | [`Panel::dots`], [`Panel::line`], [`Panel::stroke`], [`Panel::tile`] |
//! | a density | [`Panel::heat`] |
//! | a field | [`Panel::arrows`] |
//! | trajectories that darken on their way | [`Panel::ways`] |
//! | runs of several seeds, mean ± standard deviation | [`Panel::runs`], or any [`Panel::band`] |
//! | error against work | [`work_precision`] |
//! | names of colours | [`Panel::legend`] |
//! | images in rows and blocks | [`Sheet`], [`grid`] |
//! | a moving picture | [`animation`] |
//!
//! All lengths are logical pixels; a file has twice as many on each side, which are drawn at twice that and averaged. Colours are those of
//! [`colour`], which those who see few colours tell apart, and the perceptually uniform [`Palette`]s.

mod animation;
mod arrows;
mod axis;
mod band;
pub mod colour;
mod grid;
mod heat;
mod image;
mod legend;
mod marks;
mod palette;
mod panel;
mod panels;
mod picture;
mod rows;
mod sheet;
mod text;
mod ways;
mod work_precision;

pub use animation::animation;
pub use axis::Axis;
pub use colour::{BLUE, GREEN, GREY, LIGHT, ORANGE, PURPLE, SKY, VERMILION};
pub use grid::grid;
pub use image::draw_image;
pub use legend::Corner;
pub use palette::Palette;
pub use panel::Panel;
pub use panels::{oblong_panels, panels};
pub use picture::{Canvas, picture};
pub use plotters::style::{BLACK, RGBColor, WHITE};
pub use rows::rows;
pub use sheet::Sheet;
pub use text::{FONT, prepare_pictures};
pub use work_precision::work_precision;
