//! Norms of gradients.

use advect_core::Result;
use advect_kernels::cuda::norm;
use candle_core::Tensor;

/// The sum of the squares of all elements, in f64; one answer is awaited for all tensors of a device.
pub(crate) fn squares(tensors: &[&Tensor]) -> Result<f64> {
    let contiguous = tensors.iter().map(|x| x.detach().contiguous());
    let tensors = contiguous.collect::<candle_core::Result<Vec<Tensor>>>()?;
    let mut total = 0.0;
    for (i, first) in tensors.iter().enumerate() {
        let beside = |x: &&Tensor| x.device().same_device(first.device());
        if tensors[..i].iter().any(|x| beside(&x)) {
            continue;
        }
        let together: Vec<&Tensor> = tensors[i..].iter().filter(beside).collect();
        total += norm::squares(&together)?;
    }
    Ok(total)
}
