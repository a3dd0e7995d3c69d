//! Collective operations as candle's operations.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, CudaView, DeviceRepr, ValidAsZeroBits};
use candle_core::cuda_backend::cudarc::nccl::result::{NcclError, NcclStatus};
use candle_core::cuda_backend::cudarc::nccl::{Comm, NcclType, ReduceOp};
use candle_core::cuda_backend::{CudaDType, CudaStorageSlice as Values};
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Error, Layout, Result, Shape, bail};

use super::connection::told;

/// The sum over all ranks of a contiguous tensor in f32 or f64.
pub(super) struct Sum<'a>(pub(super) &'a Comm);

/// Rank 0's contiguous tensor.
pub(super) struct FromRoot<'a>(pub(super) &'a Comm);

impl CustomOp1 for Sum<'_> {
    fn name(&self) -> &'static str {
        "sum by NCCL"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{} of a tensor on the CPU", self.name())
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let buffers = Buffers(self.name(), storage, layout);
        match &storage.slice {
            Values::F32(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::F64(values) => buffers.filled(values, |from, to| self.over(from, to)),
            _ => buffers.refused(),
        }
    }
}

impl Sum<'_> {
    fn over<T: NcclType>(&self, from: &CudaView<'_, T>, to: &mut CudaSlice<T>) -> Called {
        self.0.all_reduce(from, to, &ReduceOp::Sum)
    }
}

impl CustomOp1 for FromRoot<'_> {
    fn name(&self) -> &'static str {
        "broadcast by NCCL"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("{} of a tensor on the CPU", self.name())
    }

    fn cuda_fwd(&self, storage: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let buffers = Buffers(self.name(), storage, layout);
        match &storage.slice {
            Values::F64(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::F32(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::F16(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::BF16(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::U8(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::U32(values) => buffers.filled(values, |from, to| self.over(from, to)),
            Values::I64(values) => buffers.filled(values, |from, to| self.over(from, to)),
            _ => buffers.refused(),
        }
    }
}

impl FromRoot<'_> {
    fn over<T: NcclType>(&self, from: &CudaView<'_, T>, to: &mut CudaSlice<T>) -> Called {
        self.0.broadcast(Some(from), to, 0)
    }
}

/// What a call of NCCL returns.
type Called = std::result::Result<NcclStatus, NcclError>;

/// The name of an operation, and what it is applied to.
struct Buffers<'a>(&'static str, &'a CudaStorage, &'a Layout);

impl Buffers<'_> {
    /// The storage that an operation fills from these values.
    fn filled<T: CudaDType + DeviceRepr + ValidAsZeroBits>(
        &self,
        values: &CudaSlice<T>,
        operation: impl FnOnce(&CudaView<'_, T>, &mut CudaSlice<T>) -> Called,
    ) -> Result<(CudaStorage, Shape)> {
        let Buffers(op, storage, layout) = *self;
        let places = layout.contiguous_offsets();
        let (start, end) = places.ok_or(Error::RequiresContiguous { op })?;
        let mut result = storage.device.alloc_zeros::<T>(end - start)?;
        operation(&values.slice(start..end), &mut result)
            .map_err(|error| Error::Msg(told(&error)))?;
        let result = CudaStorage::wrap_cuda_slice(result, storage.device.clone());
        Ok((result, layout.shape().clone()))
    }

    fn refused(&self) -> Result<(CudaStorage, Shape)> {
        Err(Error::UnsupportedDTypeForOp(self.1.dtype(), self.0))
    }
}
