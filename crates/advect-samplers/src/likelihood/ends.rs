//! The ends between which a likelihood is found.

use advect_core::{Error, Result, check};
use advect_paths::schedule::Schedule;

use crate::AnyModel;
use crate::grid::span;

/// The times of the source and of the data, and the source's standard deviation, which is σ at the start by default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) start: f64,
    pub(super) end: f64,
    deviation: Option<f64>,
}

impl Default for Ends {
    fn default() -> Self {
        Ends {
            start: 0.0,
            end: 1.0,
            deviation: None,
        }
    }
}

impl Ends {
    pub(super) fn within(self, start: f64, end: f64) -> Result<Self> {
        let (start, end) = span(start, end)?;
        Ok(Ends { start, end, ..self })
    }

    pub(super) fn source_deviation(self, deviation: f64) -> Result<Self> {
        Ok(Ends {
            deviation: Some(check::positive("deviation", deviation)?),
            ..self
        })
    }

    /// The source's standard deviation.
    pub(super) fn source(&self, schedule: &dyn Schedule) -> Result<f64> {
        let sigma = "σ of the schedule at the start";
        match self.deviation {
            Some(deviation) => Ok(deviation),
            None => check::positive(sigma, schedule.sigma(self.start)),
        }
    }
}

/// Refuses a model whose field gives more than the prediction.
pub(super) fn check_without_variances(model: &dyn AnyModel) -> Result<()> {
    match model.has_variances() {
        false => Ok(()),
        true => {
            let accepted = "a model whose field gives the prediction alone";
            Err(Error::range("model", "a model with variances", accepted))
        }
    }
}
