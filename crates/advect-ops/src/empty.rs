//! Operations of tensors without elements, on other devices than the CPU.

use advect_core::Result;
use candle_core::{Device, Tensor};

/// Returns whether one of the tensors has no elements, and is not in the CPU's memory.
///
/// CUDA refuses to start a kernel without blocks, so neither our kernels nor most of candle's work there.
pub(crate) fn is_elsewhere(tensors: &[&Tensor]) -> bool {
    (tensors.iter()).any(|x| x.elem_count() == 0 && !x.device().is_cpu())
}

/// Runs a function on copies of the tensors in the CPU's memory, and moves its results to where the tensors are. The moves are part
/// of the graph.
pub(crate) fn on_host<R: Moved>(
    tensors: &[&Tensor],
    run: impl FnOnce(&[&Tensor]) -> Result<R>,
) -> Result<R> {
    let device = tensors.first().map_or(&Device::Cpu, |x| x.device());
    let copies = tensors.iter().map(|x| x.to_device(&Device::Cpu));
    let copies = copies.collect::<candle_core::Result<Vec<Tensor>>>()?;
    run(&copies.iter().collect::<Vec<_>>())?.moved(device)
}

/// Results that can be moved to another device.
pub(crate) trait Moved: Sized {
    fn moved(self, device: &Device) -> Result<Self>;
}

impl Moved for Tensor {
    fn moved(self, device: &Device) -> Result<Self> {
        Ok(self.to_device(device)?)
    }
}

impl<A: Moved, B: Moved> Moved for (A, B) {
    fn moved(self, device: &Device) -> Result<Self> {
        Ok((self.0.moved(device)?, self.1.moved(device)?))
    }
}

impl<A: Moved> Moved for Vec<A> {
    fn moved(self, device: &Device) -> Result<Self> {
        self.into_iter().map(|x| x.moved(device)).collect()
    }
}
