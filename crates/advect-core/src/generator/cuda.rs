//! Numbers drawn on a CUDA device, of shapes that are not empty.

use advect_kernels::cuda::random::Stretches;
use candle_core::{CudaDevice, DType, Shape, Tensor};

use super::{BLOCK, Generator, STRIDE};
use crate::Result;

impl Generator {
    /// Returns the places of the words of the next draw, for kernels. There is a word for each uniform number.
    // (Hidden, as its type is of a crate that promises nothing.)
    #[doc(hidden)]
    pub fn stretches(&mut self) -> Stretches {
        let (key, position) = self.advance();
        Stretches {
            key: key.bytes(),
            stream: position,
            first: 0,
            stride: STRIDE,
            length: BLOCK,
        }
    }

    /// Normal numbers in f32.
    pub(super) fn normal_on_cuda(&mut self, shape: &Shape, device: &CudaDevice) -> Result<Tensor> {
        let stretches = self.stretches();
        Ok(stretches.normal(device, shape)?.into_tensor())
    }

    /// Normal numbers in f32, with `stride` words for each sample from sample `first` on.
    pub(super) fn normal_by_sample_on_cuda(
        &mut self,
        first: u64,
        stride: u128,
        shape: &Shape,
        device: &CudaDevice,
    ) -> Result<Tensor> {
        let samples = shape.dims().first().copied().unwrap_or(1);
        let stretches = Stretches {
            first: u128::from(first) * stride,
            stride,
            length: shape.elem_count() / samples,
            ..self.stretches()
        };
        Ok(stretches.normal(device, shape)?.into_tensor())
    }

    /// Uniform numbers in f32 or f64.
    pub(super) fn uniform_on_cuda(
        &mut self,
        range: [f64; 2],
        bits: u8,
        shape: &Shape,
        dtype: DType,
        device: &CudaDevice,
    ) -> Result<Tensor> {
        let stretches = self.stretches();
        let y = stretches.uniform(device, dtype, shape, range, bits)?;
        Ok(y.into_tensor())
    }
}
