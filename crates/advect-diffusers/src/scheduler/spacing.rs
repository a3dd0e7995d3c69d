//! The timesteps of diffusers: some of those of training, 0 … T − 1, from the most noise to the least (Lin et al. 2024, table 2).

use advect_core::{Error, Result};

use crate::Config;

/// The largest offset, as that of the number of steps.
const MOST: usize = 10_000_000;

/// How timesteps are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spacing {
    pub(super) kind: Kind,
    offset: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Leading,
    Trailing,
    Linspace,
}

impl Spacing {
    pub(super) fn read(c: &mut Config, default: &str) -> Result<Self> {
        let kinds = [
            ("leading", Kind::Leading),
            ("trailing", Kind::Trailing),
            ("linspace", Kind::Linspace),
        ];
        // The first choice is the default.
        let at = kinds.iter().position(|(name, _)| *name == default);
        let mut kinds = kinds;
        kinds.swap(0, at.unwrap_or(0));
        let kind = c.choice("timestep_spacing", &kinds)?;
        let offset = c.optional("steps_offset", 0)?;
        match offset {
            0..=MOST => Ok(Spacing { kind, offset }),
            _ => Err(c.wrong("steps_offset", offset, format!("at most {MOST}"))),
        }
    }

    /// n timesteps among the first `last` of T, which are those with the least noise. With `beyond`, they are the first n of n + 1. They
    /// are whole numbers, except those of linspace, which are rounded elsewhere.
    pub(super) fn timesteps(
        &self,
        trained: usize,
        last: usize,
        steps: usize,
        beyond: bool,
    ) -> Result<Vec<f64>> {
        if steps == 0 || steps > trained {
            let accepted = format!("a number from 1 to {trained}, those of training");
            return Err(Error::range("steps", steps, accepted));
        }
        let count = steps + usize::from(beyond);
        let mut times: Vec<f64> = match self.kind {
            Kind::Linspace => {
                let stride = (last.max(1) - 1) as f64 / (count.max(2) - 1) as f64;
                (0..count).rev().map(|i| i as f64 * stride).collect()
            }
            Kind::Leading => {
                let stride = last / count;
                let at = |i: usize| (i * stride + self.offset) as f64;
                (0..count).rev().map(at).collect()
            }
            Kind::Trailing => {
                let stride = trained as f64 / steps as f64;
                let count = (last as f64 / stride).ceil() as usize;
                let at = |i: usize| (last as f64 - i as f64 * stride).round_ties_even() - 1.0;
                (0..count).map(at).collect()
            }
        };
        if beyond && self.kind != Kind::Trailing {
            times.pop();
        }
        Ok(times)
    }

    /// Our steps k, which count from 1, at timesteps, which are rounded.
    pub(super) fn steps(times: &[f64]) -> Vec<usize> {
        let step = |t: &f64| (t.round_ties_even() + 1.0) as usize;
        times.iter().map(step).collect()
    }

    /// Checks that each step of a scheduler that goes on by `T / n`, rounded down, ends where the next one begins.
    pub(super) fn check_chain(steps: &[usize], trained: usize, count: usize) -> Result<()> {
        let stride = trained / count;
        let chained = steps.windows(2).all(|w| w[0] == w[1] + stride);
        match chained && steps.last().is_some_and(|&k| k <= stride) {
            true => Ok(()),
            false => {
                let accepted = format!(
                    "a number for which all timesteps are {stride} apart, as each step of this scheduler ends {stride} timesteps further: any \
                     with timestep_spacing \"leading\", a divisor of {trained} with \"trailing\""
                );
                Err(Error::range("steps", count, accepted))
            }
        }
    }
}
