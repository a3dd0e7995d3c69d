//! What the driver does with freed memory.

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::sys;
use candle_core::{CudaDevice, Result};

/// Has the driver keep the memory that was freed for what is allocated next, instead of giving it back at each synchronisation.
///
/// Devices without pools of memory give back each allocation by itself, and stay as they are.
pub fn keep(device: &CudaDevice) -> Result<()> {
    let stream = device.cuda_stream();
    if !stream.context().has_async_alloc() {
        return Ok(());
    }
    let (mut pool, mut most) = (std::ptr::null_mut(), u64::MAX);
    let threshold = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device has been opened, `pool` is written before it is read, and the attribute is a u64.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&raw mut pool, stream.context().cu_device())
            .result()
            .w()?;
        sys::cuMemPoolSetAttribute(pool, threshold, (&raw mut most).cast())
            .result()
            .w()
    }
}
