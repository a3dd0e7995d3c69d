//! Drawings to begin with.

use advect::data::toy::{
    Checkerboard, EightGaussians, Pinwheel, Rings, Rng, Spirals, Toy, TwoMoons, normal, uniform,
};
use advect::prelude::*;

use crate::settings::unknown;

/// The names that [`preset`] takes.
pub const PRESETS: [&str; 7] = [
    "moons",
    "checkerboard",
    "spirals",
    "gaussians",
    "rings",
    "pinwheel",
    "star",
];

/// Returns `count` points of a drawing, `x, y, x, y, …`, that fill the drawing area.
///
/// # Errors
/// [`Error::Range`] for a name that is none of [`PRESETS`], or no points.
pub fn preset(name: &str, count: usize, seed: u64) -> Result<Vec<f32>> {
    let toy: Box<dyn Toy> = match name {
        "moons" => Box::new(TwoMoons::default()),
        "checkerboard" => Box::new(Checkerboard::default()),
        "spirals" => Box::new(Spirals::default()),
        "gaussians" => Box::new(EightGaussians::default()),
        "rings" => Box::new(Rings::default()),
        "pinwheel" => Box::new(Pinwheel::default()),
        "star" => Box::new(Star),
        other => return Err(unknown("preset", other, &PRESETS)),
    };
    let mut rng = Generator::from(Key::from_seed(seed).named("preset"));
    let points = toy.sample(count, DType::F64, &Device::Cpu, &mut rng)?;
    let (low, high) = (points.min(0)?, points.max(0)?);
    let middle = ((&low + &high)? / 2.0)?;
    let half = ((high - low)? / 2.0)?.max(0)?.to_scalar::<f64>()?;
    let fitted = (points.broadcast_sub(&middle)? * (0.8 / half.max(1e-9)))?;
    Ok(fitted.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

/// The outline of a star of five points.
struct Star;

impl Toy for Star {
    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn point(&self, index: usize, rng: Rng<'_>) -> [f64; 2] {
        let corner = |i: usize| {
            let (radius, angle) = (
                [1.0, 0.4][i % 2],
                std::f64::consts::PI * (0.5 + i as f64 / 5.0),
            );
            [radius * angle.cos(), radius * angle.sin()]
        };
        let (side, along) = (index % 10, uniform(rng));
        let (from, to) = (corner(side), corner(side + 1));
        [0, 1].map(|k| from[k] + along * (to[k] - from[k]) + 0.02 * normal(rng))
    }
}
