//! The place where threads exchange their contributions to a collective operation.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use advect_core::{Error, Result};

/// What a rank brings to a collective operation.
pub(super) enum Contribution {
    F32(Vec<f32>),
    F64(Vec<f64>),
    Broadcast(Vec<u8>),
    Gather(Vec<u8>),
}

impl Contribution {
    /// The operation, with what must be equal on all ranks.
    fn kind(&self) -> String {
        match self {
            Contribution::F32(values) => format!("a sum of {} values of f32", values.len()),
            Contribution::F64(values) => format!("a sum of {} values of f64", values.len()),
            Contribution::Broadcast(bytes) => format!("a broadcast of {} bytes", bytes.len()),
            Contribution::Gather(_) => "a gather".to_string(),
        }
    }
}

type All = Arc<Vec<Contribution>>;

/// A place where each rank brings something and gets what all have brought.
pub(super) struct Meeting {
    size: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    brought: Vec<Option<Contribution>>,
    /// What all have brought, and how many have not taken it yet.
    result: Option<(All, usize)>,
    /// The first rank that has ended, and why.
    left: Option<(usize, String)>,
}

impl Meeting {
    pub(super) fn new(size: usize) -> Self {
        let state = State {
            brought: (0..size).map(|_| None).collect(),
            ..State::default()
        };
        Meeting {
            size,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Says that a rank won't come any more.
    pub(super) fn leave(&self, rank: usize, reason: &str) {
        let mut state = self.lock();
        state.left.get_or_insert((rank, reason.to_string()));
        self.changed.notify_all();
    }

    /// Brings a contribution, waits for those of all ranks, and returns them in the order of the ranks.
    pub(super) fn exchange(&self, rank: usize, contribution: Contribution) -> Result<All> {
        let mut state = self.lock();
        // Until all have taken the result of the last time.
        while state.result.is_some() {
            state = self.wait(state);
        }
        state.brought[rank] = Some(contribution);
        if state.brought.iter().all(Option::is_some) {
            let all = state.brought.iter_mut().filter_map(Option::take).collect();
            state.result = Some((Arc::new(all), self.size));
            self.changed.notify_all();
        }
        loop {
            if let Some((all, takers)) = &mut state.result {
                let all = all.clone();
                *takers -= 1;
                if *takers == 0 {
                    state.result = None;
                    self.changed.notify_all();
                }
                return self.matching(rank, all);
            }
            if let Some((other, reason)) = &state.left {
                let reason = format!("rank {other} has ended: {reason}");
                return Err(self.stopped(rank, reason));
            }
            state = self.wait(state);
        }
    }

    /// Refuses operations that don't match.
    fn matching(&self, rank: usize, all: All) -> Result<All> {
        let root = all[0].kind();
        match all.iter().position(|other| other.kind() != root) {
            None => Ok(all),
            Some(other) => {
                let theirs = all[other].kind();
                let reason = format!("rank 0 calls {root}, and rank {other} calls {theirs}");
                Err(self.stopped(rank, reason))
            }
        }
    }

    fn stopped(&self, rank: usize, reason: String) -> Error {
        Error::stopped(format!("rank {rank} of {}", self.size), reason)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }
}
