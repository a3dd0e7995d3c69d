//! Grids: the levels that a sampler visits, from noise to data.
//!
//! | grid | levels |
//! | --- | --- |
//! | [`UniformTime`] | equal steps of t |
//! | [`UniformLogSnr`] | equal steps of the logarithm of the signal-to-noise ratio |
//! | [`Karras`] | equal steps of `(σ/α)^(1/ρ)` |
//! | [`Shifted`] | steps of t moved towards the noise, as for large images (SD3, Flux) |
//! | [`Respaced`] | a subset of DDPM's steps: linear, quadratic, leading, trailing, or any |
//! | [`GivenTimes`], [`GivenSigmas`] | your own times or ratios `σ/α` |
//! | [`Tail`] | the last levels of another grid, to start from data with noise |
//!
//! n steps are n evaluations for rules with one evaluation per step.

mod given_sigmas;
mod given_times;
mod karras;
mod respaced;
mod shifted;
mod tail;
mod uniform_log_snr;
mod uniform_time;

use advect_core::{Error, Result, forward_to};
use advect_paths::schedule::Schedule;

use crate::Level;

pub use given_sigmas::GivenSigmas;
pub use given_times::GivenTimes;
pub(crate) use given_times::span;
pub use karras::Karras;
pub use respaced::Respaced;
pub use shifted::Shifted;
pub use tail::Tail;
pub use uniform_log_snr::UniformLogSnr;
pub use uniform_time::UniformTime;

/// The levels that a sampler visits.
#[doc(alias = "timesteps")]
#[doc(alias = "noise schedule")]
pub trait Grid {
    /// Returns the levels on a schedule, two or more, from noise to data. The noise falls from each to the next,
    /// which samplers check.
    ///
    /// # Errors
    /// [`Error::Range`] for levels that the schedule does not have.
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>>;
}

forward_to!([] Grid {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>>;
});

/// Levels from noise to data, as they have to be.
pub(crate) fn checked(levels: Vec<Level>) -> Result<Vec<Level>> {
    let falls = |pair: &[Level]| pair[0].log_snr < pair[1].log_snr;
    if levels.len() < 2 || !levels.windows(2).all(falls) {
        let given = format!("{:?}", levels.iter().map(|l| l.time).collect::<Vec<_>>());
        let accepted = "a list of at least two times along which the noise falls on this schedule";
        return Err(Error::range("grid", given, accepted));
    }
    Ok(levels)
}

/// The part of a schedule that is used unless one says otherwise, in `σ/α`: the levels that were trained, in discrete time, but for pure
/// noise; else EDM's 0.002 to 80, where the schedule has it.
fn usual_range(schedule: &dyn Schedule) -> (f64, f64) {
    let ratio = |t| Level::at(schedule, t).ratio();
    match schedule.trained_steps() {
        Some(steps) => {
            let step = 1.0 / steps as f64;
            let most = ratio(0.0);
            let most = if most.is_finite() { most } else { ratio(step) };
            (ratio(1.0 - step), most)
        }
        None => (ratio(1.0).max(0.002), ratio(0.0).min(80.0)),
    }
}

/// A range of `σ/α`.
fn check_range(sigma_min: f64, sigma_max: f64) -> Result<(f64, f64)> {
    if 0.0 < sigma_min && sigma_min < sigma_max && sigma_max.is_finite() {
        return Ok((sigma_min, sigma_max));
    }
    let given = format!("{} to {}", sigma_min + 0.0, sigma_max + 0.0);
    let accepted = "a finite range with 0 < sigma_min < sigma_max";
    Err(Error::range("sigma_min, sigma_max", given, accepted))
}

/// n levels at ratios `σ/α` from the largest to the least, and then clean data; between the ends they are `f(part)`.
fn between(
    schedule: &dyn Schedule,
    steps: usize,
    (low, high): (f64, f64),
    f: impl Fn(f64) -> f64,
) -> Result<Vec<Level>> {
    let last = steps.max(2) - 1;
    let levels = (0..steps).map(|i| {
        // The ends as they are, without a rounding that the schedule would not have.
        let ratio = match i {
            0 => high,
            i if i == last => low,
            i => f(i as f64 / last as f64),
        };
        Level::at_ratio(schedule, ratio)
    });
    let mut levels: Vec<Level> = levels.collect::<Result<_>>()?;
    levels.push(Level::clean());
    Ok(levels)
}

/// The number of steps of a grid, whose levels are to fit the memory.
pub(crate) fn check_steps(steps: usize) -> Result<usize> {
    check_count("steps", steps)
}

/// A number of things that are made one by one.
pub(crate) fn check_count(argument: &'static str, count: usize) -> Result<usize> {
    const MOST: usize = 10_000_000;
    match (1..=MOST).contains(&count) {
        true => Ok(count),
        false => {
            let accepted = format!("a number from 1 to {MOST}");
            Err(Error::range(argument, count, accepted))
        }
    }
}
