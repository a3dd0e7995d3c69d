//! Ranks that are threads of one process.

mod meeting;

use std::sync::Arc;
use std::thread;

use advect_core::{Error, Result, check};

use crate::{Communicator, Ranks};
use meeting::{Contribution, Meeting};

/// Ranks that are threads of this process: a double for tests of programs that will run on several processes. It makes nothing faster, as one
/// process uses all cores anyway.
///
/// Sums are made in the order of the ranks. Calls that don't match, and a rank that has ended, are errors on the ranks that wait.
///
/// ```
/// use advect_core::Error;
/// use advect_parallel::{Ranks, Threads};
/// # fn main() -> advect_core::Result<()> {
/// let program = |ranks: Ranks| match ranks.rank() {
///     1 => Err(Error::stopped("step 3", "out of luck")),
///     _ => ranks.barrier(),
/// };
/// let results = Threads::new(2)?.run(program);
/// let waiting = results[0].as_ref().unwrap_err().to_string();
/// assert_eq!(waiting, "stopped at rank 0 of 2: rank 1 has ended: stopped at step 3: out of luck");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    size: usize,
}

impl Threads {
    /// Creates this many ranks.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn new(size: usize) -> Result<Self> {
        let size = check::at_least_one("size", size)?;
        Ok(Threads { size })
    }

    /// Runs a program on every rank, and returns the results in the order of the ranks. A panic is an error of its rank.
    pub fn run<T: Send>(&self, program: impl Fn(Ranks) -> Result<T> + Sync) -> Vec<Result<T>> {
        let meeting = Arc::new(Meeting::new(self.size));
        let on_rank = |rank: usize| {
            let _leaving = Leaving(&meeting, rank);
            let result = program(Ranks::new(Rank(rank, meeting.clone())));
            let reason = result.as_ref().err().map(ToString::to_string);
            meeting.leave(rank, reason.as_deref().unwrap_or("its program is done"));
            result
        };
        let on_rank = &on_rank;
        thread::scope(|scope| {
            let spawn = |rank| scope.spawn(move || on_rank(rank));
            let threads: Vec<_> = (0..self.size).map(spawn).collect();
            let panicked = |rank| Err(Error::stopped(format!("rank {rank}"), "it panicked"));
            let threads = threads.into_iter().enumerate();
            threads
                .map(|(rank, thread)| thread.join().unwrap_or_else(|_| panicked(rank)))
                .collect()
        })
    }
}

/// Tells the others, when it is dropped, that a rank has ended without a word.
struct Leaving<'a>(&'a Meeting, usize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1, "it panicked");
    }
}

/// One of the threads.
struct Rank(usize, Arc<Meeting>);

impl Communicator for Rank {
    fn rank(&self) -> usize {
        self.0
    }

    fn size(&self) -> usize {
        self.1.size()
    }

    fn all_reduce_f32(&self, values: &mut [f32]) -> Result<()> {
        let all = self
            .1
            .exchange(self.0, Contribution::F32(values.to_vec()))?;
        let all = all.iter().filter_map(|contribution| match contribution {
            Contribution::F32(values) => Some(values.as_slice()),
            _ => None,
        });
        add(values, all);
        Ok(())
    }

    fn all_reduce_f64(&self, values: &mut [f64]) -> Result<()> {
        let all = self
            .1
            .exchange(self.0, Contribution::F64(values.to_vec()))?;
        let all = all.iter().filter_map(|contribution| match contribution {
            Contribution::F64(values) => Some(values.as_slice()),
            _ => None,
        });
        add(values, all);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let all = (self.1).exchange(self.0, Contribution::Broadcast(bytes.to_vec()))?;
        if let Some(Contribution::Broadcast(root)) = all.first() {
            bytes.copy_from_slice(root);
        }
        Ok(())
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let all = (self.1).exchange(self.0, Contribution::Gather(bytes.to_vec()))?;
        let bytes = all.iter().filter_map(|contribution| match contribution {
            Contribution::Gather(bytes) => Some(bytes.clone()),
            _ => None,
        });
        Ok(bytes.collect())
    }
}

/// The sum of all slices, in their order.
fn add<'a, T: Copy + std::ops::AddAssign + 'a>(
    sum: &mut [T],
    mut all: impl Iterator<Item = &'a [T]>,
) {
    if let Some(first) = all.next() {
        sum.copy_from_slice(first);
    }
    for values in all {
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += *value;
        }
    }
}
