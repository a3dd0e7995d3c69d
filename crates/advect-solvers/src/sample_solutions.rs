//! Solutions of samples, each with its own clock.

use advect_core::{Error, Result};
use candle_core::Tensor;

use crate::{Occurrence, Samples, Statistics, Status};

/// The result of a [`SampleIntegration`](crate::SampleIntegration): the solution of each sample, up to the last time
/// that it reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SampleSolutions<X = Tensor> {
    /// The last time that each sample reached.
    pub last_times: Vec<f64>,
    /// The states of the samples, each at its last time.
    pub last_state: X,
    /// The status of each sample at its last time.
    pub statuses: Vec<Status>,
    /// The cost of each sample.
    pub statistics: Vec<Statistics>,
    /// The number of calls of the field, for any number of samples.
    pub calls: usize,
    /// The events that happened to each sample, in the order of time. Their states are batches of one.
    pub events: Vec<Vec<Occurrence<X>>>,
    pub(crate) saved: Vec<Collected<X>>,
}

impl<X: Samples> SampleSolutions<X> {
    /// Returns the states at the end.
    ///
    /// # Errors
    /// [`Error::Stopped`] if a sample did not reach the end; it says which and why, and the fields hold what was
    /// reached.
    pub fn end(&self) -> Result<X> {
        self.reached(|_| true)?;
        Ok(self.last_state.clone())
    }

    /// Returns the states at the `index`-th of the times of [`Save::At`](crate::Save::At).
    ///
    /// # Errors
    /// [`Error::Range`] for an index beyond those times, [`Error::Stopped`] if a sample did not come so far.
    pub fn saved(&self, index: usize) -> Result<X> {
        let Some(saved) = self.saved.get(index) else {
            let accepted = format!("an index below {}", self.saved.len());
            return Err(Error::range("index", index, accepted));
        };
        let mut missing = vec![true; self.statuses.len()];
        for &sample in &saved.samples {
            missing[sample as usize] = false;
        }
        self.reached(|sample| missing[sample])?;
        saved.assemble()
    }

    /// Checks that all the samples asked for reached the end.
    fn reached(&self, asked: impl Fn(usize) -> bool) -> Result<()> {
        let failed = |(i, status): (usize, &Status)| Some((i, status.reason()?));
        let mut failures = self.statuses.iter().enumerate().filter_map(failed);
        match failures.find(|(i, _)| asked(*i)) {
            None => Ok(()),
            Some((sample, reason)) => {
                let accepted = self.statistics[sample].accepted;
                let t = self.last_times[sample];
                let at = format!("t = {t}, after {accepted} steps accepted, sample {sample}");
                Err(Error::stopped(at, reason))
            }
        }
    }
}

/// Samples that arrive in any order.
#[derive(Debug, Clone)]
pub(crate) struct Collected<X> {
    samples: Vec<u32>,
    parts: Vec<X>,
}

impl<X: Samples> Collected<X> {
    pub(crate) fn new() -> Self {
        Collected {
            samples: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// Takes the samples at some positions of a state.
    pub(crate) fn take(
        &mut self,
        from: &X,
        positions: &[u32],
        samples: impl Iterator<Item = u32>,
    ) -> Result<()> {
        if !positions.is_empty() {
            self.parts.push(X::gather(&[from], positions)?);
            self.samples.extend(samples);
        }
        Ok(())
    }

    /// All of them in their order.
    pub(crate) fn assemble(&self) -> Result<X> {
        let mut order: Vec<u32> = (0..self.samples.len() as u32).collect();
        order.sort_by_key(|&i| self.samples[i as usize]);
        X::gather(&self.parts.iter().collect::<Vec<_>>(), &order)
    }
}
