//! The ranks of a run.

mod agreement;
mod tensors;
mod traffic;

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use advect_core::{Error, Instant, Result};

use crate::{Communicator, DeviceCommunicator, Shard, SingleProcess};
pub use traffic::Traffic;

/// The ranks of a run: this process and those that it works with, connected by a [`Communicator`]. Clones are the same
/// ranks.
///
/// All methods that take or return data are collective: every rank calls them, in the same order.
///
/// ```
/// use advect_parallel::{Ranks, Threads};
/// # fn main() -> advect_core::Result<()> {
/// let program = |ranks: Ranks| ranks.any(ranks.rank() == 1);
/// assert!(!program(Ranks::alone())?);
/// for result in Threads::new(2)?.run(program) {
///     assert!(result?);
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "process group")]
#[derive(Clone)]
pub struct Ranks {
    communicator: Rc<dyn Communicator>,
    /// Until the last clone is dropped, which a run's start holds until all ranks have ended.
    devices: Rc<OnceCell<Box<dyn DeviceCommunicator>>>,
    traffic: Rc<Cell<Traffic>>,
}

impl Ranks {
    /// Creates the ranks that a communicator connects.
    pub fn new(communicator: impl Communicator + 'static) -> Self {
        Ranks {
            communicator: Rc::new(communicator),
            devices: Rc::default(),
            traffic: Rc::default(),
        }
    }

    /// Creates the ranks of a run of one process.
    pub fn alone() -> Self {
        Self::new(SingleProcess)
    }

    /// Connects the devices of the ranks. From here on [`Ranks::sum`] and [`Ranks::broadcast`], of these ranks and all their
    /// clones, use the connection for the tensors that it [takes](DeviceCommunicator::takes). Every rank calls it at the same place of the program.
    ///
    /// # Errors
    /// [`Error::Range`] if they are connected already.
    pub fn connect_devices(&self, devices: impl DeviceCommunicator + 'static) -> Result<()> {
        let set = self.devices.set(Box::new(devices));
        set.map_err(|_| Error::range("devices", "a second connection", "one for all of the run"))
    }

    /// Returns the rank of this process.
    pub fn rank(&self) -> usize {
        self.communicator.rank()
    }

    /// Returns the number of ranks.
    #[doc(alias = "world size")]
    pub fn size(&self) -> usize {
        self.communicator.size()
    }

    /// Returns whether this is rank 0, the root.
    pub fn is_root(&self) -> bool {
        self.rank() == 0
    }

    /// Returns this rank's part of the work that the ranks share.
    ///
    /// Samples are drawn in pieces that don't depend on the number of ranks, of which each rank takes its share. With noise that
    /// depends on a sample's number (`NoiseSource` of `advect-samplers`), they are then the same, bit for bit, for any number of
    /// ranks:
    ///
    /// ```
    /// # use advect_core::{Generator, Result};
    /// # use advect_parallel::{Ranks, Threads};
    /// # use candle_core::{DType, Device, Tensor};
    /// # fn main() -> Result<()> {
    /// let program = |ranks: Ranks| {
    ///     let like = Tensor::zeros((5, 2), DType::F32, &Device::Cpu)?;
    ///     let mine: Result<Vec<Tensor>> = (ranks.shard().range(4)) // of 4 pieces of 5 samples
    ///         .map(|piece| Generator::from_seed(0).normal_by_sample(5 * piece as u64, &like))
    ///         .collect();
    ///     ranks.gather_rows(&Tensor::cat(&mine?, 0)?)?.flatten_all()?.to_vec1::<f32>().map_err(Into::into)
    /// };
    /// let alone = program(Ranks::alone())?;
    /// for samples in Threads::new(3)?.run(program) {
    ///     assert_eq!(samples?, alone);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn shard(&self) -> Shard {
        Shard::of_rank(self.rank(), self.size())
    }

    /// Returns the traffic of this rank so far: the number, bytes and time of its collective operations.
    pub fn traffic(&self) -> Traffic {
        self.traffic.get()
    }

    /// Waits until every rank has reached this call.
    ///
    /// # Errors
    /// As [`Communicator::all_gather`].
    pub fn barrier(&self) -> Result<()> {
        self.all_gather(&[]).map(drop)
    }

    /// Returns the bytes of all ranks, in their order.
    ///
    /// # Errors
    /// As [`Communicator::all_gather`].
    pub fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.counted(bytes.len(), || self.communicator.all_gather(bytes))
    }

    /// Makes a collective operation and counts it.
    fn counted<T>(&self, bytes: usize, operation: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = operation();
        self.traffic
            .set(self.traffic.get().and(bytes as u64, start.elapsed()));
        result
    }
}

impl std::fmt::Debug for Ranks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ranks")
            .field("rank", &self.rank())
            .field("size", &self.size())
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}
