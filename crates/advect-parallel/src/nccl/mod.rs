//! Sums and copies of tensors between NVIDIA's GPUs.

mod connection;
mod operations;

use std::collections::BTreeMap;
use std::time::Duration;

use advect_core::{Error, Result};
use candle_core::cuda_backend::cudarc::nccl::Id;
use candle_core::{CudaDevice, Device, Tensor};

use crate::Ranks;
use connection::{Connection, told};

/// NVIDIA's NCCL, which adds and copies tensors of GPUs where they are, over NVLink, PCIe or the network. All else that ranks tell each other goes by
/// their [`Communicator`](crate::Communicator) as before.
///
/// ```no_run
/// use advect_core::Result;
/// use advect_parallel::{Nccl, Ranks};
/// use candle_core::Device;
///
/// /// On one machine with a GPU for each rank.
/// fn program(ranks: Ranks) -> Result<()> {
///     let device = Device::new_cuda(ranks.rank())?;
///     Nccl::new().connect(&ranks, &device)?;
///     // `ranks.sum` and `ranks.broadcast`, and so training by `DataParallel`, now keep tensors of this device there.
///     Ok(())
/// }
/// ```
///
/// - **What it takes.** Sums of tensors on the device in f64, f32, f16 and bf16, of which the last two are added in f32; copies
///   of these and of whole numbers (u8, u32, i64). Other tensors go through the hosts.
/// - **Order.** Operations are in candle's stream of the device, after the kernels that make their tensors and before those that use the
///   results. Each waits until the result is there. That stream is the thread's own: tensors of this thread are added, as ranks don't leave theirs.
/// - **Bits.** All ranks get the same bits in each sum by NCCL's algorithms, which combine each element in one place and copy it. The order of the
///   additions is NCCL's, and may differ with the number of ranks and the size of a bucket.
/// - **Ends.** NCCL itself notices no rank that has died. Where the ranks are those of `Mpi`, an error or a panic of one ends all, and
///   `mpirun` ends the others of a process that was killed. A rank that waits longer than the [`timeout`](Nccl::timeout), in an operation or for the
///   connection, says so and aborts its process.
///
/// Sums and copies have been compiled, and run on no GPU so far; the way to them was run with a double on the CPU.
#[doc(alias = "GPUDirect")]
#[derive(Debug, Clone)]
pub struct Nccl {
    timeout: Duration,
}

impl Default for Nccl {
    fn default() -> Self {
        Self::new()
    }
}

impl Nccl {
    /// Creates the settings of a connection whose operations may take 30 minutes, as those of `Mpi`.
    pub fn new() -> Self {
        Nccl {
            timeout: Duration::from_secs(30 * 60),
        }
    }

    /// Sets the time after which a rank that waits for others aborts its process. It must be longer than anything that one rank does while others
    /// wait in a sum or a copy.
    ///
    /// # Errors
    /// [`Error::Range`] for 0.
    pub fn timeout(self, timeout: Duration) -> Result<Self> {
        match timeout.is_zero() {
            true => Err(Error::range("timeout", "0 s", "a time above 0")),
            false => Ok(Nccl { timeout }),
        }
    }

    /// Connects the GPUs of all ranks, by one sum that is checked, and gives the connection to the ranks
    /// ([`Ranks::connect_devices`]). Every rank calls it, with a GPU of its own. One rank alone may, too.
    ///
    /// # Errors
    /// On all ranks: [`Error::Range`] for a device that is not CUDA's, for ranks with the same GPU, which are named, or if they are connected already;
    /// [`Error::Stopped`] with NCCL's reason if it can't connect them, or if the sum is wrong.
    #[doc(alias = "init_process_group")]
    pub fn connect(&self, ranks: &Ranks, device: &Device) -> Result<()> {
        let gpu = cuda(device).and_then(|cuda| identity(cuda).map(|gpu| (cuda, gpu)));
        let (cuda, gpu) = match gpu {
            Ok((cuda, gpu)) => (Some(cuda), Ok(gpu)),
            Err(error) => (None, Err(error)),
        };
        let gpus = ranks.gather_results(gpu)?;
        distinct(&gpus)?;
        let ids = ranks.gather_results(match ranks.is_root() {
            true => new_id(),
            false => Ok(Vec::new()),
        })?;
        let wrong = || Error::stopped("the start of NCCL", "rank 0 sent no id");
        let (cuda, id) = (cuda.zip(id_of(&ids))).ok_or_else(wrong)?;
        let connection = Connection::new(ranks, cuda, id, self.timeout);
        ranks.connect_devices(ranks.agree(connection)?)?;
        ranks.agree(first_sum(ranks, device))
    }
}

/// Candle's device of CUDA.
fn cuda(device: &Device) -> Result<&CudaDevice> {
    match device {
        Device::Cuda(device) => Ok(device),
        other => {
            let given = format!("{:?}", other.location());
            Err(Error::range("device", given, "a device of CUDA"))
        }
    }
}

/// The number that a GPU has in the whole world, in its 16 bytes.
fn identity(device: &CudaDevice) -> Result<Vec<u8>> {
    let uuid = device.cuda_stream().context().uuid();
    let uuid = uuid.map_err(|e| Error::stopped("the start of NCCL", e))?;
    Ok(uuid.bytes.map(|byte| byte as u8).to_vec())
}

/// Refuses ranks with the same GPU, among which NCCL doesn't work.
fn distinct(gpus: &[Vec<u8>]) -> Result<()> {
    let mut first: BTreeMap<&[u8], usize> = BTreeMap::new();
    for (rank, gpu) in gpus.iter().enumerate() {
        if let Some(other) = first.insert(gpu, rank) {
            let given = format!("the same GPU on ranks {other} and {rank}");
            return Err(Error::range(
                "device",
                given,
                "a GPU of its own for each rank",
            ));
        }
    }
    Ok(())
}

/// The id by which ranks find each other: where rank 0 listens.
fn new_id() -> Result<Vec<u8>> {
    let id = Id::new().map_err(|e| Error::stopped("the start of NCCL", told(&e)))?;
    Ok(id.internal().map(|byte| byte as u8).to_vec())
}

fn id_of(messages: &[Vec<u8>]) -> Option<Id> {
    let bytes: [u8; 128] = messages.first()?.as_slice().try_into().ok()?;
    Some(Id::uninit(bytes.map(|byte| byte as std::ffi::c_char)))
}

/// Adds the ranks' numbers, which makes the connections that NCCL puts off until they are needed.
fn first_sum(ranks: &Ranks, device: &Device) -> Result<()> {
    let sums = ranks.sum(&[Tensor::new(&[ranks.rank() as f32 + 1.0], device)?])?;
    let (sum, size) = (sums[0].to_vec1::<f32>()?[0], ranks.size());
    let expected = (size * (size + 1) / 2) as f32;
    match sum == expected {
        true => Ok(()),
        false => {
            let reason = format!("a sum is {sum} instead of {expected}");
            Err(Error::stopped("the start of NCCL", reason))
        }
    }
}
