//! The current states of chains.

use advect_core::{Result, check};
use candle_core::Tensor;

use super::LogDensity;
use super::acceptance::choose;
use super::log_density::evaluate;

/// States of chains, with their density and score.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) x: Tensor,
    pub(crate) log_density: Tensor,
    pub(crate) score: Tensor,
}

impl Places {
    /// The places where chains start, checked.
    pub(crate) fn start(density: &dyn LogDensity, x: &Tensor) -> Result<Self> {
        check::batch("x", x)?;
        check::float("x", x)?;
        check::finite("x", x)?;
        let places = Self::at(density, x.detach())?;
        check::finite("log_density", &places.log_density)?;
        check::finite("score", &places.score)?;
        Ok(places)
    }

    /// Places with their density and score, which may be no numbers.
    pub(crate) fn at(density: &dyn LogDensity, x: Tensor) -> Result<Self> {
        let (log_density, score) = evaluate(density, &x)?;
        Ok(Places {
            x,
            log_density,
            score,
        })
    }

    /// These places where they are taken, and others elsewhere.
    pub(crate) fn chosen(&self, take: &[bool], others: &Places) -> Result<Self> {
        Ok(Places {
            x: choose(take, &self.x, &others.x)?,
            log_density: choose(take, &self.log_density, &others.log_density)?,
            score: choose(take, &self.score, &others.score)?,
        })
    }
}
