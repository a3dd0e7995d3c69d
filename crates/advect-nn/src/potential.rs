//! Networks with one output as energies.

use advect_core::{Energy, Error, Result, Time};
use candle_core::Tensor;

use crate::Network;

/// An [`Energy`] from a [`Network`] with one output for each sample, `(batch,)` or `(batch, 1)`: a potential, whose
/// gradient is a field.
///
/// ```
/// use advect_core::{Energy, Key, Result, Time};
/// use advect_nn::{Activation, Linear, Network, ParameterStore, Potential};
/// use advect_ops::Value;
/// use candle_core::{DType, Device, Tensor};
///
/// /// `w · tanh(U x)`.
/// struct Net(Linear, Linear);
/// impl Network for Net {
///     fn forward<V: Value>(&self, _: &V, x: &V, _: Option<&Tensor>) -> Result<V> {
///         self.1.forward(&self.0.activated(x, Activation::Tanh)?)
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F64, &Device::Cpu);
/// let builder = store.builder();
/// let net = Net(Linear::new(2, 8, &builder.pp(0))?, Linear::new(8, 1, &builder.pp(1))?);
/// let potential = Potential(net);
/// let x = Tensor::new(&[[0.5f64, -1.0], [2.0, 0.1]], &Device::Cpu)?;
/// let (value, along) = potential.jvp(&Time::Shared(0.0), &x, 0.0, &x)?;
/// assert_eq!((value.dims(), along.dims()), (&[2][..], &[2][..]));
/// # Ok(())
/// # }
/// ```
///
/// Any other output of the network is an [`Error::Shape`].
#[doc(alias = "energy-based model")]
#[doc(alias = "EBM")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Potential<N>(pub N);

/// One number for each sample of x.
fn numbers(value: &Tensor, x: &Tensor) -> Result<Tensor> {
    let batch = x.dims()[0];
    match value.dims() {
        &[count] if count == batch => Ok(value.clone()),
        &[count, 1] if count == batch => Ok(value.squeeze(1)?),
        dims => {
            let accepted = format!("({batch},) or ({batch}, 1), one number for each sample");
            Err(Error::shape("network", dims, accepted))
        }
    }
}

impl<N: Network> Energy for Potential<N> {
    fn at(&self, t: &Time, x: &Tensor) -> Result<Tensor> {
        numbers(&self.0.evaluate(t, x, None)?, x)
    }

    fn jvp(&self, t: &Time, x: &Tensor, dt: f64, dx: &Tensor) -> Result<(Tensor, Tensor)> {
        let (value, along) = self.0.evaluate_along(t, x, None, dt, dx)?;
        Ok((numbers(&value, x)?, numbers(&along, x)?))
    }
}
