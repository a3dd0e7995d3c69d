//! Couplings: which source sample goes with which target sample of a batch.
//!
//! | coupling | pairs |
//! | --- | --- |
//! | [`Independent`] | at random |
//! | [`ExactOt`] | the permutation of least total squared distance |

#[cfg(test)]
mod contract;
mod exact_ot;
mod independent;

use advect_core::{Error, Generator, Result};
use candle_core::Tensor;

pub use exact_ot::ExactOt;
pub use independent::Independent;

/// Pairs of samples, as indices into the source and target batches, so that labels can follow.
///
/// ```
/// use advect_core::Generator;
/// use advect_paths::coupling::{Coupling, ExactOt};
/// use candle_core::{Device, Tensor};
/// # fn main() -> advect_core::Result<()> {
/// let x0 = Tensor::new(&[[0.0f32], [10.0]], &Device::Cpu)?;
/// let x1 = Tensor::new(&[[11.0f32], [1.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[7u32, 3], &Device::Cpu)?;
/// let pairs = ExactOt.pair(&x0, &x1, &mut Generator::from_seed(0))?;
/// assert_eq!(pairs.source(&x0)?.to_vec2::<f32>()?, [[0.0], [10.0]]);
/// assert_eq!(pairs.target(&x1)?.to_vec2::<f32>()?, [[1.0], [11.0]]);
/// assert_eq!(pairs.target(&labels)?.to_vec1::<u32>()?, [3, 7]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Pairs {
    source: Tensor,
    target: Tensor,
}

impl Pairs {
    /// Pairs from indices, u32 tensors of shape `(pairs,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless both are of rank 1 and of one length.
    pub fn new(source: Tensor, target: Tensor) -> Result<Self> {
        if source.rank() != 1 {
            return Err(Error::shape("source", source.dims(), "(pairs,)"));
        }
        if target.dims() != source.dims() {
            let accepted = format!("{:?}, as source,", source.dims());
            return Err(Error::shape("target", target.dims(), accepted));
        }
        Ok(Pairs { source, target })
    }

    /// The source side of each pair: `x0`, or what goes with it, rearranged.
    ///
    /// # Errors
    /// Those of candle.
    pub fn source(&self, x0: &Tensor) -> Result<Tensor> {
        Ok(x0.index_select(&self.source, 0)?)
    }

    /// The target side of each pair: `x1`, its labels, or what else goes with it, rearranged.
    ///
    /// # Errors
    /// Those of candle.
    pub fn target(&self, x1: &Tensor) -> Result<Tensor> {
        Ok(x1.index_select(&self.target, 0)?)
    }

    /// The indices into the source batch.
    pub fn source_indices(&self) -> &Tensor {
        &self.source
    }

    /// The indices into the target batch.
    pub fn target_indices(&self) -> &Tensor {
        &self.target
    }
}

/// A joint law of source and target samples within a minibatch.
pub trait Coupling {
    /// Pairs up batches `x0` and `x1` of samples of one shape.
    ///
    /// # Errors
    /// Typed errors for batches that do not fit.
    fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs>;
}

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Coupling + ?Sized> Coupling for $pointer {
            fn pair(&self, x0: &Tensor, x1: &Tensor, rng: &mut Generator) -> Result<Pairs> {
                (**self).pair(x0, x1, rng)
            }
        }
    )*};
}
forward!(&T, Box<T>);
