//! Divergences by which flows are fitted (Papamakarios et al. 2021, section 2.3).

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::{BaseDensity, Bijection, NormalizingFlow};
use crate::ImportanceWeights;

/// Returns `−⟨log q(y)⟩` over data, a scalar: the forward divergence KL(p ‖ q) from the law p of the data, plus its entropy. Its minimum is maximum
/// likelihood; q covers all modes of p.
///
/// ```
/// use advect_classics::flow::{ActNorm, NormalizingFlow, forward_kl};
/// use advect_core::Key;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?; // N(0, 1) so far
/// let loss = forward_kl(&flow, &Tensor::new(&[[1f64], [-1.0]], &Device::Cpu)?)?.to_scalar::<f64>()?;
/// assert!((loss - 0.5 - 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`NormalizingFlow::log_density`].
#[doc(alias = "maximum likelihood")]
#[doc(alias = "negative log-likelihood")]
pub fn forward_kl<B: Bijection, D: BaseDensity>(
    flow: &NormalizingFlow<B, D>,
    data: &Tensor,
) -> Result<Tensor> {
    Ok(flow.log_density(data)?.mean_all()?.neg()?)
}

/// Returns `⟨log q(y) − log p̃(y)⟩` over samples y of the flow, computed from noise, a scalar: the reverse divergence KL(q ‖ p) to a law `p = p̃/Z`, minus ln Z. No
/// data is needed, and q keeps out of places where p is low, if need be to one mode.
///
/// `log_target` is a closure from samples to `log p̃`, `(batch,)`, made of tracked operations; draw noise by [`NormalizingFlow::noise`].
///
/// ```
/// use advect_classics::flow::{ActNorm, NormalizingFlow, reverse_kl};
/// use advect_core::{Key, shape};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?; // N(0, 1) so far
/// let target = |y: &Tensor| Ok((shape::sum_squares_per_sample(y)? * -0.5)?);
/// let loss = reverse_kl(&flow, target, &Tensor::new(&[[0.3f64]], &Device::Cpu)?)?.to_scalar::<f64>()?;
/// assert!((loss + 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14); // −ln Z
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`NormalizingFlow::transform`]; the errors of the closure; [`Error::Shape`] unless it gives a number for each sample.
#[doc(alias = "variational inference")]
#[doc(alias = "ELBO")]
pub fn reverse_kl<B: Bijection, D: BaseDensity>(
    flow: &NormalizingFlow<B, D>,
    log_target: impl Fn(&Tensor) -> Result<Tensor>,
    noise: &Tensor,
) -> Result<Tensor> {
    let (_, log_weights) = weighted(flow, log_target, noise)?;
    Ok(log_weights.mean_all()?.neg()?)
}

/// Returns samples of the flow, computed from noise, and their weights `p̃(y)/q(y)`, whose [`log_mean`](ImportanceWeights::log_mean) estimates ln Z.
/// Both are part of no graph.
///
/// ```
/// use advect_classics::flow::{ActNorm, NormalizingFlow, importance_weights};
/// use advect_core::{Key, shape};
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let flow = NormalizingFlow::new(&[1], ActNorm::new(1, &store.builder())?)?;
/// let target = |y: &Tensor| Ok((shape::sum_squares_per_sample(y)? * -0.5)?);
/// let noise = Tensor::new(&[[0.3f64], [-2.0]], &Device::Cpu)?;
/// let (_, weights) = importance_weights(&flow, target, &noise)?;
/// assert!((weights.log_mean() - 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// assert!((weights.effective_sample_size() - 2.0).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`reverse_kl`], and as [`ImportanceWeights::new`].
pub fn importance_weights<B: Bijection, D: BaseDensity>(
    flow: &NormalizingFlow<B, D>,
    log_target: impl Fn(&Tensor) -> Result<Tensor>,
    noise: &Tensor,
) -> Result<(Tensor, ImportanceWeights)> {
    let (y, log_weights) = weighted(flow, log_target, noise)?;
    Ok((y.detach(), ImportanceWeights::new(&log_weights.detach())?))
}

/// Samples and the logarithms of their weights.
pub(crate) fn weighted<B: Bijection, D: BaseDensity>(
    flow: &NormalizingFlow<B, D>,
    log_target: impl Fn(&Tensor) -> Result<Tensor>,
    noise: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (y, log_density) = flow.transform(noise)?;
    let target = log_target(&y)?;
    if target.dims() != log_density.dims() {
        let accepted = format!("{:?}, a number for each sample", log_density.dims());
        return Err(Error::shape("log_target", target.dims(), accepted));
    }
    Ok((y, (target - log_density)?))
}
