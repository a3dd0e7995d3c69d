//! Samples under way, each on its own clock.

use crate::Status;
use crate::clock::SLACK;
use crate::controller::AdaptiveMemory;

/// A sample under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Active {
    pub(super) sample: u32,
    pub(super) t: f64,
    pub(super) memory: AdaptiveMemory,
    /// How many times were saved.
    pub(super) saved: usize,
    /// Whether its controller begins anew before the next step.
    pub(super) renewed: bool,
    /// Why it does not go on.
    pub(super) stopped: Option<Status>,
}

/// Where a sample's step is to end, and whether that is sooner than planned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    pub(super) end: f64,
    pub(super) shortened: bool,
}

impl Active {
    /// The next step, which ends at `stop` if it would come close to it or go beyond.
    pub(super) fn goal(&self, stop: f64, direction: f64) -> Result<Goal, Status> {
        let wanted = self.memory.next(self.t, direction);
        let slack = SLACK * (wanted - self.t).abs();
        let stops = (stop - wanted) * direction <= slack;
        let end = if stops { stop } else { wanted };
        match self.stopped {
            Some(status) => Err(status),
            None if !stops && wanted == self.t => Err(Status::StepUnderflow),
            None => Ok(Goal {
                end,
                shortened: (end - self.t).abs() + slack < (wanted - self.t).abs(),
            }),
        }
    }
}
