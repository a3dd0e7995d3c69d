//! When to look for paths along ties.

/// Whether to look for paths along ties. Where they lead nowhere, it is tried ever more seldom.
#[derive(Default)]
pub(super) struct Ties {
    /// The phases to wait until the next trial.
    wait: usize,
    /// The phases to wait after the next trial that fails.
    next_wait: usize,
}

impl Ties {
    pub(super) fn are_worth_a_trial(&mut self) -> bool {
        let is_time = self.wait == 0;
        self.wait = self.wait.saturating_sub(1);
        is_time
    }

    pub(super) fn tried(&mut self, is_gainful: bool) {
        self.next_wait = if is_gainful {
            0
        } else {
            2 * self.next_wait + 1
        };
        self.wait = self.next_wait;
    }
}
