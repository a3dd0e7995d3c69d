//! Compositions of bijections.

use advect_core::{Error, Result};
use candle_core::Tensor;

use super::{Bijection, Layout};

/// A composition of bijections, in the order in which they transform noise into data. Log-determinants add up.
///
/// ```
/// use advect_classics::flow::{AffineCoupling, Composition, Mask};
/// use advect_core::{Key, Result};
/// use advect_models::Mlp;
/// use advect_nn::ParameterStore;
/// use candle_core::{DType, Device};
/// # fn main() -> Result<()> {
/// let store = ParameterStore::new(Key::from_seed(0), DType::F32, &Device::Cpu);
/// let net = Mlp::config(3).outputs(6).build(&store.builder())?;
/// let layer = |parity| Ok::<_, advect_core::Error>(Box::new(AffineCoupling::affine(Mask::alternating(&[3], parity)?, net.clone())) as Box<_>);
/// assert!(Composition::new(&[3], vec![layer(0)?, layer(1)?]).is_ok());
/// let error = Composition::new(&[3], vec![layer(0)?, layer(0)?]).err().unwrap();
/// assert!(error.to_string().starts_with("layers: got couplings that all keep the elements [1]"));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "Sequential")]
#[doc(alias = "Chain")]
pub struct Composition {
    layers: Vec<Box<dyn Bijection>>,
}

impl std::fmt::Debug for Composition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Composition of {} layers", self.layers.len())
    }
}

impl Composition {
    /// Creates the composition for data of a shape.
    ///
    /// # Errors
    /// [`Error::Empty`] without layers; [`Error::Shape`] for a layer that does not take what the next one gives; [`Error::Range`] if there are couplings, and an
    /// element that none of them changes.
    pub fn new(shape: &[usize], layers: Vec<Box<dyn Bijection>>) -> Result<Self> {
        if layers.is_empty() {
            return Err(Error::Empty {
                argument: "layers".into(),
            });
        }
        let composition = Composition { layers };
        let layout = composition.latent(&Layout::new(shape))?;
        let left = layout.changed().iter().enumerate().filter(|(_, c)| !**c);
        let left: Vec<usize> = left.map(|(k, _)| k).collect();
        if left.is_empty() || left.len() == layout.changed().len() {
            return Ok(composition);
        }
        let given = format!("couplings that all keep the elements {left:?} of the noise");
        let accepted = "masks and permutations by which each element is changed";
        Err(Error::range("layers", given, accepted))
    }

    /// Applies maps one after the other.
    fn apply<'a>(
        layers: impl Iterator<Item = &'a dyn Bijection>,
        x: &Tensor,
        map: impl Fn(&dyn Bijection, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<(Tensor, Tensor)> {
        let (mut x, mut total) = (x.clone(), None);
        for layer in layers {
            let (y, log_determinant) = map(layer, &x)?;
            total = Some(match total {
                None => log_determinant,
                Some(total) => (total + log_determinant)?,
            });
            x = y;
        }
        let empty = || Error::Empty {
            argument: "layers".into(),
        };
        Ok((x, total.ok_or_else(empty)?))
    }
}

impl Bijection for Composition {
    fn forward_given(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        Self::apply(self.layers.iter().map(|layer| &**layer), x, |layer, x| {
            layer.forward_given(x, condition)
        })
    }

    fn inverse_given(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<(Tensor, Tensor)> {
        let back = self.layers.iter().rev().map(|layer| &**layer);
        Self::apply(back, y, |layer, y| layer.inverse_given(y, condition))
    }

    fn latent(&self, data: &Layout) -> Result<Layout> {
        let back = self.layers.iter().rev();
        back.clone()
            .try_fold(data.clone(), |layout, layer| layer.latent(&layout))
    }

    fn initialize(&self, y: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let mut back = self.layers.iter().rev();
        back.try_fold(y.clone(), |y, layer| layer.initialize(&y, condition))
    }
}
