//! The output of an operation, as it is passed to the graph.

use advect_core::{Error, Result};
use candle_core::backend::BackendDevice;
use candle_core::op::BackpropOp;
use candle_core::{CpuStorage, CudaStorage, DType, Device, Shape, Storage, Tensor};

use crate::cpu::float::Float;

/// The output of a kernel: values and their shape, not yet a tensor.
pub struct Output {
    storage: Storage,
    shape: Shape,
}

impl Output {
    pub(crate) fn new<T: Float>(values: Vec<T>, shape: impl Into<Shape>) -> Self {
        Output {
            storage: Storage::Cpu(T::storage(values)),
            shape: shape.into(),
        }
    }

    /// A copy of a tensor's values.
    pub(crate) fn copy(value: &Tensor) -> Result<Self> {
        // A part of a larger tensor gets a storage of its own.
        let value = value.force_contiguous()?;
        let (storage, layout) = value.storage_and_layout();
        Ok(Output {
            storage: storage.try_clone(layout)?,
            shape: layout.shape().clone(),
        })
    }

    /// A number that stands for others: 0 in f64 on the CPU, in f32 elsewhere.
    pub(crate) fn zero(device: &Device) -> Result<Self> {
        let shape = Shape::from(());
        let storage = match device {
            Device::Cpu => Storage::Cpu(f64::storage(vec![0.0])),
            Device::Cuda(device) => Storage::Cuda(device.zeros_impl(&shape, DType::F32)?),
            Device::Metal(device) => Storage::Metal(device.zeros_impl(&shape, DType::F32)?),
        };
        Ok(Output { storage, shape })
    }

    /// The values in the CPU's memory.
    pub(crate) fn into_cpu(self) -> candle_core::Result<(CpuStorage, Shape)> {
        match self.storage {
            Storage::Cpu(storage) => Ok((storage, self.shape)),
            other => Err(misplaced(&other, "the CPU")),
        }
    }

    /// The values in a CUDA device's memory.
    pub(crate) fn into_cuda(self) -> candle_core::Result<(CudaStorage, Shape)> {
        match self.storage {
            Storage::Cuda(storage) => Ok((storage, self.shape)),
            other => Err(misplaced(&other, "a CUDA device")),
        }
    }

    pub(crate) fn into_tensor(self) -> Result<Tensor> {
        Ok(Tensor::from_storage(
            self.storage,
            self.shape,
            BackpropOp::none(),
            false,
        ))
    }
}

#[cfg(feature = "cuda")]
impl From<advect_kernels::cuda::Fresh> for Output {
    fn from(value: advect_kernels::cuda::Fresh) -> Self {
        let (storage, shape) = value.into_parts();
        let storage = Storage::Cuda(storage);
        Output { storage, shape }
    }
}

/// The error of a value that is not where its inputs are.
fn misplaced(storage: &Storage, accepted: &str) -> candle_core::Error {
    let error = Error::Device {
        argument: "value".into(),
        given: format!("{:?}", storage.device().location()),
        accepted: accepted.into(),
    };
    error.into()
}
