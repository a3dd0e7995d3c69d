//! A run of one process.

use advect_core::Result;

use crate::Communicator;

/// The communicator of a run of one process: rank 0 of 1.
///
/// ```
/// use advect_parallel::{Communicator, SingleProcess};
/// # fn main() -> advect_core::Result<()> {
/// assert_eq!(SingleProcess.all_gather(b"a")?, [b"a"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleProcess;

impl Communicator for SingleProcess {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_reduce_f32(&self, _: &mut [f32]) -> Result<()> {
        Ok(())
    }

    fn all_reduce_f64(&self, _: &mut [f64]) -> Result<()> {
        Ok(())
    }

    fn broadcast(&self, _: &mut [u8]) -> Result<()> {
        Ok(())
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(vec![bytes.to_vec()])
    }
}
