//! The cost of communication.

use std::time::Duration;

/// The collective operations that a rank has made: their number, the bytes that it gave to them, and the time that it spent in them,
/// which is that of waiting for other ranks, too. How many bytes then go over a network depends on the algorithm: for a sum of n bytes over P ranks, at least
/// `2 n (P − 1) / P` from each.
///
/// ```
/// use advect_parallel::Ranks;
/// # fn main() -> advect_core::Result<()> {
/// let ranks = Ranks::alone();
/// ranks.all_gather(b"abc")?;
/// let before = ranks.traffic();
/// ranks.all_gather(b"d")?;
/// let traffic = ranks.traffic().since(&before);
/// assert_eq!((traffic.operations, traffic.bytes), (1, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traffic {
    /// The number of collective operations.
    pub operations: u64,
    /// The bytes that this rank gave to them.
    pub bytes: u64,
    /// The time that this rank spent in them.
    pub time: Duration,
}

impl Traffic {
    /// Returns the difference from an earlier count.
    pub fn since(&self, earlier: &Traffic) -> Traffic {
        Traffic {
            operations: self.operations.saturating_sub(earlier.operations),
            bytes: self.bytes.saturating_sub(earlier.bytes),
            time: self.time.saturating_sub(earlier.time),
        }
    }

    /// With one more operation.
    pub(super) fn and(self, bytes: u64, time: Duration) -> Traffic {
        Traffic {
            operations: self.operations + 1,
            bytes: self.bytes + bytes,
            time: self.time + time,
        }
    }
}
