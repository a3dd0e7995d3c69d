//! The numbers that candle adds up for a counter.

use advect_core::Result;
use candle_core::{DType, Device, Tensor, TensorId};

use super::handover::{Handover, missing};
use super::walk;
use crate::output::Output;

/// The content of a counter, on the device of a tensor.
pub(super) fn start(like: &Tensor) -> Result<Output> {
    match like.device() {
        Device::Cpu => Output::copy(&Tensor::zeros(2, DType::F64, &Device::Cpu)?),
        device => Output::zero(device),
    }
}

/// The gradient of a counter for what was left with a number. In a pass that knows how many there will be, it is any number, as the counter's
/// own, which costs nothing. Otherwise it is one more, and on the CPU which.
pub(super) fn one_more(counter: &Tensor, number: u64) -> Result<Tensor> {
    let device = counter.device();
    Ok(match (walk::is_known(), device.is_cpu()) {
        (true, _) => counter.clone(),
        (false, true) => Tensor::new(&[1.0, number as f64], device)?,
        (false, false) => counter.ones_like()?,
    })
}

/// Takes what a pass has left, given the gradient of the counter.
pub(super) fn take<T>(place: &Handover<T>, counter: TensorId, counted: &Tensor) -> Result<Vec<T>> {
    if let Some(count) = walk::take_arrivals(counter) {
        return place.take_all(count);
    }
    if !counted.device().is_cpu() {
        return match place.has_one() {
            true => place.take(1, None),
            // This waits for the device.
            false => place.take(counted.to_scalar::<f32>()? as usize, None),
        };
    }
    match counted.to_vec1::<f64>()?[..] {
        [count, sum] => place.take(count as usize, Some(sum)),
        _ => Err(missing()),
    }
}
