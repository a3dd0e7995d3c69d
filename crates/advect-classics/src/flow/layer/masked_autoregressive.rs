//! Masked autoregressive flows (Papamakarios, Pavlakou and Murray 2017, "Masked autoregressive flow for density estimation").

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::check_samples;
use crate::flow::{Affine, Bijection, Layout, MaskedPerceptron, Transformer};

/// An autoregressive layer: element i of the data is a transformer of element i of the noise, with parameters that a [`MaskedPerceptron`] makes of the elements of the
/// data before it; `y_i = x_i e^(s_i) + m_i` by default.
///
/// The inverse, and so a density, is one pass; forward takes as many passes as there are elements. See [`Inverted`](super::Inverted) for the reverse. Between layers, put a
/// [`Permutation`](super::Permutation) or take another order.
///
/// ```
/// use advect_classics::flow::{Affine, Bijection, MaskedAutoregressive, MaskedPerceptron};
/// use advect_core::Key;
/// use advect_nn::{Activation, ParameterStore};
/// use candle_core::{DType, Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let net = MaskedPerceptron::new(&[0, 1, 2], 0, &[16], 2, Activation::Relu, &store.builder())?;
/// let layer = MaskedAutoregressive::new(net, Affine::unbounded())?;
/// let data = Tensor::new(&[[0.3f64, -1.2, 2.0]], &Device::Cpu)?;
/// let (noise, _) = layer.inverse(&data)?;
/// let (back, _) = layer.forward(&noise)?;
/// assert!((back - data)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-12);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "MAF")]
#[derive(Debug, Clone)]
pub struct MaskedAutoregressive<T = Affine> {
    network: MaskedPerceptron,
    transformer: T,
}

impl<T: Transformer> MaskedAutoregressive<T> {
    /// Creates the layer.
    ///
    /// # Errors
    /// [`Error::Range`] unless the network gives as many parameters for an element as the transformer has.
    pub fn new(network: MaskedPerceptron, transformer: T) -> Result<Self> {
        if network.parameters() != transformer.parameters() {
            let accepted = format!("{} for an element", transformer.parameters());
            return Err(Error::range("parameters", network.parameters(), accepted));
        }
        Ok(MaskedAutoregressive {
            network,
            transformer,
        })
    }
}

impl<T: Transformer> Bijection for MaskedAutoregressive<T> {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        check_samples("x", x, &[self.network.dim()])?;
        // Each pass is right for one more element of the order.
        let mut y = x.zeros_like()?;
        let mut log_slopes = x.zeros_like()?;
        for _ in 0..self.network.dim() {
            let parameters = self.network.forward(&y, condition)?;
            (y, log_slopes) = self.transformer.forward(x, &parameters)?;
        }
        Ok((y, log_slopes.sum(1)?))
    }

    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        check_samples("y", y, &[self.network.dim()])?;
        let parameters = self.network.forward(y, condition)?;
        let (x, log_slopes) = self.transformer.inverse(y, &parameters)?;
        Ok((x, log_slopes.sum(1)?))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        data.check(&[self.network.dim()])?;
        Ok(data.clone().all_changed())
    }
}
