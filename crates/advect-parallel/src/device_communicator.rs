//! The connection between the devices of the ranks.

use advect_core::Result;
use candle_core::{DType, Device, Tensor};

/// A connection between the GPUs of a run's ranks, which adds and copies tensors where they are. Without one, they go through the
/// memory of the hosts by the [`Communicator`](crate::Communicator), which stays the way of all else: agreements, gathers,
/// and tensors that the devices don't [take](DeviceCommunicator::takes).
///
/// [`Ranks::connect_devices`](crate::Ranks::connect_devices) gives one to the ranks. `Nccl` (feature `nccl`) is that of NVIDIA's GPUs.
///
/// [`all_reduce`](DeviceCommunicator::all_reduce) and [`broadcast`](DeviceCommunicator::broadcast) are collective: every rank calls them, in the same
/// order, with tensors of the same shape and dtype. They return when the result is there, and must return an error or end the process, rather
/// than wait for ever, where another rank has died.
///
/// ```
/// use advect_core::Result;
/// use advect_parallel::{DeviceCommunicator, Ranks};
/// use candle_core::{DType, Device, Tensor};
///
/// /// A rank alone, with 16 bits and more.
/// struct Alone;
///
/// impl DeviceCommunicator for Alone {
///     fn takes(&self, _: &Device, dtype: DType) -> bool {
///         dtype.is_float()
///     }
///     fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor> {
///         Ok(tensor.clone())
///     }
///     fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
///         Ok(tensor.clone())
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let ranks = Ranks::alone();
/// ranks.connect_devices(Alone)?;
/// let sums = ranks.sum(&[Tensor::new(&[1f32, 2.0], &Device::Cpu)?])?;
/// assert_eq!(sums[0].to_vec1::<f32>()?, [1.0, 2.0]);
/// assert_eq!(ranks.traffic().bytes, 8);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "NCCL")]
#[doc(alias = "AllReduce")]
pub trait DeviceCommunicator {
    /// Returns whether tensors of this dtype on this device are added and copied here. The answer is the same on all ranks for tensors at the same
    /// place of a program, or else some ranks would wait here and others elsewhere.
    fn takes(&self, device: &Device, dtype: DType) -> bool;

    /// Returns the sum of a tensor over all ranks, for a contiguous vector in f32 or f64. Every rank gets the same bits.
    ///
    /// # Errors
    /// [`Error::Stopped`](advect_core::Error::Stopped) if a rank is no longer there, or the devices fail.
    fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor>;

    /// Returns rank 0's tensor, for a contiguous one. Other ranks give one like it, whose values don't matter.
    ///
    /// # Errors
    /// As [`all_reduce`](DeviceCommunicator::all_reduce).
    fn broadcast(&self, tensor: &Tensor) -> Result<Tensor>;
}

advect_core::forward_to!([] DeviceCommunicator {
    fn takes(&self, device: &Device, dtype: DType) -> bool;
    fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor>;
    fn broadcast(&self, tensor: &Tensor) -> Result<Tensor>;
});
