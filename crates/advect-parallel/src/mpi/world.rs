//! All processes of a run of MPI. Its calls end the process on an error, with a message, as is MPI's default.

use advect_core::Result;
use mpi::collective::SystemOperation;
use mpi::datatype::{Equivalence, PartitionMut};
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator as _, CommunicatorCollectives, Root};

use crate::Communicator;
use crate::watch::Watch;

/// The most bytes in one call, as MPI's counts are 32-bit integers.
const LIMIT: usize = 1 << 30;
/// The most values that are added in one call, for which there is a second buffer.
const VALUES: usize = 1 << 23;

/// The communicator of all processes.
pub(super) struct World {
    world: SimpleCommunicator,
    watch: Watch,
}

impl World {
    pub(super) fn new(world: SimpleCommunicator, watch: Watch) -> Self {
        World { world, watch }
    }

    fn all_reduce<T: Equivalence + Copy + Default>(&self, values: &mut [T]) {
        let mut sums = vec![T::default(); values.len().min(VALUES)];
        for values in values.chunks_mut(VALUES) {
            let sums = &mut sums[..values.len()];
            self.watch.over("a sum", || {
                self.world
                    .all_reduce_into(&*values, sums, SystemOperation::sum());
            });
            values.copy_from_slice(sums);
        }
    }
}

impl Communicator for World {
    fn rank(&self) -> usize {
        self.world.rank().unsigned_abs() as usize
    }

    fn size(&self) -> usize {
        self.world.size().unsigned_abs() as usize
    }

    fn all_reduce_f32(&self, values: &mut [f32]) -> Result<()> {
        self.all_reduce(values);
        Ok(())
    }

    fn all_reduce_f64(&self, values: &mut [f64]) -> Result<()> {
        self.all_reduce(values);
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<()> {
        let root = self.world.process_at_rank(0);
        for bytes in bytes.chunks_mut(LIMIT) {
            (self.watch).over("a broadcast", || root.broadcast_into(bytes));
        }
        Ok(())
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        let size = self.size();
        let mut lengths = vec![0u64; size];
        self.watch.over("a gather", || {
            (self.world).all_gather_into(&(bytes.len() as u64), &mut lengths[..]);
        });
        let lengths: Vec<usize> = lengths.iter().map(|&length| length as usize).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut all: Vec<Vec<u8>> = vec![Vec::new(); size];
        // Of a part of each at a time, as places in the whole are 32-bit integers, too.
        let part = (LIMIT / size).max(1);
        for start in (0..longest).step_by(part) {
            let within = |length: usize| length.min(start + part).saturating_sub(start);
            let counts: Vec<usize> = lengths.iter().map(|&length| within(length)).collect();
            let first = start.min(bytes.len());
            let ours = &bytes[first..first + within(bytes.len())];
            for (bytes, part) in all.iter_mut().zip(self.gather_part(ours, &counts)) {
                bytes.extend(part);
            }
        }
        Ok(all)
    }
}

impl World {
    /// The bytes of all ranks, of which there are `counts` of each.
    fn gather_part(&self, ours: &[u8], counts: &[usize]) -> Vec<Vec<u8>> {
        let mut whole = vec![0u8; counts.iter().sum()];
        // Below the limit each.
        let sizes: Vec<i32> = counts.iter().map(|&count| count as i32).collect();
        let places: Vec<i32> = (sizes.iter())
            .scan(0, |place, size| {
                Some(std::mem::replace(place, *place + size))
            })
            .collect();
        self.watch.over("a gather", || {
            let mut partition = PartitionMut::new(&mut whole[..], sizes, &places[..]);
            self.world.all_gather_varcount_into(ours, &mut partition);
        });
        let mut rest = &whole[..];
        (counts.iter())
            .map(|&count| {
                let (bytes, others) = rest.split_at(count);
                rest = others;
                bytes.to_vec()
            })
            .collect()
    }
}
