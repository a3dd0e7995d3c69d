//! The last part of a grid, for a start between noise and data (Meng et al., SDEdit: guided image synthesis and
//! editing with stochastic differential equations, 2022).

use advect_core::{Error, Result};
use advect_paths::schedule::Schedule;

use super::Grid;
use crate::Level;

/// The last levels of another grid, for samplers that start from data with some noise: image to image.
///
/// The levels are the grid's own. [`Sampler::sample_from`](crate::Sampler::sample_from) noises data to the first of them;
/// [`Sampler::start`](crate::Sampler::start) and [`Level::noised`] are its parts.
///
/// ```
/// use advect_paths::schedule::CondOt;
/// use advect_samplers::grid::{Grid, Tail, UniformTime};
/// # fn main() -> advect_core::Result<()> {
/// let times = |tail: Tail<UniformTime>| -> advect_core::Result<Vec<f64>> {
///     Ok(tail.levels(&CondOt::default())?.iter().map(|level| level.time).collect())
/// };
/// let grid = UniformTime::new(4)?;
/// assert_eq!(times(Tail::by_strength(grid, 0.5)?)?, [0.5, 0.75, 1.0]); // 2 of 4 steps
/// assert_eq!(times(Tail::from_time(grid, 0.4)?)?, [0.5, 0.75, 1.0]);
/// assert_eq!(times(Tail::from_sigma(grid, 1.0)?)?, [0.5, 0.75, 1.0]); // σ/α ≤ 1
/// # Ok(())
/// # }
/// ```
#[doc(alias = "SDEdit")]
#[doc(alias = "img2img")]
#[doc(alias = "image to image")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tail<G> {
    grid: G,
    start: Start,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Strength(f64),
    Time(f64),
    Sigma(f64),
}

impl<G: Grid> Tail<G> {
    /// Creates a grid of the last `⌊s n⌋` of n steps, for a strength s. The strength 1 is the whole grid, and near it
    /// little of the data is kept.
    ///
    /// # Errors
    /// [`Error::Range`] unless the strength is above 0 and at most 1. [`Grid::levels`] refuses one that leaves no step.
    pub fn by_strength(grid: G, strength: f64) -> Result<Self> {
        if !(strength > 0.0 && strength <= 1.0) {
            let accepted = "a number above 0 and at most 1";
            return Err(Error::range("strength", strength, accepted));
        }
        let start = Start::Strength(strength);
        Ok(Tail { grid, start })
    }

    /// Creates a grid of the levels at this time or later.
    ///
    /// # Errors
    /// [`Error::Range`] unless the time is in \[0, 1). [`Grid::levels`] refuses one that leaves no step.
    pub fn from_time(grid: G, start: f64) -> Result<Self> {
        if !(0.0..1.0).contains(&start) {
            return Err(Error::range("start", start, "a time in [0, 1)"));
        }
        let start = Start::Time(start);
        Ok(Tail { grid, start })
    }

    /// Creates a grid of the levels whose noise, as `σ/α`, is at most this.
    ///
    /// # Errors
    /// [`Error::Range`] unless it is above 0. [`Grid::levels`] refuses one that leaves no step.
    pub fn from_sigma(grid: G, sigma: f64) -> Result<Self> {
        let sigma = advect_core::check::positive("sigma", sigma)?;
        let start = Start::Sigma(sigma);
        Ok(Tail { grid, start })
    }
}

impl<G: Grid> Grid for Tail<G> {
    fn levels(&self, schedule: &dyn Schedule) -> Result<Vec<Level>> {
        // As levels are solved for, they miss what was asked for by a rounding.
        const SLACK: f64 = 1e-9;
        let mut levels = self.grid.levels(schedule)?;
        let steps = levels.len().saturating_sub(1);
        let (name, given, first) = match self.start {
            Start::Strength(s) => {
                let kept = (s * steps as f64 + SLACK).floor() as usize;
                ("strength", s, steps - kept.min(steps))
            }
            Start::Time(t) => {
                let before = levels.iter().take_while(|level| level.time < t - SLACK);
                ("start", t, before.count())
            }
            Start::Sigma(sigma) => {
                let most = sigma * (1.0 + SLACK);
                let before = levels.iter().take_while(|level| level.ratio() > most);
                ("sigma", sigma, before.count())
            }
        };
        if first >= steps {
            let accepted = format!("a start that leaves at least one of the grid's {steps} steps");
            return Err(Error::range(name, given, accepted));
        }
        Ok(levels.split_off(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::{Karras, Respaced, UniformTime};
    use advect_paths::schedule::{CondOt, DiscreteDiffusion, EdmSchedule};

    #[test]
    fn strengths_keep_as_many_steps_as_in_other_libraries() {
        // min(int(steps × strength), steps), without what rounding takes away.
        for (steps, strength, kept) in [
            (50, 0.6, 30),
            (100, 0.29, 29),
            (10, 0.7, 7),
            (10, 1.0, 10),
            (10, 0.19, 1),
        ] {
            let grid = Respaced::leading(1000, steps).unwrap();
            let whole = grid.steps().to_vec();
            let tail = Tail::by_strength(grid, strength).unwrap();
            let levels = tail.levels(&DiscreteDiffusion::default()).unwrap();
            assert_eq!(levels.len(), kept + 1, "{steps} {strength}");
            let first = 1.0 - whole[steps - kept] as f64 / 1000.0;
            assert_eq!(levels[0].time, first);
            assert!(levels[kept].is_clean());
        }
    }

    #[test]
    fn levels_are_those_of_the_grid() {
        let (grid, edm) = (Karras::new(18).unwrap(), EdmSchedule::default());
        let whole = grid.levels(&edm).unwrap();
        let by_sigma = Tail::from_sigma(grid, whole[7].sigma).unwrap();
        let by_time = Tail::from_time(grid, whole[7].time).unwrap();
        assert_eq!(by_sigma.levels(&edm).unwrap(), whole[7..]);
        assert_eq!(by_time.levels(&edm).unwrap(), whole[7..]);
    }

    #[test]
    fn bad_starts_are_refused() {
        let grid = UniformTime::new(4).unwrap();
        for strength in [0.0, -0.0, 1.1, f64::NAN] {
            assert!(Tail::by_strength(grid, strength).is_err());
        }
        for time in [-0.1, 1.0, f64::NAN] {
            assert!(Tail::from_time(grid, time).is_err());
        }
        for sigma in [0.0, f64::INFINITY] {
            assert!(Tail::from_sigma(grid, sigma).is_err());
        }
        let text = |tail: Tail<UniformTime>| {
            let error = tail.levels(&CondOt::default()).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            text(Tail::by_strength(grid, 0.1).unwrap()),
            "strength: got 0.1, expected a start that leaves at least one of the grid's 4 steps"
        );
        let late = Tail::from_time(UniformTime::within(4, 0.0, 0.5).unwrap(), 0.6);
        assert!(text(late.unwrap()).starts_with("start: got 0.6"));
    }
}
