//! The connection between the ranks of a run.

use advect_core::Result;

/// A connection between the processes of a run, each of which has a rank from 0 to the number of ranks, exclusive.
///
/// All methods but the first two are collective: each returns when every rank has called it, so all ranks must make the
/// same calls in the same order, with buffers of the same lengths where nothing else is said. Rank 0 is the root.
///
/// Programs use it through [`Ranks`](crate::Ranks). An implementation for another way of communication needs these six
/// methods, and must return an error or end the process, rather than wait for ever, where another rank has died.
///
/// | implementation | ranks are |
/// | --- | --- |
/// | [`SingleProcess`](crate::SingleProcess) | one |
/// | [`Threads`](crate::Threads) | threads of one process, for tests |
/// | `Mpi` (feature `mpi`) | processes of MPI |
///
/// ```
/// use advect_parallel::{Communicator, SingleProcess};
/// # fn main() -> advect_core::Result<()> {
/// let one: Box<dyn Communicator> = Box::new(SingleProcess);
/// let mut values = [1.0, 2.0];
/// one.all_reduce_f64(&mut values)?;
/// assert_eq!((one.rank(), one.size(), values), (0, 1, [1.0, 2.0]));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "process group")]
#[doc(alias = "AllReduce")]
pub trait Communicator {
    /// Returns the rank of this process.
    fn rank(&self) -> usize;

    /// Returns the number of ranks.
    #[doc(alias = "world size")]
    fn size(&self) -> usize;

    /// Replaces values by their sums over all ranks. Every rank gets the same bits.
    ///
    /// # Errors
    /// [`Error::Stopped`](advect_core::Error::Stopped) if a rank is no longer there.
    fn all_reduce_f32(&self, values: &mut [f32]) -> Result<()>;

    /// Replaces values by their sums over all ranks. Every rank gets the same bits.
    ///
    /// # Errors
    /// As [`all_reduce_f32`](Communicator::all_reduce_f32).
    fn all_reduce_f64(&self, values: &mut [f64]) -> Result<()>;

    /// Replaces the bytes by those of rank 0.
    ///
    /// # Errors
    /// As [`all_reduce_f32`](Communicator::all_reduce_f32).
    fn broadcast(&self, bytes: &mut [u8]) -> Result<()>;

    /// Returns the bytes of all ranks, in their order. Their lengths may differ.
    ///
    /// # Errors
    /// As [`all_reduce_f32`](Communicator::all_reduce_f32).
    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;
}

advect_core::forward_to!([] Communicator {
    fn rank(&self) -> usize;
    fn size(&self) -> usize;
    fn all_reduce_f32(&self, values: &mut [f32]) -> Result<()>;
    fn all_reduce_f64(&self, values: &mut [f64]) -> Result<()>;
    fn broadcast(&self, bytes: &mut [u8]) -> Result<()>;
    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>>;
});
