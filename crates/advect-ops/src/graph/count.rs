//! The numbers that candle adds up for a counter.

use std::sync::OnceLock;

use advect_core::Result;
use candle_core::{Device, Tensor, TensorId};

use super::handover::{Handover, missing};
use super::walk;
use crate::output::Output;

/// The content of a counter, on the device of a tensor.
pub(super) fn start(like: &Tensor) -> Result<Output> {
    match like.device() {
        Device::Cpu => Ok(Output::new(vec![0.0f64; 2], 2)),
        device => Output::zero(device),
    }
}

/// A tensor with a counter's content, outside of the graph.
pub(super) fn like(counter: &Tensor) -> Result<Tensor> {
    static ON_CPU: OnceLock<Tensor> = OnceLock::new();
    match (counter.device(), ON_CPU.get()) {
        (Device::Cpu, Some(one)) => Ok(one.clone()),
        (Device::Cpu, None) => {
            let one = start(counter)?.into_tensor()?;
            Ok(ON_CPU.get_or_init(|| one).clone())
        }
        _ => Ok(counter.detach()),
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
