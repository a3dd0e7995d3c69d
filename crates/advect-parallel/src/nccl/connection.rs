//! One communicator of NCCL.

use std::time::Duration;

use advect_core::{Error, Result};
use candle_core::cuda_backend::cudarc::nccl::result::NcclError;
use candle_core::cuda_backend::cudarc::nccl::{Comm, Id};
use candle_core::{CudaDevice, CustomOp1, DType, Device, Tensor};

use super::operations::{FromRoot, Sum};
use crate::watch::Watch;
use crate::{DeviceCommunicator, Ranks};

/// This rank's end of the connection between GPUs. It is NCCL's blocking kind: the kind that does not block would launch from a thread of its
/// own, whose stream is another one.
pub(super) struct Connection {
    comm: Comm,
    device: CudaDevice,
    watch: Watch,
}

impl Connection {
    /// Waits until all ranks are connected.
    pub(super) fn new(
        ranks: &Ranks,
        device: &CudaDevice,
        id: Id,
        timeout: Duration,
    ) -> Result<Self> {
        let (rank, size) = (ranks.rank(), ranks.size());
        // An ordinary exit would wait for the device, which waits for the other ranks.
        let watch = Watch::start(timeout, rank, size, || std::process::abort());
        let stream = device.cuda_stream();
        let bound = stream.context().bind_to_thread();
        bound.map_err(|e| Error::stopped("the start of NCCL", e))?;
        let comm = watch.over("the start of NCCL", || {
            Comm::from_rank(stream, rank, size, id)
        });
        Ok(Connection {
            comm: comm.map_err(|e| Error::stopped("the start of NCCL", told(&e)))?,
            device: device.clone(),
            watch,
        })
    }

    /// Makes an operation and waits for its result.
    fn made(&self, name: &'static str, tensor: &Tensor, op: &impl CustomOp1) -> Result<Tensor> {
        let stream = self.device.cuda_stream();
        self.watch.over(name, || {
            let bound = stream.context().bind_to_thread();
            bound.map_err(|e| Error::stopped(name, e))?;
            let result = tensor.apply_op1_no_bwd(op);
            let result = result.map_err(|e| Error::stopped(name, e))?;
            stream.synchronize().map_err(|e| Error::stopped(name, e))?;
            Ok(result)
        })
    }
}

impl DeviceCommunicator for Connection {
    fn takes(&self, device: &Device, dtype: DType) -> bool {
        use DType::*;
        device.same_device(&Device::Cuda(self.device.clone()))
            && matches!(dtype, F64 | F32 | F16 | BF16 | U8 | U32 | I64)
    }

    fn all_reduce(&self, tensor: &Tensor) -> Result<Tensor> {
        self.made("a sum by NCCL", tensor, &Sum(&self.comm))
    }

    fn broadcast(&self, tensor: &Tensor) -> Result<Tensor> {
        self.made("a broadcast by NCCL", tensor, &FromRoot(&self.comm))
    }
}

/// What an error of NCCL says.
pub(super) fn told(error: &NcclError) -> String {
    format!(
        "{:?}; the environment's NCCL_DEBUG=WARN has NCCL say more",
        error.0
    )
}
