//! Memory that a kernel writes first.

use candle_core::backend::{BackendDevice, BackendStorage};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Error, Result, Shape, Storage, Tensor};

/// The output of a kernel: memory, and the shape of what is in it.
pub struct Fresh {
    pub(super) storage: CudaStorage,
    shape: Shape,
}

impl Fresh {
    /// Memory for a kernel that writes every element.
    pub(super) fn new(device: &CudaDevice, dtype: DType, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        // SAFETY: the elements are floats, for which any bits are a value; a kernel writes them before anything reads them.
        let storage = unsafe { device.alloc_uninit(&shape, dtype)? };
        Ok(Fresh { storage, shape })
    }

    pub(super) fn device(&self) -> &CudaDevice {
        &self.storage.device
    }

    pub(super) fn dtype(&self) -> DType {
        self.storage.dtype()
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The number of elements.
    pub(super) fn count(&self) -> usize {
        self.shape.elem_count()
    }

    /// The last dimension; 1 for a scalar.
    pub fn width(&self) -> usize {
        self.shape.dims().last().copied().unwrap_or(1)
    }

    /// The same with another shape of as many elements.
    ///
    /// # Errors
    /// An error for a shape of another number of elements.
    pub fn reshape(self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.elem_count() != self.count() {
            let message = format!("{:?} in the shape {shape:?}", self.shape);
            return Err(Error::Msg(message).bt());
        }
        Ok(Fresh { shape, ..self })
    }

    /// The storage and the shape, for an operation of candle.
    pub fn into_parts(self) -> (CudaStorage, Shape) {
        (self.storage, self.shape)
    }

    /// The same as a tensor, in no graph.
    pub fn into_tensor(self) -> Tensor {
        let storage = Storage::Cuda(self.storage);
        Tensor::from_storage(storage, self.shape, BackpropOp::none(), false)
    }
}
