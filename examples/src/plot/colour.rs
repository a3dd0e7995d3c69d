//! Colours that those who see few colours tell apart: Okabe and Ito, *Color Universal Design*, 2008.

use plotters::style::RGBColor;

/// Orange.
pub const ORANGE: RGBColor = RGBColor(230, 159, 0);
/// Sky blue.
pub const SKY: RGBColor = RGBColor(86, 180, 233);
/// Bluish green.
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// Blue.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// Vermilion.
pub const VERMILION: RGBColor = RGBColor(213, 94, 0);
/// Reddish purple.
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// A grey for what is in the background.
pub const GREY: RGBColor = RGBColor(150, 150, 150);
/// A lighter grey, for grids and bars.
pub const LIGHT: RGBColor = RGBColor(225, 225, 225);

/// Colours for lines, in turn.
pub const LINES: [RGBColor; 7] = [
    BLUE,
    ORANGE,
    GREEN,
    VERMILION,
    PURPLE,
    SKY,
    RGBColor(60, 60, 60),
];

/// A colour between two, at a share from 0 to 1.
pub fn between(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |a: u8, b: u8| {
        (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)).round() as u8
    };
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}
