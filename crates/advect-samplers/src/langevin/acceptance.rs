//! The choice between proposals and previous states, sample by sample.

use advect_core::{Result, shape};
use candle_core::{DType, Device, Tensor};

/// The numbers of samples, in f64 in the host's memory.
pub(crate) fn host(values: &Tensor) -> Result<Vec<f64>> {
    Ok(values.to_dtype(DType::F64)?.to_vec1()?)
}

/// The samples of `yes` that are taken, and those of `no` for the others.
pub(crate) fn choose(take: &[bool], yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    let take: Vec<u8> = take.iter().map(|taken| u8::from(*taken)).collect();
    let count = take.len();
    let take = Tensor::from_vec(take, count, &Device::Cpu)?.to_device(yes.device())?;
    let take = shape::column(&take, yes.rank())?.broadcast_as(yes.shape())?;
    Ok(take.where_cond(yes, no)?)
}
