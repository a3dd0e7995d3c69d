//! Bijections in the other direction.

use advect_core::Result;
use candle_core::Tensor;

use crate::flow::{Bijection, Layout};

/// A bijection with its directions exchanged. `Inverted` of a [`MaskedAutoregressive`](super::MaskedAutoregressive) is an inverse autoregressive flow (Kingma et
/// al. 2016): samples in one pass, for reverse divergences. `Inverted` of a [`ResidualBlock`](super::ResidualBlock) has densities in one pass.
///
/// ```
/// use advect_classics::flow::{Bijection, Inverted, Permutation};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x = Tensor::new(&[[1f64, 2.0, 3.0]], &Device::Cpu)?;
/// let map = Inverted(Permutation::new(&[2, 0, 1])?);
/// assert_eq!(map.forward(&x)?.0.to_vec2::<f64>()?, [[2.0, 3.0, 1.0]]);
/// # Ok(())
/// # }
/// ```
///
/// It is for maps that keep the shape of samples; another one is an error. [`initialize`](Bijection::initialize) sets nothing in it: what depends on a first batch of the
/// data, as an [`ActNorm`](super::ActNorm) does, is initialised in its own direction before.
#[doc(alias = "IAF")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inverted<B>(pub B);

impl<B: Bijection> Bijection for Inverted<B> {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.0.inverse_given(x, condition)
    }

    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        self.0.forward_given(y, condition)
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        let layout = self.0.latent(data)?;
        layout.check(data.shape())?;
        // Its marks went the other way.
        Ok(layout.all_changed())
    }
}
