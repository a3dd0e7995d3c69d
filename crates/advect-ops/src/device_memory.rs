//! Memory of devices between its uses.

use advect_core::Result;
use candle_core::Device;

/// Has a CUDA device's driver keep freed memory for what is allocated next, as PyTorch's allocator does, until the program ends. Without,
/// the driver gives it back whenever the host waits for the device, and finds it anew for the next step. Other processes then have
/// less of the device's memory.
///
/// Other devices need nothing of the kind.
///
/// ```
/// use advect_ops::keep_device_memory;
/// use candle_core::Device;
/// # fn main() -> advect_core::Result<()> {
/// let device = Device::cuda_if_available(0)?;
/// keep_device_memory(&device)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Errors of the driver.
#[doc(alias = "caching allocator")]
#[doc(alias = "memory pool")]
pub fn keep_device_memory(device: &Device) -> Result<()> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        advect_kernels::cuda::memory::keep(device)?;
    }
    let _ = device;
    Ok(())
}
