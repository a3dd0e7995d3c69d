//! Observers that stop all ranks together.

use std::ops::ControlFlow;

use advect_core::{Observer, Result};
use advect_parallel::Ranks;

use super::replicas;
use crate::{StatefulOptimizer, Trainer};

/// The number of steps between comparisons of all tensors.
const INTERVAL: usize = 1000;

/// The observer of a rank, whose stop or error is one of all ranks. It compares the ranks' numbers first, after the first step of a run
/// and then in intervals, so that nothing is saved of a run that has come apart.
pub(super) struct Together<'a, O> {
    ranks: &'a Ranks,
    observer: &'a mut dyn Observer<Trainer<O>>,
    steps: usize,
}

impl<'a, O> Together<'a, O> {
    pub(super) fn new(ranks: &'a Ranks, observer: &'a mut dyn Observer<Trainer<O>>) -> Self {
        Together {
            ranks,
            observer,
            steps: 0,
        }
    }
}

impl<O: StatefulOptimizer> Observer<Trainer<O>> for Together<'_, O> {
    fn observe(&mut self, trainer: &Trainer<O>) -> Result<ControlFlow<()>> {
        if self.steps.is_multiple_of(INTERVAL) {
            replicas::compare(self.ranks, trainer)?;
        }
        self.steps += 1;
        let verdict = self.observer.observe(trainer);
        let stops = verdict.map(|verdict| vec![u8::from(verdict.is_break())]);
        let stops = self.ranks.gather_results(stops)?;
        Ok(match stops.iter().any(|bytes| bytes.first() == Some(&1)) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    }
}
