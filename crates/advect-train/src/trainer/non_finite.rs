//! Steps whose loss or gradient is not finite.

use std::fmt::Display;

use advect_core::{Error, Result, check};

use super::{StepReport, Trainer};
use crate::StatefulOptimizer;

/// The response of a [`Trainer`](crate::Trainer) to a loss or a gradient that is NaN or infinite.
///
/// A step that is skipped counts as a step, so that the next one has other data, but changes neither the parameters nor the
/// optimiser nor the average. The trainer [records](crate::Trainer::record) the number of skipped steps as `skipped_steps`.
///
/// ```
/// use advect_core::{Generator, Key};
/// use advect_nn::{Linear, ParameterStore};
/// use advect_train::{AdamW, AdamWConfig, NonFinite, Trainer};
/// use candle_core::{DType, Device};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = Linear::new(1, 1, &store.builder())?;
/// let optimizer = AdamW::from_store(&store, AdamWConfig { learning_rate: 0.1, ..AdamWConfig::default() })?;
/// let mut trainer = Trainer::new(&store, optimizer, Generator::from_seed(0))
///     .non_finite(NonFinite::LowerRate { factor: 0.5, limit: 10 })?;
/// let loss = |step: usize, rng: &mut Generator| {
///     let x = rng.normal((32, 1), DType::F64, &Device::Cpu)?;
///     let factor = if step == 3 { f64::INFINITY } else { 1.0 };
///     Ok((net.forward(&x)?.sqr()?.mean_all()? * factor)?)
/// };
/// trainer.run(6, loss, &mut ())?;
/// assert_eq!(trainer.recorded("skipped_steps"), Some((4, 1.0)));
/// assert_eq!(trainer.report().learning_rate, 0.05);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "detect_anomaly")]
#[doc(alias = "NaN")]
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum NonFinite {
    /// The run ends with an [`Error::Stopped`] that names the step.
    #[default]
    Stop,
    /// The step is skipped. More than `limit` such steps in a row end the run.
    Skip {
        /// The largest number of skipped steps in a row.
        limit: usize,
    },
    /// The step is skipped, and the learning rate is multiplied by `factor` from there on. More than `limit` such steps in
    /// a row end the run.
    LowerRate {
        /// The factor, in (0, 1).
        factor: f64,
        /// The largest number of skipped steps in a row.
        limit: usize,
    },
}

impl NonFinite {
    /// The largest number of skipped steps in a row.
    fn limit(self) -> usize {
        match self {
            NonFinite::Stop => 0,
            NonFinite::Skip { limit } | NonFinite::LowerRate { limit, .. } => limit,
        }
    }
}

/// The names of what is recorded.
const SKIPPED: &str = "skipped_steps";
const IN_A_ROW: &str = "skipped_in_a_row";
const FACTOR: &str = "learning_rate_factor";

impl<O: StatefulOptimizer> Trainer<O> {
    /// Sets the response to a loss or a gradient that is NaN or infinite. Without this, the run ends with an error.
    ///
    /// # Errors
    /// [`Error::Range`] for a limit of 0, or a factor outside (0, 1).
    pub fn non_finite(self, non_finite: NonFinite) -> Result<Self> {
        if non_finite != NonFinite::Stop {
            check::at_least_one("limit", non_finite.limit())?;
        }
        if let NonFinite::LowerRate { factor, .. } = non_finite
            && !(factor > 0.0 && factor < 1.0)
        {
            return Err(Error::range("factor", factor, "a number in (0, 1)"));
        }
        Ok(Trainer { non_finite, ..self })
    }

    /// Whether steps may be skipped.
    pub(super) fn may_skip(&self) -> bool {
        self.non_finite != NonFinite::Stop
    }

    /// The factor by which the learning rate has been lowered.
    pub(super) fn lowered(&self) -> f64 {
        self.recorded(FACTOR).map_or(1.0, |(_, factor)| factor)
    }

    /// Ends a row of skipped steps.
    pub(super) fn end_row(&self) {
        if self.count(IN_A_ROW) > 0.0 {
            self.records.insert(IN_A_ROW, self.step, 0.0);
        }
    }

    /// Skips a step, for a reason; or ends the run.
    pub(super) fn skip(
        &mut self,
        loss: f64,
        rate: f64,
        reason: impl Display,
    ) -> Result<StepReport> {
        let limit = self.non_finite.limit();
        let in_a_row = self.count(IN_A_ROW) + 1.0;
        if in_a_row > limit as f64 {
            let reason = match limit {
                0 => reason.to_string(),
                _ => format!("{reason}, after {limit} skipped steps in a row"),
            };
            return Err(self.stopped(reason));
        }
        let lowered = match self.non_finite {
            NonFinite::LowerRate { factor, .. } => Some(self.lowered() * factor),
            _ => None,
        };
        self.leave_out(loss, rate, reason);
        self.records.insert(IN_A_ROW, self.step, in_a_row);
        if let Some(factor) = lowered {
            self.records.insert(FACTOR, self.step, factor);
        }
        Ok(self.report.clone())
    }

    /// Counts a step that changes nothing, and reports the reason.
    pub(super) fn leave_out(&mut self, loss: f64, rate: f64, reason: impl Display) {
        let skipped = format!("{}: {reason}", self.place());
        let counted = self.count(SKIPPED) + 1.0;
        self.step += 1;
        self.records.insert(SKIPPED, self.step, counted);
        self.report = StepReport {
            loss,
            learning_rate: rate,
            skipped: Some(skipped),
            ..StepReport::none(self.step)
        };
    }

    fn count(&self, name: &str) -> f64 {
        self.recorded(name).map_or(0.0, |(_, count)| count)
    }
}
