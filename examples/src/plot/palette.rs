//! Palettes for densities.

use plotters::style::RGBColor;

use super::colour::between;

/// Perceptually uniform colour maps, readable with colour blindness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Palette {
    /// Dark blue to yellow, by green (S. van der Walt and N. Smith, 2015; public domain).
    Viridis,
    /// Dark blue to yellow, by grey: the same to those who don't tell red from green (Nuñez, Anderton and Renslow, PLoS ONE 13, 2018).
    Cividis,
    /// White to the darkest colours of viridis, for densities that are mostly zero.
    Paper,
}

/// Seventeen of viridis' colours, at equal distances.
const VIRIDIS: [[u8; 3]; 17] = [
    [68, 1, 84],
    [72, 24, 106],
    [71, 45, 123],
    [66, 64, 134],
    [59, 82, 139],
    [51, 99, 141],
    [44, 114, 142],
    [38, 130, 142],
    [33, 145, 140],
    [31, 160, 136],
    [40, 174, 128],
    [63, 188, 115],
    [94, 201, 98],
    [132, 212, 75],
    [173, 220, 48],
    [216, 226, 25],
    [253, 231, 37],
];

/// Seventeen of cividis' colours.
const CIVIDIS: [[u8; 3]; 17] = [
    [0, 34, 78],
    [0, 46, 106],
    [26, 56, 111],
    [50, 67, 109],
    [67, 78, 108],
    [83, 90, 109],
    [97, 101, 111],
    [111, 112, 115],
    [125, 124, 120],
    [140, 136, 120],
    [155, 148, 118],
    [171, 160, 114],
    [188, 174, 108],
    [205, 187, 99],
    [222, 201, 88],
    [240, 216, 70],
    [254, 232, 56],
];

impl Palette {
    /// The colour of a share from 0 to 1; shares beyond have those of the ends.
    ///
    /// ```
    /// use advect_examples::plot::{Palette, RGBColor};
    /// assert_eq!(Palette::Viridis.at(0.5), RGBColor(33, 145, 140));
    /// assert_eq!(Palette::Paper.at(0.0), RGBColor(255, 255, 255));
    /// ```
    pub fn at(self, share: f64) -> RGBColor {
        let share = share.clamp(0.0, 1.0);
        match self {
            Palette::Viridis => sampled(&VIRIDIS, share),
            Palette::Cividis => sampled(&CIVIDIS, share),
            Palette::Paper => {
                let white = RGBColor(255, 255, 255);
                let start = sampled(&VIRIDIS, 0.62);
                match share < 0.3 {
                    true => between(white, start, share / 0.3),
                    false => sampled(&VIRIDIS, 0.62 * (1.0 - share) / 0.7),
                }
            }
        }
    }
}

fn sampled(table: &[[u8; 3]], share: f64) -> RGBColor {
    let place = share * (table.len() - 1) as f64;
    let low = (place as usize).min(table.len() - 2);
    let [from, to] = [table[low], table[low + 1]].map(|[r, g, b]| RGBColor(r, g, b));
    between(from, to, place - low as f64)
}
