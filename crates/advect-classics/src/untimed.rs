//! Networks as functions of their state alone.

use advect_core::{Result, Time};
use advect_nn::Network;
use candle_core::Tensor;

/// Returns a network as a closure from states to outputs, at time 0 and without a condition.
///
/// ```
/// use advect_classics::untimed;
/// use advect_core::Key;
/// use advect_models::Mlp;
/// use advect_nn::{ParameterStore, TimeEmbedding};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let encoder = untimed(Mlp::config(64).outputs(4).time(TimeEmbedding::None).build(&store.builder())?);
/// assert_eq!(encoder(&Tensor::zeros((3, 1, 8, 8), DType::F32, &Device::Cpu)?)?.dims(), [3, 4]);
/// # Ok(())
/// # }
/// ```
pub fn untimed<N: Network>(network: N) -> impl Fn(&Tensor) -> Result<Tensor> {
    move |x: &Tensor| network.evaluate(&Time::Shared(0.0), x, None)
}
